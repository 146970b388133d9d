-- What is asked of every domain, and of which domains it is asked: the lines of each table of adoption.
SELECT place, measure, denominator
FROM (VALUES
    (1, 'MTA-STS record', 'domains'),
    (2, 'valid MTA-STS policy', 'domains with a record'),
    (3, 'mode enforce', 'domains with a valid policy'),
    (4, 'TLS-RPT record', 'domains'),
    (5, 'STARTTLS at every MX host', 'domains with MX hosts'),
    (6, 'valid certificate at every MX host', 'domains with MX hosts'),
    (7, 'usable TLSA at every MX host', 'domains with MX hosts'),
    (8, 'attacker gets nothing, sender with MTA-STS', 'domains that take mail'),
    (9, 'attacker gets nothing, sender with DANE', 'domains that take mail'),
    (10, 'attacker gets nothing, sender with both', 'domains that take mail'),
    (11, 'mail refused by a sender with both', 'domains that take mail')
) AS listed (place, measure, denominator)
