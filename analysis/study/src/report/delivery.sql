-- What happens to a message, and what an active attacker gets, for four kinds of sender.
WITH fates AS (
    SELECT 1 AS place, 'opportunistic' AS sender, opportunistic AS delivery, opportunistic_attacker AS attacker
    FROM verdicts
    UNION ALL
    SELECT 2, 'MTA-STS', sts, sts_attacker FROM verdicts
    UNION ALL
    SELECT 3, 'DANE', dane, dane_attacker FROM verdicts
    UNION ALL
    SELECT 4, 'both', both, both_attacker FROM verdicts
),
totals AS (
    SELECT
        place,
        sender,
        count(*) FILTER (WHERE delivery <> 'unknown') AS measured,
        count(*) FILTER (WHERE delivery = 'unknown') AS unknown
    FROM fates
    GROUP BY place, sender
),
counts AS (
    SELECT place, delivery, attacker, count(*) AS domains
    FROM fates
    WHERE delivery <> 'unknown'
    GROUP BY place, delivery, attacker
)
SELECT
    totals.sender,
    counts.delivery,
    counts.attacker AS attacker_gets,
    coalesce(counts.domains, 0) AS domains,
    totals.measured,
    CAST(counts.domains AS DOUBLE) / totals.measured AS rate,
    totals.unknown
FROM totals
LEFT JOIN counts ON counts.place = totals.place
ORDER BY totals.place, domains DESC, counts.delivery, counts.attacker
