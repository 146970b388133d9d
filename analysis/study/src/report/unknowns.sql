-- What ended before it was whole, and why: `stopped` by the other side or the network, `withheld` by ourselves. What is unknown
-- in the other tables is unknown for one of these reasons, or because a server answered and refused us.
-- Counts lookups, fetches and sessions, over all of their kind.
WITH endings AS (
    SELECT
        CASE asked WHEN 'mx' THEN 1 WHEN 'ns' THEN 2 WHEN 'sts' THEN 3 WHEN 'tlsrpt' THEN 4 ELSE 6 END AS place,
        CASE asked
            WHEN 'mx' THEN 'MX lookups'
            WHEN 'ns' THEN 'NS lookups'
            WHEN 'sts' THEN 'MTA-STS record lookups'
            WHEN 'tlsrpt' THEN 'TLS-RPT record lookups'
            ELSE 'MX host address lookups'
        END AS kind,
        ended,
        stage,
        cause,
        lookups AS observations
    FROM lookups
    WHERE asked IN ('mx', 'ns', 'sts', 'tlsrpt', 'host-a')
    UNION ALL
    SELECT 5, 'policy fetches', ending['kind'], ending['stage'], ending['cause'], 1 FROM policies
    UNION ALL
    SELECT 7, 'SMTP sessions', ending['kind'], ending['stage'], ending['cause'], 1 FROM smtp_sessions
),
counts AS (
    SELECT place, kind, ended, stage, cause, CAST(sum(observations) AS BIGINT) AS observations
    FROM endings
    GROUP BY place, kind, ended, stage, cause
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
