-- A row a combination of what domains publish and do, with how many domains are so: what most tables of the report count from.
-- `bucket` is the end of the decade of ranks that the domain is in (10, 100, 1000, …); null without a rank.
SELECT
    split_part(domain, '.', -1) AS tld,
    CASE
        WHEN rank IS NULL THEN NULL
        WHEN rank <= 10 THEN 10
        WHEN rank <= 100 THEN 100
        WHEN rank <= 1000 THEN 1000
        WHEN rank <= 10000 THEN 10000
        WHEN rank <= 100000 THEN 100000
        WHEN rank <= 1000000 THEN 1000000
        WHEN rank <= 10000000 THEN 10000000
        ELSE 100000000
    END AS bucket,
    record,
    policy,
    mode,
    policy_hosting,
    tlsrpt,
    mx,
    mx_hosting,
    starttls,
    certificates,
    mx_dnssec,
    tlsa_present,
    tlsa,
    tlsa_matching,
    opportunistic,
    opportunistic_attacker,
    sts,
    sts_attacker,
    dane,
    dane_attacker,
    "both",
    both_attacker,
    CASE WHEN refusing > 0 THEN 1 WHEN downgrading > 0 THEN 2 WHEN lints > 0 THEN 3 ELSE 4 END AS worst_place,
    unknowns > 0 AS has_unknowns,
    count(*) AS domains
FROM verdicts
GROUP BY
    1, 2, record, policy, mode, policy_hosting, tlsrpt, mx, mx_hosting, starttls, certificates, mx_dnssec, tlsa_present, tlsa,
    tlsa_matching, opportunistic, opportunistic_attacker, sts, sts_attacker, dane, dane_attacker, "both", both_attacker, 24, 25
