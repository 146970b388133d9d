-- Each measure among domains of a top-level domain: the forty that most domains of the input are in, and all others as one.
-- Counts domains, over those of the top-level domain that the measure is about and of which it could be told.
WITH sizes AS (
    SELECT member, row_number() OVER (ORDER BY measured + unknown DESC, member) AS size_place
    FROM shares
    WHERE dimension = 'tld' AND place = 1
),
named AS (
    SELECT
        CASE WHEN size_place <= 40 THEN shares.member ELSE 'all others' END AS tld,
        CASE WHEN size_place <= 40 THEN size_place ELSE 41 END AS size_place,
        place,
        measure,
        denominator,
        CAST(sum(domains) AS BIGINT) AS domains,
        CAST(sum(measured) AS BIGINT) AS measured,
        CAST(sum(unknown) AS BIGINT) AS unknown
    FROM shares
    JOIN sizes ON sizes.member = shares.member
    WHERE dimension = 'tld'
    GROUP BY 1, 2, place, measure, denominator
)
SELECT
    tld,
    measure,
    denominator,
    domains,
    measured,
    CAST(domains AS DOUBLE) / nullif(measured, 0) AS rate,
    unknown
FROM named
ORDER BY size_place, place
