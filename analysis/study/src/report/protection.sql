-- Who is protected from an active attacker, and who only thinks so: what a domain publishes to be protected, against what a
-- sender that honours both MTA-STS and DANE then does. `not protected` publishes something, and the attacker gets the message.
-- Counts domains that take mail, over those with the same claim of which the outcome could be told.
WITH claims AS (
    SELECT
        CASE
            WHEN record = 'unknown' OR tlsa = 'unknown' AND record = 'absent' THEN 7
            WHEN mode = 'enforce' AND tlsa IN ('all', 'some') THEN 1
            WHEN tlsa IN ('all', 'some') THEN 2
            WHEN mode = 'enforce' THEN 3
            WHEN mode IN ('testing', 'none') THEN 4
            WHEN record IN ('valid', 'invalid') THEN 5
            ELSE 6
        END AS place,
        CASE
            WHEN both_attacker = 'unknown' OR "both" = 'unknown' THEN 'unknown'
            WHEN "both" = 'deferred' THEN 'mail is refused'
            WHEN both_attacker = 'nothing' THEN 'protected'
            ELSE 'not protected'
        END AS standing,
        domains
    FROM standings
    WHERE "both" <> 'no-mail'
),
totals AS (
    SELECT
        place,
        CAST(coalesce(sum(domains) FILTER (WHERE standing <> 'unknown'), 0) AS BIGINT) AS measured,
        CAST(coalesce(sum(domains) FILTER (WHERE standing = 'unknown'), 0) AS BIGINT) AS unknown
    FROM claims
    GROUP BY place
),
counts AS (
    SELECT place, standing, CAST(sum(domains) AS BIGINT) AS domains
    FROM claims
    WHERE standing <> 'unknown'
    GROUP BY place, standing
)
SELECT
    CASE totals.place
        WHEN 1 THEN 'MTA-STS in mode enforce, and TLSA records'
        WHEN 2 THEN 'TLSA records'
        WHEN 3 THEN 'MTA-STS in mode enforce'
        WHEN 4 THEN 'MTA-STS in mode testing or none'
        WHEN 5 THEN 'an MTA-STS record without a valid policy'
        WHEN 6 THEN 'neither'
        ELSE 'not known'
    END AS published,
    counts.standing,
    coalesce(counts.domains, 0) AS domains,
    totals.measured,
    CAST(counts.domains AS DOUBLE) / nullif(totals.measured, 0) AS rate,
    totals.unknown
FROM totals
LEFT JOIN counts ON counts.place = totals.place
ORDER BY totals.place, domains DESC, counts.standing
