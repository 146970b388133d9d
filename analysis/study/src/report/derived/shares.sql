-- Every measure of every member of every dimension: of how many domains it is true, of how many it could be told
-- (`measured`), and of how many not (`unknown`). Domains that a measure is not about are in neither.
WITH answers AS (
    SELECT
        dimension,
        member,
        bucket,
        place,
        measure,
        denominator,
        CASE place
            WHEN 1 THEN CASE record WHEN 'unknown' THEN 'unknown' WHEN 'absent' THEN 'no' ELSE 'yes' END
            WHEN 2 THEN CASE
                WHEN record NOT IN ('valid', 'invalid') THEN NULL
                WHEN policy = 'unknown' THEN 'unknown'
                WHEN policy = 'valid' THEN 'yes'
                ELSE 'no'
            END
            WHEN 3 THEN CASE WHEN policy <> 'valid' THEN NULL WHEN mode = 'enforce' THEN 'yes' ELSE 'no' END
            WHEN 4 THEN CASE tlsrpt WHEN 'unknown' THEN 'unknown' WHEN 'absent' THEN 'no' ELSE 'yes' END
            WHEN 5 THEN CASE starttls
                WHEN 'not-applicable' THEN NULL WHEN 'unknown' THEN 'unknown' WHEN 'all' THEN 'yes' ELSE 'no'
            END
            WHEN 6 THEN CASE certificates
                WHEN 'not-applicable' THEN NULL WHEN 'unknown' THEN 'unknown' WHEN 'all' THEN 'yes' ELSE 'no'
            END
            WHEN 7 THEN CASE tlsa
                WHEN 'not-applicable' THEN NULL WHEN 'unknown' THEN 'unknown' WHEN 'all' THEN 'yes' ELSE 'no'
            END
            WHEN 8 THEN CASE
                WHEN sts = 'no-mail' THEN NULL
                WHEN sts_attacker = 'unknown' THEN 'unknown'
                WHEN sts_attacker = 'nothing' THEN 'yes'
                ELSE 'no'
            END
            WHEN 9 THEN CASE
                WHEN dane = 'no-mail' THEN NULL
                WHEN dane_attacker = 'unknown' THEN 'unknown'
                WHEN dane_attacker = 'nothing' THEN 'yes'
                ELSE 'no'
            END
            WHEN 10 THEN CASE
                WHEN "both" = 'no-mail' THEN NULL
                WHEN both_attacker = 'unknown' THEN 'unknown'
                WHEN both_attacker = 'nothing' THEN 'yes'
                ELSE 'no'
            END
            ELSE CASE "both" WHEN 'no-mail' THEN NULL WHEN 'unknown' THEN 'unknown' WHEN 'deferred' THEN 'yes' ELSE 'no' END
        END AS answer,
        domains
    FROM measures
    CROSS JOIN members
)
SELECT
    dimension,
    member,
    bucket,
    place,
    measure,
    denominator,
    CAST(coalesce(sum(domains) FILTER (WHERE answer = 'yes'), 0) AS BIGINT) AS domains,
    CAST(coalesce(sum(domains) FILTER (WHERE answer IN ('yes', 'no')), 0) AS BIGINT) AS measured,
    CAST(coalesce(sum(domains) FILTER (WHERE answer = 'unknown'), 0) AS BIGINT) AS unknown
FROM answers
GROUP BY dimension, member, bucket, place, measure, denominator
