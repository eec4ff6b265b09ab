-- Parts of mixed sign cut to whole units, before the units that are missing to a given total are handed out (D5).
-- Reads:  parts (group_key, part_key, fine), totals (group_key, total, unit)
-- Writes: contenders
-- Grain:  part
-- Units:  fine and rest: nano-units; total and whole: minor units; unit: nano-units in one minor unit
-- Law:    L5; with hand_out.sql the twin of money.apportion
WITH sized AS (
  SELECT
    p.group_key, p.part_key, p.fine, t.total, t.unit,
    CAST(CASE WHEN p.fine < 0 THEN -1 ELSE 1 END AS BIGINT) AS side
  FROM parts AS p
  JOIN totals AS t ON t.group_key = p.group_key
)
SELECT
  group_key, part_key,
  CAST(side * share_floor(ABS(fine), CAST(1 AS BIGINT), unit) AS BIGINT) AS whole,
  CAST(side * share_rest(ABS(fine), CAST(1 AS BIGINT), unit) AS BIGINT) AS rest,
  ABS(fine) AS size,
  total
FROM sized
