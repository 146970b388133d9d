-- Who asks for reports (TLS-RPT, RFC 8460), by what there is to report on.
-- Counts domains with a record, valid or not, over those of the kind of which it could be told.
WITH kinds AS (
    SELECT
        CASE
            WHEN policy = 'valid' AND tlsa IN ('all', 'some') THEN 1
            WHEN policy = 'valid' THEN 2
            WHEN tlsa IN ('all', 'some') THEN 3
            WHEN record IN ('valid', 'invalid') THEN 4
            WHEN record = 'absent' THEN 5
            ELSE 6
        END AS place,
        tlsrpt,
        domains
    FROM standings
)
SELECT
    CASE place
        WHEN 1 THEN 'a valid policy, and TLSA records'
        WHEN 2 THEN 'a valid policy'
        WHEN 3 THEN 'TLSA records'
        WHEN 4 THEN 'an MTA-STS record without a valid policy'
        WHEN 5 THEN 'no MTA-STS record'
        ELSE 'record unknown'
    END AS domains_with,
    CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt IN ('valid', 'invalid')), 0) AS BIGINT) AS domains,
    CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt <> 'unknown'), 0) AS BIGINT) AS measured,
    CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt IN ('valid', 'invalid')), 0) AS DOUBLE)
        / nullif(CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt <> 'unknown'), 0) AS BIGINT), 0) AS rate,
    CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt = 'unknown'), 0) AS BIGINT) AS unknown,
    CAST(coalesce(sum(domains) FILTER (WHERE tlsrpt = 'invalid'), 0) AS BIGINT) AS invalid
FROM kinds
GROUP BY place
ORDER BY place
