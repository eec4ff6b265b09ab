-- Parts of mixed sign rounded to whole units that add up to a given total (decision D5).
-- Reads:  parts (group_key, part_key, fine), totals (group_key, total, unit)
-- Writes: parts_rounded
-- Grain:  part
-- Units:  fine: nano-units; total and minor: minor units; unit: nano-units in one minor unit
-- Law:    L5; the twin of money.apportion
WITH cut AS (
  SELECT
    p.group_key, p.part_key, p.fine, t.total, t.unit,
    CAST(CASE WHEN p.fine < 0 THEN -1 ELSE 1 END * share_floor(ABS(p.fine), CAST(1 AS BIGINT), t.unit) AS BIGINT) AS whole,
    CAST(CASE WHEN p.fine < 0 THEN -1 ELSE 1 END * share_rest(ABS(p.fine), CAST(1 AS BIGINT), t.unit) AS BIGINT) AS rest
  FROM parts AS p
  JOIN totals AS t ON t.group_key = p.group_key
),
missing AS (
  SELECT *, CAST(total - SUM(whole) OVER (PARTITION BY group_key) AS BIGINT) AS short FROM cut
),
ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY group_key
      ORDER BY GREATEST(CASE WHEN short < 0 THEN -rest ELSE rest END, 0) DESC, ABS(fine) DESC, part_key
    ) AS turn
  FROM missing
)
SELECT
  group_key, part_key, fine,
  CAST(whole + CASE WHEN turn <= ABS(short) THEN CASE WHEN short < 0 THEN -1 ELSE 1 END ELSE 0 END AS BIGINT) AS minor
FROM ranked
