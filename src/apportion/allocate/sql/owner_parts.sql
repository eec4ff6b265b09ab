-- What each owner's weight is worth before cents are made, per layer and role.
-- Reads:  owner_weights, window_totals
-- Writes: owner_parts
-- Grain:  pool × owner × layer × role
-- Units:  nano-units of the ledger currency
SELECT
  o.pool_id, o.owner, o.layer, o.role,
  CAST(SUM(o.weight) AS BIGINT) AS weight,
  CAST(SUM(CASE WHEN t.nano < 0 THEN -1 ELSE 1 END * share_floor(ABS(t.nano), o.weight, t.total)) AS BIGINT) AS fine,
  MAX(t.windows) AS windows
FROM owner_weights AS o
JOIN window_totals AS t ON t.pool_id = o.pool_id AND t.window_no = o.window_no
WHERE t.total > 0
GROUP BY o.pool_id, o.owner, o.layer, o.role
