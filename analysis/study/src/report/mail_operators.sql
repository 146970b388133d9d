-- The thirty operators that run mail for most domains, the domains themselves as one, all others as one; and how that is known.
-- Counts domains with MX hosts, over those whose operator could be told (`measured`). Of each operator's: how many have an
-- MTA-STS record, over those of which that could be told (`sts_measured`).
WITH counts AS (
    SELECT
        CASE WHEN mail_operator IS NULL THEN 'the domains themselves' ELSE mail_operator END AS operator,
        mail_operator_by AS known_by,
        count(*) AS domains,
        count(*) FILTER (WHERE record IN ('valid', 'invalid')) AS sts_records,
        count(*) FILTER (WHERE record <> 'unknown') AS sts_measured,
        count(*) FILTER (WHERE record = 'unknown') AS sts_unknown
    FROM verdicts
    WHERE mx = 'hosts' AND mail_operator_by NOT IN ('unknown', 'not-applicable')
    GROUP BY 1, 2
),
sizes AS (
    SELECT operator, row_number() OVER (ORDER BY sum(domains) DESC, operator) AS size_place
    FROM counts
    GROUP BY operator
),
named AS (
    SELECT
        CASE WHEN size_place <= 31 THEN counts.operator ELSE 'all others' END AS operator,
        CASE WHEN size_place <= 31 THEN size_place ELSE 32 END AS size_place,
        CASE known_by
            WHEN 'mx' THEN 'named by MX'
            WHEN 'first-mx' THEN 'named by the first MX of several'
            WHEN 'cname' THEN 'alias at an own name'
            WHEN 'ns' THEN 'guess by name servers'
            ELSE 'no name leads elsewhere'
        END AS known_by,
        sum(domains) AS domains,
        sum(sts_records) AS sts_records,
        sum(sts_measured) AS sts_measured,
        sum(sts_unknown) AS sts_unknown
    FROM counts
    JOIN sizes ON sizes.operator = counts.operator
    GROUP BY 1, 2, 3
),
total AS (
    SELECT
        count(*) FILTER (WHERE mail_operator_by NOT IN ('unknown', 'not-applicable')) AS measured,
        count(*) FILTER (WHERE mail_operator_by = 'unknown') AS unknown
    FROM verdicts
    WHERE mx IN ('hosts', 'unknown')
)
SELECT
    operator,
    known_by,
    CAST(domains AS BIGINT) AS domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown,
    CAST(sts_records AS BIGINT) AS sts_records,
    CAST(sts_measured AS BIGINT) AS sts_measured,
    CAST(sts_records AS DOUBLE) / nullif(sts_measured, 0) AS sts_rate,
    CAST(sts_unknown AS BIGINT) AS sts_unknown
FROM named
CROSS JOIN total
ORDER BY size_place, domains DESC, known_by
