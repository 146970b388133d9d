-- The breakdown of the IMC 2025 study (table imc2025), of this run, beside the study's own figures.
WITH causes AS (
    -- Sub-causes, of the few domains that violate a rule of which a row wants one.
    SELECT
        domain,
        bool_or(rule = 'sts-fetch-status') AS status_404,
        bool_or(cause = 'label') AS label,
        bool_or(cause = 'mta-sts-host') AS mta_sts,
        bool_or(cause = 'domain') AS other_domain,
        bool_or(cause = 'typo') AS typo
    FROM findings
    WHERE outcome = 'violation' AND (
        rule = 'sts-fetch-status' AND cause = '404'
        OR rule IN ('mx-policy-mismatch-all', 'mx-policy-mismatch-some')
            AND cause IN ('label', 'mta-sts-host', 'domain', 'typo')
    )
    GROUP BY domain
),
-- Domains with a record by all that a row can ask of them, with how many are so.
alike AS (
    SELECT
        record,
        policy,
        mode,
        mx,
        certificates,
        policy_hosting,
        mx_hosting,
        outcomes,
        coalesce(status_404, FALSE) AS is_404,
        coalesce(label, FALSE) AS is_label,
        coalesce(mta_sts, FALSE) AS is_mta_sts,
        coalesce(other_domain, FALSE) AS is_other_domain,
        coalesce(typo, FALSE) AS is_typo,
        count(*) AS domains
    -- In this order, since it is the left side that an engine may hold in memory.
    FROM causes
    RIGHT JOIN verdicts ON verdicts.domain = causes.domain
    WHERE record IN ('valid', 'invalid')
    GROUP BY record, policy, mode, mx, certificates, policy_hosting, mx_hosting, outcomes, 9, 10, 11, 12, 13
),
-- The rules that each string of outcomes has violated.
violated AS (
    SELECT
        outcomes,
        bool_or(rule = 'sts-record-id-invalid') AS id_invalid,
        bool_or(rule = 'sts-record-id-missing') AS id_missing,
        bool_or(rule = 'sts-record-version') AS version,
        bool_or(rule = 'sts-record-extension') AS extension,
        bool_or(rule = 'sts-host-unresolvable') AS dns,
        bool_or(rule = 'sts-host-unreachable') AS tcp,
        bool_or(rule IN ('sts-host-tls-alert', 'sts-host-cert-name', 'sts-host-cert-expired', 'sts-host-cert-untrusted'))
            AS tls,
        bool_or(rule = 'sts-host-cert-name') AS host_name,
        bool_or(rule = 'sts-policy-mx-syntax') AS mx_syntax,
        bool_or(rule = 'sts-policy-empty') AS empty_file,
        bool_or(rule IN ('mx-cert-name', 'mx-cert-expired', 'mx-cert-untrusted')) AS mx_certificate,
        bool_or(rule IN ('mx-policy-mismatch-all', 'mx-policy-mismatch-some')) AS mismatch
    FROM rules
    CROSS JOIN (SELECT DISTINCT outcomes FROM alike) AS codes
    WHERE substr(outcomes, CAST(place AS BIGINT) + 1, 1) = 'v'
    GROUP BY outcomes
),
-- The same domains, with every flag of them; null is unknown.
domain AS (
    SELECT
        alike.*,
        record = 'invalid' AS txt,
        -- What the fetch failed at first; a failure that is none of these is at HTTP.
        CASE policy WHEN 'unknown' THEN NULL ELSE policy = 'unfetched' END AS server,
        CASE
            WHEN dns THEN 'dns'
            WHEN tcp THEN 'tcp'
            WHEN tls THEN 'tls'
            WHEN policy = 'unfetched' THEN 'http'
            ELSE 'none'
        END AS layer,
        CASE policy WHEN 'unknown' THEN NULL ELSE policy = 'invalid' END AS syntax,
        CASE WHEN mx_certificate THEN TRUE WHEN certificates = 'unknown' THEN NULL ELSE FALSE END AS certificate,
        CASE WHEN certificates = 'unknown' THEN NULL ELSE coalesce(mx_certificate, FALSE) AND certificates = 'no' END
            AS no_certificate,
        CASE WHEN policy = 'valid' AND mx = 'unknown' THEN NULL ELSE policy = 'valid' AND coalesce(mismatch, FALSE) END
            AS unmatched,
        coalesce(id_invalid, FALSE) AS is_id_invalid,
        coalesce(id_missing, FALSE) AS is_id_missing,
        coalesce(version, FALSE) AS is_version,
        coalesce(extension, FALSE) AS is_extension,
        coalesce(host_name, FALSE) AS is_host_name,
        coalesce(mx_syntax, FALSE) AS is_mx_syntax,
        coalesce(empty_file, FALSE) AS is_empty
    FROM alike
    LEFT JOIN violated ON violated.outcomes = alike.outcomes
),
judged AS (
    SELECT
        imc2025.item,
        CASE
            WHEN class IN ('policy server', 'policy syntax') THEN policy_hosting
            WHEN class = 'MX certificates' THEN mx_hosting
            ELSE 'all'
        END AS hosting,
        CASE item
            WHEN 'misconfigured' THEN txt OR server OR syntax OR certificate OR unmatched
            WHEN 'txt' THEN txt
            WHEN 'txt-id-invalid' THEN txt AND is_id_invalid
            WHEN 'txt-id-missing' THEN txt AND is_id_missing
            WHEN 'txt-version' THEN txt AND is_version
            WHEN 'txt-extension' THEN txt AND is_extension
            WHEN 'txt-other' THEN txt AND NOT (is_id_invalid OR is_id_missing OR is_version OR is_extension)
            WHEN 'server' THEN server
            WHEN 'server-dns' THEN server AND layer = 'dns'
            WHEN 'server-tcp' THEN server AND layer = 'tcp'
            WHEN 'server-tls' THEN server AND layer = 'tls'
            WHEN 'server-tls-name' THEN server AND layer = 'tls' AND is_host_name
            WHEN 'server-http' THEN server AND layer = 'http'
            WHEN 'server-http-404' THEN server AND layer = 'http' AND is_404
            WHEN 'syntax' THEN syntax
            WHEN 'syntax-mx' THEN syntax AND is_mx_syntax
            WHEN 'syntax-empty' THEN syntax AND is_empty
            WHEN 'certificate-none' THEN no_certificate
            WHEN 'certificate-some' THEN certificate
            WHEN 'certificate-enforce' THEN certificate
            WHEN 'mismatch' THEN unmatched
            WHEN 'mismatch-enforce' THEN unmatched
            WHEN 'mismatch-label' THEN unmatched AND (is_label OR is_mta_sts)
            WHEN 'mismatch-mta-sts' THEN unmatched AND is_mta_sts
            WHEN 'mismatch-domain' THEN unmatched AND is_other_domain
            WHEN 'mismatch-typo' THEN unmatched AND is_typo
            WHEN 'mismatch-other'
                THEN unmatched AND NOT (is_label OR is_mta_sts OR is_other_domain OR is_typo)
        END AS hit,
        domains
    FROM imc2025
    CROSS JOIN domain
    -- To which domains the row applies.
    WHERE item <> 'record' AND CASE
        WHEN class = 'policy syntax' THEN policy IN ('valid', 'invalid', 'unknown')
        WHEN item = 'certificate-enforce' THEN certificates <> 'not-applicable' AND mode = 'enforce'
        WHEN class = 'MX certificates' THEN certificates <> 'not-applicable'
        WHEN item = 'mismatch-enforce' THEN mode = 'enforce' AND mx NOT IN ('null', 'none')
        WHEN class = 'mx patterns' THEN policy = 'valid' AND mode <> 'none' AND mx NOT IN ('null', 'none')
        ELSE TRUE
    END
    UNION ALL
    SELECT 'record', 'all', CASE record WHEN 'unknown' THEN NULL ELSE record <> 'absent' END, domains FROM standings
),
counts AS (
    SELECT
        item,
        hosting,
        CAST(coalesce(sum(domains) FILTER (WHERE hit), 0) AS BIGINT) AS domains,
        CAST(coalesce(sum(domains) FILTER (WHERE hit IS NOT NULL), 0) AS BIGINT) AS measured,
        CAST(sum(domains) AS BIGINT) AS applies
    FROM judged
    GROUP BY item, hosting
),
lines AS (
    SELECT place, item, class, kind, 1 AS part, 'all' AS hosting, total AS study, total_rate AS study_rate FROM imc2025
    UNION ALL
    SELECT place, item, class, kind, 2, 'self-managed', self_managed, self_managed_rate FROM imc2025
    UNION ALL
    SELECT place, item, class, kind, 3, 'third-party', third_party, third_party_rate FROM imc2025
)
SELECT
    lines.item,
    lines.class,
    lines.kind,
    lines.hosting,
    coalesce(sum(counts.domains), 0) AS domains,
    coalesce(sum(counts.measured), 0) AS measured,
    CAST(sum(counts.domains) AS DOUBLE) / nullif(sum(counts.measured), 0) AS rate,
    coalesce(sum(counts.applies) - sum(counts.measured), 0) AS unknown,
    lines.study,
    lines.study_rate
FROM lines
LEFT JOIN counts
    ON counts.item = lines.item AND (lines.hosting = 'all' OR counts.hosting = lines.hosting)
WHERE lines.part = 1 OR lines.class IN ('policy server', 'policy syntax', 'MX certificates')
GROUP BY
    lines.place, lines.item, lines.class, lines.kind, lines.part, lines.hosting, lines.study, lines.study_rate
ORDER BY lines.place, lines.part
