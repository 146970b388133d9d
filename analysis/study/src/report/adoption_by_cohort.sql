-- Each measure among domains that have a value in common in a column of the input: a sector, a tier, a country. Columns of
-- more than forty values are left out; empty where the input has no other columns.
-- Counts domains, over those of the cohort that the measure is about and of which it could be told.
SELECT
    substr(dimension, 8) AS input_column,
    member AS cohort,
    measure,
    denominator,
    domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM shares
WHERE dimension LIKE 'column %'
ORDER BY dimension, member, place
