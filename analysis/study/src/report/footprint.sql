-- What the scan did to the network: questions, connections and sessions, as far as the evidence shows. Opening a session once
-- more after a refusal counts each time (`attempts`).
WITH dns AS (
    SELECT
        sum(lookups) AS lookups,
        sum(lookups * queries) AS queries,
        sum(lookups) FILTER (WHERE tcp) AS over_tcp,
        sum(lookups) FILTER (WHERE rcode IS NULL AND queries > 0) AS silent,
        sum(lookups) FILTER (WHERE rcode = 2) AS servfail
    FROM lookups
),
https AS (
    SELECT count(*) AS fetches, coalesce(sum(cardinality(connects)), 0) AS connections FROM policies
),
smtp AS (
    SELECT
        count(*) FILTER (WHERE reused_from IS NULL) AS sessions,
        count(*) FILTER (WHERE reused_from IS NOT NULL) AS spared,
        coalesce(sum(attempts) FILTER (WHERE reused_from IS NULL), 0) AS attempts,
        count(DISTINCT address) FILTER (WHERE reused_from IS NULL) AS addresses,
        count(*) FILTER (WHERE ending['kind'] = 'withheld') AS withheld
    FROM smtp_sessions
),
busiest AS (
    SELECT max(sessions) AS sessions
    FROM (SELECT address, count(*) AS sessions FROM smtp_sessions WHERE reused_from IS NULL GROUP BY address) AS by_address
),
lines AS (
    SELECT 1 AS place, 'DNS questions' AS what, lookups AS times FROM dns
    UNION ALL
    SELECT 2, 'DNS queries sent, retries included', queries FROM dns
    UNION ALL
    SELECT 3, 'DNS answers that came over TCP', over_tcp FROM dns
    UNION ALL
    SELECT 4, 'DNS questions that nothing answered', silent FROM dns
    UNION ALL
    SELECT 5, 'DNS questions answered by SERVFAIL', servfail FROM dns
    UNION ALL
    SELECT 6, 'policies asked for', fetches FROM https
    UNION ALL
    SELECT 7, 'connections to policy hosts', connections FROM https
    UNION ALL
    SELECT 8, 'SMTP sessions', sessions FROM smtp
    UNION ALL
    SELECT 9, 'SMTP connections, those after a refusal included', attempts FROM smtp
    UNION ALL
    SELECT 10, 'SMTP sessions spared, another name at the address having shown the same', spared FROM smtp
    UNION ALL
    SELECT 11, 'SMTP sessions withheld by ourselves', withheld FROM smtp
    UNION ALL
    SELECT 12, 'addresses of mail hosts', addresses FROM smtp
    UNION ALL
    SELECT 13, 'SMTP sessions at the busiest address', sessions FROM busiest
)
SELECT what, CAST(coalesce(times, 0) AS BIGINT) AS times
FROM lines
ORDER BY place
