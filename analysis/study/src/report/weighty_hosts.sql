-- The mail hosts with something wrong on which most domains depend.
SELECT host, starttls, certificate, addresses, judged, domains
FROM hosts
WHERE starttls NOT IN ('offered', 'unknown') OR certificate NOT IN ('valid', 'unknown', 'not-applicable')
ORDER BY domains DESC, host
LIMIT 20
