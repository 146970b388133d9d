-- Each measure among domains of a decade of ranks: 1 to 10, 11 to 100, and so on. Empty where the input has no ranks.
-- Counts domains, over those of the decade that the measure is about and of which it could be told.
SELECT
    CASE WHEN bucket = 10 THEN 1 ELSE CAST(bucket / 10 AS BIGINT) + 1 END AS rank_from,
    bucket AS rank_to,
    measure,
    denominator,
    domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM shares
WHERE dimension = 'rank'
ORDER BY bucket, place
