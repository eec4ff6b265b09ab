-- A pool's money scaled to a part of it: one month of an amortised charge, or what was metered of a bill.
-- Reads:  pool_groups, pool_scales
-- Writes: pool_groups_scaled
-- Grain:  as pool_groups
-- Units:  nano-units of the ledger currency; numerator and denominator too
SELECT
  s.as_pool_id AS pool_id, g.window_no, g.window_from, g.window_to, g.category,
  columns_of('dimensions', 'g'),
  CAST(
    CASE WHEN (g.nano < 0) = ((s.numerator < 0) = (s.denominator < 0)) THEN -1 ELSE 1 END
    * share_floor(ABS(g.nano), ABS(s.numerator), ABS(s.denominator))
    AS BIGINT) AS nano
FROM pool_groups AS g
JOIN pool_scales AS s ON s.pool_id = g.pool_id
UNION ALL
SELECT
  g.pool_id, g.window_no, g.window_from, g.window_to, g.category,
  columns_of('dimensions', 'g'),
  g.nano
FROM pool_groups AS g
WHERE NOT EXISTS (SELECT 1 FROM pool_scales AS s WHERE s.pool_id = g.pool_id)
