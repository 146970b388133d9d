-- What domains publish and what their mail hosts do.
-- Counts domains, over those of which the measure could be told; `unknown` could not, and is in no rate.
WITH facts AS (
    SELECT 1 AS place, 'MTA-STS record' AS measure, record AS value, domains FROM standings
    UNION ALL
    SELECT 2, 'MTA-STS policy, of domains with a record', policy, domains
    FROM standings WHERE record IN ('valid', 'invalid')
    UNION ALL
    SELECT 3, 'mode, of valid policies', mode, domains FROM standings WHERE policy = 'valid'
    UNION ALL
    SELECT 4, 'TLS-RPT record', tlsrpt, domains FROM standings
    UNION ALL
    SELECT 5, 'where mail goes', mx, domains FROM standings
    UNION ALL
    SELECT 6, 'STARTTLS, of domains with MX hosts', starttls, domains FROM standings WHERE starttls <> 'not-applicable'
    UNION ALL
    SELECT 7, 'valid certificates, of domains with MX hosts', certificates, domains
    FROM standings WHERE certificates <> 'not-applicable'
    UNION ALL
    SELECT 8, 'DNSSEC of the MX lookup', mx_dnssec, domains FROM standings
    UNION ALL
    SELECT 9, 'TLSA records, of domains with MX hosts', tlsa_present, domains
    FROM standings WHERE tlsa_present <> 'not-applicable'
    UNION ALL
    SELECT 10, 'usable TLSA, of domains with MX hosts', tlsa, domains FROM standings WHERE tlsa <> 'not-applicable'
    UNION ALL
    SELECT 11, 'TLSA matched, of domains with usable ones', tlsa_matching, domains
    FROM standings WHERE tlsa IN ('all', 'some')
),
totals AS (
    SELECT
        place,
        measure,
        CAST(coalesce(sum(domains) FILTER (WHERE value <> 'unknown'), 0) AS BIGINT) AS measured,
        CAST(coalesce(sum(domains) FILTER (WHERE value = 'unknown'), 0) AS BIGINT) AS unknown
    FROM facts
    GROUP BY place, measure
),
counts AS (
    SELECT place, value, CAST(sum(domains) AS BIGINT) AS domains
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
