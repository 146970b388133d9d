-- Who runs the policy host and the MX hosts, as far as names tell, by the lines of the IMC 2025 study: a policy host is a third
-- party's where its CNAME leads out of the domain's registrable domain; MX hosts are where they lie outside of it.
-- Counts domains, over those with a record (policy host) or that name MX hosts, and whose hosting could be told.
WITH facts AS (
    SELECT 1 AS place, 'policy host' AS hosts, policy_hosting AS hosting, domains
    FROM standings
    WHERE policy_hosting <> 'not-applicable' AND record IN ('valid', 'invalid')
    UNION ALL
    SELECT 2, 'MX hosts', mx_hosting, domains
    FROM standings
    WHERE mx_hosting <> 'not-applicable' AND mx IN ('hosts', 'unknown')
),
totals AS (
    SELECT
        place,
        hosts,
        CAST(coalesce(sum(domains) FILTER (WHERE hosting <> 'unknown'), 0) AS BIGINT) AS measured,
        CAST(coalesce(sum(domains) FILTER (WHERE hosting = 'unknown'), 0) AS BIGINT) AS unknown
    FROM facts
    GROUP BY place, hosts
),
counts AS (
    SELECT place, hosting, CAST(sum(domains) AS BIGINT) AS domains
    FROM facts
    WHERE hosting <> 'unknown'
    GROUP BY place, hosting
)
SELECT
    totals.hosts,
    counts.hosting,
    coalesce(counts.domains, 0) AS domains,
    totals.measured,
    CAST(counts.domains AS DOUBLE) / totals.measured AS rate,
    totals.unknown
FROM totals
LEFT JOIN counts ON counts.place = totals.place
ORDER BY totals.place, domains DESC, counts.hosting
