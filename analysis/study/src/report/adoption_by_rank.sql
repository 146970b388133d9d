-- Adoption among the first so many of the list; empty where the input has no ranks.
WITH steps AS (
    SELECT column1 AS first_n FROM (VALUES (100), (1000), (10000), (100000), (1000000), (10000000))
),
within AS (
    SELECT
        steps.first_n,
        verdicts.rank,
        verdicts.record,
        verdicts.mode,
        verdicts.tlsrpt,
        verdicts.starttls,
        verdicts.certificates
    FROM verdicts
    JOIN steps ON verdicts.rank <= steps.first_n
)
SELECT
    first_n AS among_first,
    count(*) AS domains,
    count(*) FILTER (WHERE record IN ('valid', 'invalid')) AS sts_records,
    CAST(count(*) FILTER (WHERE record IN ('valid', 'invalid')) AS DOUBLE)
        / nullif(count(*) FILTER (WHERE record <> 'unknown'), 0) AS sts_record_rate,
    count(*) FILTER (WHERE mode = 'enforce') AS enforce,
    count(*) FILTER (WHERE tlsrpt IN ('valid', 'invalid')) AS tlsrpt_records,
    CAST(count(*) FILTER (WHERE tlsrpt IN ('valid', 'invalid')) AS DOUBLE)
        / nullif(count(*) FILTER (WHERE tlsrpt <> 'unknown'), 0) AS tlsrpt_rate,
    CAST(count(*) FILTER (WHERE starttls = 'all') AS DOUBLE)
        / nullif(count(*) FILTER (WHERE starttls NOT IN ('unknown', 'not-applicable')), 0) AS starttls_all_rate,
    CAST(count(*) FILTER (WHERE certificates = 'all') AS DOUBLE)
        / nullif(count(*) FILTER (WHERE certificates NOT IN ('unknown', 'not-applicable')), 0)
        AS valid_certificates_rate
FROM within
GROUP BY first_n
HAVING max(rank) > first_n / 10
ORDER BY first_n
