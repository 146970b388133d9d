-- The thirty operators that run the policy host for most domains with a record, the domains themselves as one, all others as
-- one; and how that is known. Counts domains with an MTA-STS record, over those whose operator could be told (`measured`). Of
-- each operator's: how many have a valid policy, over those of which that could be told (`policies_measured`).
WITH counts AS (
    SELECT
        CASE WHEN policy_operator IS NULL THEN 'the domains themselves' ELSE policy_operator END AS operator,
        policy_operator_by AS known_by,
        count(*) AS domains,
        count(*) FILTER (WHERE policy = 'valid') AS valid_policies,
        count(*) FILTER (WHERE policy <> 'unknown') AS policies_measured,
        count(*) FILTER (WHERE policy = 'unknown') AS policies_unknown
    FROM verdicts
    WHERE record IN ('valid', 'invalid') AND policy_operator_by NOT IN ('unknown', 'not-applicable')
    GROUP BY 1, 2
),
sizes AS (
    SELECT operator, row_number() OVER (ORDER BY sum(domains) DESC, operator) AS size_place
    FROM counts
    GROUP BY operator
),
named AS (
    SELECT
        CASE WHEN size_place <= 31 THEN counts.operator ELSE 'all others' END AS operator,
        CASE WHEN size_place <= 31 THEN size_place ELSE 32 END AS size_place,
        CASE known_by
            WHEN 'cname' THEN 'alias at the policy host'
            WHEN 'ns' THEN 'guess by name servers'
            ELSE 'no name leads elsewhere'
        END AS known_by,
        sum(domains) AS domains,
        sum(valid_policies) AS valid_policies,
        sum(policies_measured) AS policies_measured,
        sum(policies_unknown) AS policies_unknown
    FROM counts
    JOIN sizes ON sizes.operator = counts.operator
    GROUP BY 1, 2, 3
),
total AS (
    SELECT
        count(*) FILTER (WHERE policy_operator_by NOT IN ('unknown', 'not-applicable')) AS measured,
        count(*) FILTER (WHERE policy_operator_by = 'unknown') AS unknown
    FROM verdicts
    WHERE record IN ('valid', 'invalid')
)
SELECT
    operator,
    known_by,
    CAST(domains AS BIGINT) AS domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown,
    CAST(valid_policies AS BIGINT) AS valid_policies,
    CAST(policies_measured AS BIGINT) AS policies_measured,
    CAST(valid_policies AS DOUBLE) / nullif(policies_measured, 0) AS valid_rate,
    CAST(policies_unknown AS BIGINT) AS policies_unknown
FROM named
CROSS JOIN total
ORDER BY size_place, domains DESC, known_by
