-- How much is known of each value that a call without an owner has.
-- Reads:  asked_calls, candidates, $recent (the first of the last seven days).
-- Writes: place, value, tagged (calls), days, untagged (calls), untagged_picos, recent_untagged (calls).
-- Grain:  place × value.
SELECT
  k.place,
  k.value,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'known'), 0) AS BIGINT) AS tagged,
  COUNT(DISTINCT c.day) FILTER (WHERE c.state = 'known') AS days,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown'), 0) AS BIGINT) AS untagged,
  CAST(COALESCE(SUM(c.picos) FILTER (WHERE c.state = 'unknown'), 0) AS HUGEINT) AS untagged_picos,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown' AND c.day >= $recent), 0) AS BIGINT) AS recent_untagged
FROM candidates AS k
INNER JOIN asked_calls AS c ON c.call_no = k.call_no
GROUP BY k.place, k.value
ORDER BY k.place, k.value
