-- Standings by each thing that domains are grouped by: `dimension` is `all`, `tld`, `rank`, or `column ` and the name of a
-- column of the input, and `member` which one. A column of more than 40 values names no cohorts, and is left out.
WITH cohort AS (
    SELECT
        input_column['name'] AS name,
        input_column['value'] AS value,
        record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both",
        both_attacker,
        count(*) AS domains
    FROM (
        SELECT
            unnest(columns) AS input_column,
            record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both",
            both_attacker
        FROM verdicts
    ) AS unnested
    GROUP BY
        1, 2, record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both",
        both_attacker
),
few AS (
    SELECT name FROM cohort GROUP BY name HAVING count(DISTINCT value) <= 40
)
SELECT
    'column ' || cohort.name AS dimension, cohort.value AS member, CAST(0 AS BIGINT) AS bucket,
    record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both", both_attacker,
    domains
FROM cohort
JOIN few ON few.name = cohort.name
UNION ALL
SELECT
    'all', 'all', 0,
    record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both", both_attacker,
    domains
FROM standings
UNION ALL
SELECT
    'tld', tld, 0,
    record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both", both_attacker,
    domains
FROM standings
UNION ALL
SELECT
    'rank', '', bucket,
    record, policy, mode, tlsrpt, starttls, certificates, tlsa, sts, sts_attacker, dane, dane_attacker, "both", both_attacker,
    domains
FROM standings
WHERE bucket IS NOT NULL
