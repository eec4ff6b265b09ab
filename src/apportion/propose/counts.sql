-- How much is known of each value that a call without an owner has.
-- Reads:  asked_calls, candidates, $recent (the first of the last seven days).
-- Writes: place, value, owned (calls), days, unowned (calls), unowned_picos, recent_unowned (calls).
-- Grain:  place × value.
SELECT
  k.place,
  k.value,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'known'), 0) AS BIGINT) AS owned,
  COUNT(DISTINCT c.day) FILTER (WHERE c.state = 'known') AS days,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown'), 0) AS BIGINT) AS unowned,
  CAST(COALESCE(SUM(c.picos) FILTER (WHERE c.state = 'unknown'), 0) AS HUGEINT) AS unowned_picos,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown' AND c.day >= $recent), 0) AS BIGINT) AS recent_unowned
FROM candidates AS k
INNER JOIN asked_calls AS c ON c.call_no = k.call_no
GROUP BY k.place, k.value
ORDER BY k.place, k.value
