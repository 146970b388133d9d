-- Every rule with and without the operator that has most of its violations: the operator of the policy host, of the mail or of
-- the DNS, whichever the rule is about. One operator can make most of a figure.
-- Counts domains that violate the rule, over those on which it could be judged (`judged`), of all domains and of those that
-- are not the operator's. A rule nobody violates is left out.
WITH of_rule AS (
    SELECT rules.place, outcomes.operator, sum(outcomes.domains) AS violations
    FROM outcomes
    JOIN rules ON rules.operator_role = outcomes.role
    WHERE substr(outcomes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) = 'v'
    GROUP BY rules.place, outcomes.operator
),
largest AS (
    SELECT place, operator
    FROM (
        SELECT place, operator, row_number() OVER (PARTITION BY place ORDER BY violations DESC, operator) AS size_place
        FROM of_rule
        WHERE operator IS NOT NULL
    ) AS ranked
    WHERE size_place = 1
),
theirs AS (
    SELECT
        largest.place,
        largest.operator,
        sum(outcomes.domains) FILTER (WHERE substr(outcomes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) = 'v')
            AS violations,
        sum(outcomes.domains) FILTER (WHERE substr(outcomes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) IN ('p', 'v'))
            AS judged
    FROM largest
    JOIN rules ON rules.place = largest.place
    JOIN outcomes ON outcomes.role = rules.operator_role AND outcomes.operator = largest.operator
    GROUP BY largest.place, largest.operator
),
counted AS (
    SELECT
        rules.place,
        rules.rule,
        rules.axis,
        rules.effect,
        tallies.violation AS violations,
        tallies.pass + tallies.violation AS judged,
        tallies.unknown,
        theirs.operator AS largest_operator,
        coalesce(theirs.violations, 0) AS of_largest,
        CAST(tallies.violation AS BIGINT) - coalesce(theirs.violations, 0) AS violations_without,
        CAST(tallies.pass + tallies.violation AS BIGINT) - coalesce(theirs.judged, 0) AS judged_without
    FROM tallies
    JOIN rules ON rules.rule = tallies.rule
    LEFT JOIN theirs ON theirs.place = rules.place
    WHERE tallies.cause IS NULL AND tallies.violation > 0
)
SELECT
    rule,
    axis,
    effect,
    violations,
    judged,
    CAST(violations AS DOUBLE) / nullif(judged, 0) AS rate,
    unknown,
    largest_operator,
    CAST(of_largest AS BIGINT) AS of_largest,
    CAST(violations_without AS BIGINT) AS violations_without,
    CAST(judged_without AS BIGINT) AS judged_without,
    CAST(violations_without AS DOUBLE) / nullif(judged_without, 0) AS without_rate
FROM counted
ORDER BY place
