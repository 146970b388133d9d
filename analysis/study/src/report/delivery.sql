-- What happens to a message, and what an active attacker gets, for four kinds of sender.
-- Counts domains, over those of which it could be told.
WITH fates AS (
    SELECT 1 AS place, 'opportunistic' AS sender, opportunistic AS delivery, opportunistic_attacker AS attacker, domains
    FROM standings
    UNION ALL
    SELECT 2, 'MTA-STS', sts, sts_attacker, domains FROM standings
    UNION ALL
    SELECT 3, 'DANE', dane, dane_attacker, domains FROM standings
    UNION ALL
    SELECT 4, 'both', "both", both_attacker, domains FROM standings
),
totals AS (
    SELECT
        place,
        sender,
        CAST(coalesce(sum(domains) FILTER (WHERE delivery <> 'unknown'), 0) AS BIGINT) AS measured,
        CAST(coalesce(sum(domains) FILTER (WHERE delivery = 'unknown'), 0) AS BIGINT) AS unknown
    FROM fates
    GROUP BY place, sender
),
counts AS (
    SELECT place, delivery, attacker, CAST(sum(domains) AS BIGINT) AS domains
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
