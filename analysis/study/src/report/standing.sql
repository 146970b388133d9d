-- Domains by the worst effect of what is wrong with them, apart for those with and without an MTA-STS record.
-- Counts domains, over all of the same kind; `with_unknown_rules` of them have rules that could not be judged.
SELECT
    CASE record
        WHEN 'absent' THEN 'no MTA-STS record'
        WHEN 'unknown' THEN 'record unknown'
        ELSE 'MTA-STS record'
    END AS domains_with,
    CASE worst_place
        WHEN 1 THEN 'a sender refuses to deliver'
        WHEN 2 THEN 'a sender ignores the policy'
        WHEN 3 THEN 'nothing that a sender acts on'
        ELSE 'nothing wrong'
    END AS worst,
    CAST(sum(domains) AS BIGINT) AS domains,
    CAST(sum(sum(domains)) OVER (PARTITION BY CASE record WHEN 'valid' THEN 'invalid' ELSE record END) AS BIGINT) AS of_all,
    CAST(sum(domains) AS DOUBLE)
        / sum(sum(domains)) OVER (PARTITION BY CASE record WHEN 'valid' THEN 'invalid' ELSE record END) AS rate,
    CAST(coalesce(sum(domains) FILTER (WHERE has_unknowns), 0) AS BIGINT) AS with_unknown_rules
FROM standings
GROUP BY 1, 2, worst_place, CASE record WHEN 'valid' THEN 'invalid' ELSE record END
ORDER BY domains_with, worst_place
