-- Every rule, and every sub-cause of it: violations over the domains on which the rule could be judged.
SELECT
    tallies.rule,
    tallies.cause,
    rules.effect,
    rules.section,
    tallies.violation AS violations,
    whole.pass + whole.violation AS judged,
    CAST(tallies.violation AS DOUBLE) / nullif(whole.pass + whole.violation, 0) AS rate,
    tallies.unknown,
    whole.not_applicable
FROM tallies
JOIN tallies AS whole ON whole.rule = tallies.rule AND whole.cause IS NULL
JOIN rules ON rules.rule = tallies.rule
ORDER BY rules.place, tallies.cause NULLS FIRST
