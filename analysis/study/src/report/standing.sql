-- Domains by the worst effect of what is wrong with them, apart for those with and without an MTA-STS record.
WITH standing AS (
    SELECT
        CASE record
            WHEN 'absent' THEN 'no MTA-STS record'
            WHEN 'unknown' THEN 'record unknown'
            ELSE 'MTA-STS record'
        END AS domains_with,
        CASE
            WHEN refusing > 0 THEN 'a sender refuses to deliver'
            WHEN downgrading > 0 THEN 'a sender ignores the policy'
            WHEN lints > 0 THEN 'nothing that a sender acts on'
            ELSE 'nothing wrong'
        END AS worst,
        CASE WHEN refusing > 0 THEN 1 WHEN downgrading > 0 THEN 2 WHEN lints > 0 THEN 3 ELSE 4 END AS place,
        unknowns
    FROM verdicts
)
SELECT
    domains_with,
    worst,
    count(*) AS domains,
    sum(count(*)) OVER (PARTITION BY domains_with) AS of_all,
    CAST(count(*) AS DOUBLE) / sum(count(*)) OVER (PARTITION BY domains_with) AS rate,
    count(*) FILTER (WHERE unknowns > 0) AS with_unknown_rules
FROM standing
GROUP BY domains_with, worst, place
ORDER BY domains_with, place
