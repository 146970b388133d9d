-- The classes of misconfiguration, with and without the operator that has most of each. A domain is in a class when it violates
-- a rule of it that a sender acts on (not a lint; of TLS-RPT, where no mail hangs on anything, one that keeps reports away), and
-- once however many.
-- Counts domains, over those on which a rule of the class could be judged; `unknown` are those on which one applies and none
-- could.
WITH codes AS (
    SELECT DISTINCT outcomes FROM outcomes
),
letters AS (
    SELECT
        codes.outcomes,
        rules.axis,
        rules.operator_role,
        min(rules.place) AS place,
        bool_or(substr(codes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) = 'v') AS is_violated,
        bool_or(substr(codes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) IN ('p', 'v')) AS is_judged,
        bool_or(substr(codes.outcomes, CAST(rules.place AS BIGINT) + 1, 1) = 'u') AS is_unknown
    FROM rules
    CROSS JOIN codes
    WHERE rules.effect <> 'none'
        OR rules.axis = 'TLS-RPT'
            AND rules.rule NOT IN ('tlsrpt-extension', 'tlsrpt-delimiter', 'tlsrpt-absent-with-policy')
    GROUP BY codes.outcomes, rules.axis, rules.operator_role
),
counts AS (
    SELECT
        letters.axis,
        outcomes.operator,
        min(letters.place) AS place,
        coalesce(sum(outcomes.domains) FILTER (WHERE is_violated), 0) AS violations,
        coalesce(sum(outcomes.domains) FILTER (WHERE is_judged), 0) AS judged,
        coalesce(sum(outcomes.domains) FILTER (WHERE is_unknown AND NOT is_judged), 0) AS unknown
    FROM outcomes
    JOIN letters ON letters.outcomes = outcomes.outcomes AND letters.operator_role = outcomes.role
    GROUP BY letters.axis, outcomes.operator
),
totals AS (
    SELECT axis, min(place) AS place, sum(violations) AS violations, sum(judged) AS judged, sum(unknown) AS unknown
    FROM counts
    GROUP BY axis
),
largest AS (
    SELECT axis, operator, violations, judged
    FROM (
        SELECT axis, operator, violations, judged, row_number() OVER (PARTITION BY axis ORDER BY violations DESC, operator) AS size_place
        FROM counts
        WHERE operator IS NOT NULL AND violations > 0
    ) AS ranked
    WHERE size_place = 1
)
SELECT
    totals.axis,
    CAST(totals.violations AS BIGINT) AS violations,
    CAST(totals.judged AS BIGINT) AS judged,
    CAST(totals.violations AS DOUBLE) / nullif(CAST(totals.judged AS BIGINT), 0) AS rate,
    CAST(totals.unknown AS BIGINT) AS unknown,
    largest.operator AS largest_operator,
    CAST(coalesce(largest.violations, 0) AS BIGINT) AS of_largest,
    CAST(totals.violations - coalesce(largest.violations, 0) AS BIGINT) AS violations_without,
    CAST(totals.judged - coalesce(largest.judged, 0) AS BIGINT) AS judged_without,
    CAST(totals.violations - coalesce(largest.violations, 0) AS DOUBLE)
        / nullif(CAST(totals.judged - coalesce(largest.judged, 0) AS BIGINT), 0) AS without_rate
FROM totals
LEFT JOIN largest ON largest.axis = totals.axis
ORDER BY totals.place
