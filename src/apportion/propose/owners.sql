-- Whose the calls with an owner are, for each value that a call without one has.
-- Reads:  asked_calls, candidates, $recent (the first of the last seven days).
-- Writes: place, value, owner, calls, picos, recent (calls), untagged (calls whose owner a directory told).
-- Grain:  place × value × owner.
SELECT
  k.place,
  k.value,
  c.owner,
  CAST(SUM(c.calls) AS BIGINT) AS calls,
  CAST(SUM(c.picos) AS HUGEINT) AS picos,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.day >= $recent), 0) AS BIGINT) AS recent,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.untagged), 0) AS BIGINT) AS untagged
FROM candidates AS k
INNER JOIN asked_calls AS c ON c.call_no = k.call_no
WHERE c.state = 'known'
GROUP BY k.place, k.value, c.owner
ORDER BY k.place, k.value, calls DESC, c.owner
