-- From names to verdicts: how many each step leaves of the one before. Counts lines of the input, then domains, over those that
-- the step before left (`of_before`) and of which it could be told (`measured`); the `unknown` are not in the next step.
WITH counts AS (
    SELECT
        sum(domains) AS all_domains,
        sum(domains) FILTER (WHERE mx IN ('hosts', 'implicit')) AS takes_mail,
        sum(domains) FILTER (WHERE mx = 'unknown') AS mail_unknown,
        sum(domains) FILTER (WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid')) AS has_record,
        sum(domains) FILTER (WHERE mx IN ('hosts', 'implicit') AND record = 'unknown') AS record_unknown,
        sum(domains) FILTER (
            WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid') AND policy = 'valid'
        ) AS has_policy,
        sum(domains) FILTER (
            WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid') AND policy = 'unknown'
        ) AS policy_unknown,
        sum(domains) FILTER (
            WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid') AND policy = 'valid' AND mode = 'enforce'
        ) AS is_enforced,
        sum(domains) FILTER (
            WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid') AND policy = 'valid' AND mode = 'enforce'
                AND sts = 'authenticated' AND sts_attacker = 'nothing'
        ) AS is_protected,
        sum(domains) FILTER (
            WHERE mx IN ('hosts', 'implicit') AND record IN ('valid', 'invalid') AND policy = 'valid' AND mode = 'enforce'
                AND (sts = 'unknown' OR sts_attacker = 'unknown')
        ) AS protection_unknown
    FROM standings
),
refused AS (
    SELECT count(*) AS lines FROM rejects
),
steps AS (
    SELECT 1 AS place, 'names that are domains, and scanned' AS step, all_domains AS domains, all_domains + lines AS of_before,
        0 AS unknown
    FROM counts CROSS JOIN refused
    UNION ALL
    SELECT 2, 'take mail', takes_mail, all_domains, mail_unknown FROM counts
    UNION ALL
    SELECT 3, 'have an MTA-STS record', has_record, takes_mail, record_unknown FROM counts
    UNION ALL
    SELECT 4, 'serve a valid policy', has_policy, has_record, policy_unknown FROM counts
    UNION ALL
    SELECT 5, 'in mode enforce', is_enforced, has_policy, 0 FROM counts
    UNION ALL
    SELECT 6, 'and a sender delivers, authenticated', is_protected, is_enforced, protection_unknown FROM counts
)
SELECT
    step,
    CAST(coalesce(domains, 0) AS BIGINT) AS domains,
    CAST(coalesce(of_before, 0) - coalesce(unknown, 0) AS BIGINT) AS measured,
    CAST(coalesce(domains, 0) AS DOUBLE)
        / nullif(CAST(coalesce(of_before, 0) - coalesce(unknown, 0) AS BIGINT), 0) AS rate,
    CAST(coalesce(unknown, 0) AS BIGINT) AS unknown,
    CAST(coalesce(of_before, 0) AS BIGINT) AS of_before
FROM steps
ORDER BY place
