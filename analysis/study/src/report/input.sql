-- Lines of the input that were not scanned, and why.
SELECT reason, count(*) AS lines
FROM rejects
GROUP BY reason
ORDER BY lines DESC, reason
