-- What domains publish and what their mail hosts do. `measured` leaves out what is unknown.
WITH facts AS (
    SELECT 1 AS place, 'MTA-STS record' AS measure, record AS value FROM verdicts
    UNION ALL
    SELECT 2, 'MTA-STS policy, of domains with a record', policy FROM verdicts WHERE record IN ('valid', 'invalid')
    UNION ALL
    SELECT 3, 'mode, of valid policies', mode FROM verdicts WHERE policy = 'valid'
    UNION ALL
    SELECT 4, 'TLS-RPT record', tlsrpt FROM verdicts
    UNION ALL
    SELECT 5, 'where mail goes', mx FROM verdicts
    UNION ALL
    SELECT 6, 'STARTTLS, of domains with MX hosts', starttls FROM verdicts WHERE starttls <> 'not-applicable'
    UNION ALL
    SELECT 7, 'valid certificates, of domains with MX hosts', certificates
    FROM verdicts WHERE certificates <> 'not-applicable'
),
totals AS (
    SELECT
        place,
        measure,
        count(*) FILTER (WHERE value <> 'unknown') AS measured,
        count(*) FILTER (WHERE value = 'unknown') AS unknown
    FROM facts
    GROUP BY place, measure
),
counts AS (
    SELECT place, value, count(*) AS domains
    FROM facts
    WHERE value <> 'unknown'
    GROUP BY place, value
)
SELECT
    totals.measure,
    counts.value,
    coalesce(counts.domains, 0) AS domains,
    totals.measured,
    CAST(counts.domains AS DOUBLE) / totals.measured AS rate,
    totals.unknown
FROM totals
LEFT JOIN counts ON counts.place = totals.place
ORDER BY totals.place, domains DESC, counts.value
