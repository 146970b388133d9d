-- The certificates of MX hosts and policy hosts (the leaf of each chain): keys, issuers, lifetimes, and days left when seen.
-- Counts distinct leaves, over those that could be read (`measured`); the others are `unknown`. Issuers beyond the first twenty
-- are one line.
WITH leaves AS (
    SELECT DISTINCT 1 AS kind, tls['chain'][1] AS leaf FROM smtp_sessions WHERE tls IS NOT NULL
    UNION ALL
    SELECT DISTINCT 2, tls['chain'][1] FROM policies WHERE tls IS NOT NULL
),
facts AS (
    SELECT
        leaves.kind,
        certificates.parse_error IS NULL AS is_read,
        certificates.key_algorithm || CASE
            WHEN certificates.key_bits IS NULL THEN '' ELSE ' ' || CAST(certificates.key_bits AS VARCHAR)
        END AS public_key,
        CASE
            WHEN certificates.self_issued THEN 'itself'
            WHEN strpos(', ' || certificates.issuer, ', O=') > 0
                THEN split_part(split_part(', ' || certificates.issuer, ', O=', 2), ', ', 1)
            ELSE certificates.issuer
        END AS issuer,
        (extract(epoch FROM certificates.not_after) - extract(epoch FROM certificates.not_before)) / 86400 AS lifetime,
        (extract(epoch FROM certificates.not_after) - extract(epoch FROM certificates.first_seen)) / 86400 AS days_left
    FROM leaves
    JOIN certificates ON certificates.sha256 = leaves.leaf
),
totals AS (
    SELECT kind, count(*) FILTER (WHERE is_read) AS measured, count(*) FILTER (WHERE NOT is_read) AS unknown
    FROM facts
    GROUP BY kind
),
questions AS (
    SELECT place, measure
    FROM (VALUES (1, 'public key'), (2, 'issuer'), (3, 'lifetime'), (4, 'left when seen')) AS listed (place, measure)
),
answers AS (
    SELECT
        kind,
        place,
        measure,
        CASE place
            WHEN 1 THEN public_key
            WHEN 2 THEN issuer
            WHEN 3 THEN CASE
                WHEN lifetime <= 10 THEN 'up to 10 days'
                WHEN lifetime <= 100 THEN 'up to 100 days'
                WHEN lifetime <= 200 THEN 'up to 200 days'
                WHEN lifetime <= 398 THEN 'up to 398 days'
                WHEN lifetime <= 825 THEN 'up to 825 days'
                ELSE 'more than 825 days'
            END
            ELSE CASE
                WHEN days_left < 0 THEN 'expired'
                WHEN days_left < 7 THEN 'under 7 days'
                WHEN days_left < 30 THEN '7 to 30 days'
                WHEN days_left < 90 THEN '30 to 90 days'
                WHEN days_left < 398 THEN '90 to 398 days'
                ELSE '398 days and more'
            END
        END AS value
    FROM questions
    CROSS JOIN facts
    WHERE is_read
),
counts AS (
    SELECT kind, place, measure, value, count(*) AS certificates
    FROM answers
    GROUP BY kind, place, measure, value
),
ordered AS (
    SELECT
        kind,
        place,
        measure,
        value,
        certificates,
        row_number() OVER (PARTITION BY kind, place ORDER BY certificates DESC, value) AS size_place
    FROM counts
),
named AS (
    SELECT
        kind,
        place,
        measure,
        CASE WHEN size_place <= 20 THEN value ELSE 'all others' END AS value,
        CASE WHEN size_place <= 20 THEN size_place ELSE 21 END AS size_place,
        CAST(sum(certificates) AS BIGINT) AS certificates
    FROM ordered
    GROUP BY kind, place, measure, 4, 5
)
SELECT
    CASE named.kind WHEN 1 THEN 'MX hosts' ELSE 'policy hosts' END AS hosts_of,
    measure,
    value,
    certificates,
    measured,
    CAST(certificates AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM named
JOIN totals ON totals.kind = named.kind
ORDER BY named.kind, place, size_place
