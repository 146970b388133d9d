-- What TLS was agreed on, at MX hosts and at policy hosts: versions, key exchange (post-quantum too), suites, signatures.
-- Counts hosts, over those with which a handshake was finished (`measured`); `unknown` are those where one was begun and none
-- finished. A host whose addresses differ counts under each value, so that rates can add up to more than one.
WITH handshakes AS (
    SELECT
        1 AS kind,
        host,
        tls['version'] AS version,
        tls['group'] AS key_exchange,
        tls['cipher_suite'] AS suite,
        tls['signature_scheme'] AS signature
    FROM smtp_sessions
    WHERE tls IS NOT NULL
    UNION ALL
    SELECT 2, host, tls['version'], tls['group'], tls['cipher_suite'], tls['signature_scheme']
    FROM policies
    WHERE tls IS NOT NULL
),
asked AS (
    SELECT kind, host, bool_or(version IS NOT NULL) AS is_agreed
    FROM handshakes
    GROUP BY kind, host
),
totals AS (
    SELECT kind, count(*) FILTER (WHERE is_agreed) AS measured, count(*) FILTER (WHERE NOT is_agreed) AS unknown
    FROM asked
    GROUP BY kind
),
questions AS (
    SELECT place, measure
    FROM (VALUES
        (1, 'TLS version'), (2, 'key exchange'), (3, 'post-quantum key exchange'), (4, 'cipher suite'),
        (5, 'handshake signature')
    ) AS listed (place, measure)
),
shown AS (
    SELECT DISTINCT
        kind,
        host,
        place,
        measure,
        CASE place
            WHEN 1 THEN version
            WHEN 2 THEN coalesce(key_exchange, 'none named')
            WHEN 3 THEN CASE WHEN key_exchange LIKE '%MLKEM%' THEN 'yes' ELSE 'no' END
            WHEN 4 THEN coalesce(suite, 'none named')
            ELSE coalesce(signature, 'none named')
        END AS value
    FROM questions
    CROSS JOIN handshakes
    WHERE version IS NOT NULL
),
counts AS (
    SELECT kind, place, measure, value, count(*) AS hosts
    FROM shown
    GROUP BY kind, place, measure, value
)
SELECT
    CASE counts.kind WHEN 1 THEN 'MX hosts' ELSE 'policy hosts' END AS hosts_of,
    measure,
    value,
    hosts,
    measured,
    CAST(hosts AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM counts
JOIN totals ON totals.kind = counts.kind
ORDER BY counts.kind, place, hosts DESC, value
