-- How long senders may keep a policy, by its mode. Counts domains with a valid policy, over all with one of that mode; nothing
-- can be unknown, since the policy was read.
WITH spans AS (
    SELECT
        mode,
        CASE
            WHEN max_age < 86400 THEN 1
            WHEN max_age < 604800 THEN 2
            WHEN max_age < 1209600 THEN 3
            WHEN max_age < 2592000 THEN 4
            WHEN max_age < 15552000 THEN 5
            WHEN max_age < 31536000 THEN 6
            ELSE 7
        END AS place,
        count(*) AS domains
    FROM verdicts
    WHERE policy = 'valid'
    GROUP BY 1, 2
)
SELECT
    mode,
    CASE place
        WHEN 1 THEN 'under a day'
        WHEN 2 THEN 'a day to a week'
        WHEN 3 THEN 'one to two weeks'
        WHEN 4 THEN 'two weeks to 30 days'
        WHEN 5 THEN '30 to 180 days'
        WHEN 6 THEN '180 days to a year'
        ELSE 'a year and more'
    END AS max_age,
    domains,
    CAST(sum(domains) OVER (PARTITION BY mode) AS BIGINT) AS measured,
    CAST(domains AS DOUBLE) / sum(domains) OVER (PARTITION BY mode) AS rate,
    0 AS unknown
FROM spans
ORDER BY mode, place
