-- Every cell's share of its pool's money, rounded toward zero; what is left over follows in a row of its own.
-- Reads:  weighted_groups, ledger
-- Writes: allocated_charges
-- Grain:  pool × owner × day × cell
-- Units:  nano-units of the ledger currency
-- Law:    D5: inside an owner no cent is at stake
SELECT
  l.period, w.day, w.pool_id, w.owner, w.category,
  columns_of('dimensions', 'w'),
  w.layer, w.role,
  CAST(CASE WHEN w.nano < 0 THEN -1 ELSE 1 END * share_floor(ABS(w.nano), w.weight, w.total) AS BIGINT) AS cost_nano
FROM weighted_groups AS w
CROSS JOIN ledger AS l
