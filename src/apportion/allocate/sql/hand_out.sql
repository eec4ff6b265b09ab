-- The units that are missing to each total, one by one to the largest remainders of their sign; ties to the larger
-- part, then by key in UTF-8 bytes.
-- Reads:  contenders (group_key, part_key, whole, rest, size, total)
-- Writes: group_key, part_key, minor
-- Grain:  part
-- Law:    L5. One part in a million is a mark (by the MD5 of its key, like $mark), and parts are ranked between two
--         marks: an ordinary group has none, and a group of ten millions is not sorted by one task alone.
WITH summed AS (
  SELECT group_key, CAST(MAX(total) - SUM(whole) AS BIGINT) AS short FROM contenders GROUP BY group_key
),
placed AS (
  SELECT
    c.group_key, c.part_key, c.whole, s.short, c.size,
    GREATEST(CASE WHEN s.short < 0 THEN -c.rest ELSE c.rest END, CAST(0 AS BIGINT)) AS rest
  FROM contenders AS c
  JOIN summed AS s ON s.group_key = c.group_key
),
marks AS (
  SELECT
    group_key, part_key, rest, size,
    ROW_NUMBER() OVER (PARTITION BY group_key ORDER BY rest DESC, size DESC, part_key) AS slice,
    LEAD(part_key) OVER (PARTITION BY group_key ORDER BY rest DESC, size DESC, part_key) AS next_key,
    LEAD(rest) OVER (PARTITION BY group_key ORDER BY rest DESC, size DESC, part_key) AS next_rest,
    LEAD(size) OVER (PARTITION BY group_key ORDER BY rest DESC, size DESC, part_key) AS next_size
  FROM placed
  WHERE MD5(part_key) LIKE $mark
),
sliced AS (
  SELECT p.group_key, p.part_key, p.whole, p.short, p.size, p.rest, COALESCE(m.slice, 0) AS slice
  FROM placed AS p
  LEFT JOIN marks AS m
    ON m.group_key = p.group_key
    AND (p.rest < m.rest OR (p.rest = m.rest
      AND (p.size < m.size OR (p.size = m.size AND p.part_key >= m.part_key))))
    AND (m.next_key IS NULL OR p.rest > m.next_rest OR (p.rest = m.next_rest
      AND (p.size > m.next_size OR (p.size = m.next_size AND p.part_key < m.next_key))))
),
counted AS (
  SELECT group_key, slice, COUNT(*) AS parts FROM sliced GROUP BY group_key, slice
),
offsets AS (
  SELECT group_key, slice, SUM(parts) OVER (PARTITION BY group_key ORDER BY slice) - parts AS before FROM counted
),
ranked AS (
  SELECT
    s.group_key, s.part_key, s.whole, s.short,
    o.before + ROW_NUMBER() OVER (
      PARTITION BY s.group_key, s.slice ORDER BY s.rest DESC, s.size DESC, s.part_key
    ) AS turn
  FROM sliced AS s
  JOIN offsets AS o ON o.group_key = s.group_key AND o.slice = s.slice
)
SELECT
  group_key, part_key,
  CAST(whole + CASE WHEN turn <= ABS(short) THEN CASE WHEN short < 0 THEN -1 ELSE 1 END ELSE 0 END AS BIGINT) AS minor
FROM ranked
