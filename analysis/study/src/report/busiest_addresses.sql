-- The addresses of mail hosts that the scan asked most: sessions, connections, the most in a minute, and how many it refused.
-- Counts sessions that were held; those spared are left out.
WITH held AS (
    SELECT
        address,
        date_trunc('minute', started) AS in_minute,
        count(*) AS sessions,
        sum(attempts) AS connections,
        count(*) FILTER (WHERE replies[1]['code'] >= 400) AS refused
    FROM smtp_sessions
    WHERE reused_from IS NULL
    GROUP BY address, 2
)
SELECT
    address,
    CAST(sum(sessions) AS BIGINT) AS sessions,
    CAST(sum(connections) AS BIGINT) AS connections,
    max(sessions) AS most_in_a_minute,
    CAST(sum(refused) AS BIGINT) AS greetings_that_refused
FROM held
GROUP BY address
ORDER BY sessions DESC, address
LIMIT 20
