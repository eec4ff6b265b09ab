-- Whose the other calls of a key are: of those that carry a name, how many say which owner.
-- Reads:  usage_cells. `a.d` stands for the owner as shown, `a.known` for the key's column.
-- Writes: known, owner, calls.
-- Grain:  key × owner, over the days of one period (end out).
SELECT a.known AS known, a.d AS owner, SUM(a.calls) AS calls
FROM usage_cells AS a
WHERE a.day >= $start AND a.day < $end AND a.d <> 'unallocated' AND a.known IN (SELECT UNNEST($values))
GROUP BY 1, 2
ORDER BY 1, 3 DESC, 2
