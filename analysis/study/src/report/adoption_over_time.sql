-- Each measure among all domains of each run, by when the run began. Runs over different inputs differ for that reason too.
-- Counts domains, over those of the run that the measure is about and of which it could be told.
SELECT
    began,
    run,
    measure,
    denominator,
    domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM series
ORDER BY began, run, place
