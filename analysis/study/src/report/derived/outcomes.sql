-- How the rules came out for the domains of each operator: a row a (role of the operator, operator, string of outcomes).
-- Every domain stands once in each role. No operator is one that is not known, or the domain itself.
SELECT 'mail' AS role, mail_operator AS operator, outcomes, count(*) AS domains
FROM verdicts
GROUP BY mail_operator, outcomes
UNION ALL
SELECT 'policy', policy_operator, outcomes, count(*)
FROM verdicts
GROUP BY policy_operator, outcomes
UNION ALL
SELECT 'dns', dns_operator, outcomes, count(*)
FROM verdicts
GROUP BY dns_operator, outcomes
