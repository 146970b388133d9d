-- What ended before it was whole, and why: `stopped` by the other side or the network, `withheld` by ourselves. What is unknown
-- in the other tables is unknown for one of these reasons, or because a server answered and refused us.
-- Counts lookups, fetches and sessions, over all of their kind.
WITH endings AS (
    SELECT 1 AS place, 'MX lookups' AS kind, mx['ending'] AS ending FROM domains
    UNION ALL
    SELECT 2, 'NS lookups', ns['ending'] FROM domains
    UNION ALL
    SELECT 3, 'MTA-STS record lookups', sts_txt['ending'] FROM domains
    UNION ALL
    SELECT 4, 'TLS-RPT record lookups', tlsrpt_txt['ending'] FROM domains
    UNION ALL
    SELECT 5, 'policy fetches', ending FROM policies
    UNION ALL
    SELECT 6, 'MX host address lookups', a['ending'] FROM mail_hosts
    UNION ALL
    SELECT 7, 'SMTP sessions', ending FROM smtp_sessions
),
counts AS (
    SELECT
        place,
        kind,
        ending['kind'] AS ended,
        ending['stage'] AS stage,
        ending['cause'] AS cause,
        count(*) AS observations
    FROM endings
    GROUP BY place, kind, 3, 4, 5
),
totals AS (
    SELECT place, sum(observations) AS of_all FROM counts GROUP BY place
)
SELECT
    counts.kind,
    ended,
    stage,
    cause,
    observations,
    CAST(of_all AS BIGINT) AS of_all,
    CAST(observations AS DOUBLE) / CAST(of_all AS BIGINT) AS rate
FROM counts
JOIN totals ON totals.place = counts.place
ORDER BY counts.place, observations DESC, ended, stage, cause
