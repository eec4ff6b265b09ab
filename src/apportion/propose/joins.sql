-- How far a directory knows the calls, for each of its columns and each field of a call.
-- Reads:  asked_calls, directory (lookup, on_column, take_column, key, value, valid_from, valid_to), asked_joins
--         (lookup, on_column, take_column, place), left_out (the same, and a key that is not asked for).
-- Writes: lookup, on_column, take_column, place, unowned (calls that it names an owner for), unowned_picos,
--         owned (calls with an owner that it has one for), agree (of those, the same one), days.
-- Grain:  lookup × column of the key × place.
SELECT
  j.lookup,
  j.on_column,
  j.take_column,
  j.place,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown'), 0) AS BIGINT) AS unowned,
  CAST(COALESCE(SUM(c.picos) FILTER (WHERE c.state = 'unknown'), 0) AS HUGEINT) AS unowned_picos,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'known'), 0) AS BIGINT) AS owned,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'known' AND c.owner = d."value"), 0) AS BIGINT) AS agree,
  COUNT(DISTINCT c.day) FILTER (WHERE c.state = 'known') AS days
FROM asked_joins AS j
INNER JOIN directory AS d
  ON d.lookup = j.lookup AND d.on_column = j.on_column AND d.take_column = j.take_column
INNER JOIN asked_calls AS c
  ON c.said[j.place] = d."key" AND c.day >= d.valid_from AND c.day < d.valid_to
WHERE NOT EXISTS (
  SELECT 1
  FROM left_out AS o
  WHERE
    o.lookup = j.lookup AND o.on_column = j.on_column AND o.take_column = j.take_column AND o.place = j.place
    AND o.key = d."key"
)
GROUP BY j.lookup, j.on_column, j.take_column, j.place
HAVING SUM(c.calls) FILTER (WHERE c.state = 'unknown') > 0
ORDER BY unowned_picos DESC, j.lookup, j.on_column, j.place
