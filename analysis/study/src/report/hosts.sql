-- Mail hosts, each once, and the domains that name them.
SELECT
    starttls,
    certificate,
    count(*) AS hosts,
    sum(domains) AS named_by
FROM hosts
GROUP BY starttls, certificate
ORDER BY hosts DESC, starttls, certificate
