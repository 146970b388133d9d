-- How the questions of DNS went: a row a way, with how many (`lookups`) went so. What `asked` is of a domain, of its policy host
-- or of an MX host.
WITH each AS (
    SELECT 'mx' AS asked, mx['ending'] AS ending, mx['rcode'] AS rcode, mx['tcp'] AS tcp, mx['queries'] AS queries
    FROM domains
    UNION ALL
    SELECT 'ns', ns['ending'], ns['rcode'], ns['tcp'], ns['queries'] FROM domains
    UNION ALL
    SELECT 'sts', sts_txt['ending'], sts_txt['rcode'], sts_txt['tcp'], sts_txt['queries'] FROM domains
    UNION ALL
    SELECT 'tlsrpt', tlsrpt_txt['ending'], tlsrpt_txt['rcode'], tlsrpt_txt['tcp'], tlsrpt_txt['queries'] FROM domains
    UNION ALL
    SELECT 'policy-a', a['ending'], a['rcode'], a['tcp'], a['queries'] FROM policies
    UNION ALL
    SELECT 'policy-aaaa', aaaa['ending'], aaaa['rcode'], aaaa['tcp'], aaaa['queries'] FROM policies
    UNION ALL
    SELECT 'host-a', a['ending'], a['rcode'], a['tcp'], a['queries'] FROM mail_hosts
    UNION ALL
    SELECT 'host-aaaa', aaaa['ending'], aaaa['rcode'], aaaa['tcp'], aaaa['queries'] FROM mail_hosts
    UNION ALL
    SELECT 'host-tlsa', tlsa['ending'], tlsa['rcode'], tlsa['tcp'], tlsa['queries'] FROM mail_hosts
)
SELECT
    asked,
    ending['kind'] AS ended,
    ending['stage'] AS stage,
    ending['cause'] AS cause,
    rcode,
    tcp,
    queries,
    count(*) AS lookups
FROM each
GROUP BY asked, 2, 3, 4, rcode, tcp, queries
