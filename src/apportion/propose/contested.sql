-- What the calls that have an owner say of each key that a directory knows.
-- Reads:  asked_calls, directory, asked_joins (lookup, on_column, take_column, place).
-- Writes: lookup, on_column, take_column, place, key, owned (calls with an owner), agree (of those, the directory's),
--         untagged (calls whose owner another directory told), untagged_agree.
-- Grain:  lookup × column of the key × place × key, those with a call that says otherwise.
SELECT
  j.lookup,
  j.on_column,
  j.take_column,
  j.place,
  d."key",
  CAST(SUM(c.calls) AS BIGINT) AS owned,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.owner = d."value"), 0) AS BIGINT) AS agree,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.untagged), 0) AS BIGINT) AS untagged,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.untagged AND c.owner = d."value"), 0) AS BIGINT) AS untagged_agree
FROM asked_joins AS j
INNER JOIN directory AS d
  ON d.lookup = j.lookup AND d.on_column = j.on_column AND d.take_column = j.take_column
INNER JOIN asked_calls AS c
  ON c.said[j.place] = d."key" AND c.day >= d.valid_from AND c.day < d.valid_to
WHERE c.state = 'known'
GROUP BY j.lookup, j.on_column, j.take_column, j.place, d."key"
HAVING owned > agree
ORDER BY j.lookup, j.on_column, j.take_column, j.place, d."key"
