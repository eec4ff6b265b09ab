-- What usage cost its owners in an invoice (or in the period): the weights of its credits and taxes.
-- Reads:  derived_pools, allocated_so_far, done_pools
-- Writes: rows for shared_weights
-- Grain:  pool × owner × layer × cell
-- Units:  nano-units of the ledger currency. Only cells of the sign of the whole weigh: a refund mirrors its charge
-- Law:    L5; money that feeds a pool weighs with those whom the fed pool gives it to
WITH cells AS (
  SELECT
    d.pool_id, MIN(a.day) AS day, a.owner, a.layer,
    columns_of('dimensions', 'a'),
    CAST(SUM(a.cost_nano) AS BIGINT) AS cost_nano
  FROM derived_pools AS d
  JOIN done_pools AS p
    ON (p.kind = 'usage' OR p.kind = 'correction' OR p.kind = 'shortfall' OR p.kind = 'variance')
    AND (p.invoice_key = d.basis_key OR p.provider = d.basis_key)
  JOIN allocated_so_far AS a ON a.pool_id = p.pool_id
  WHERE a.owner NOT LIKE 'pool:%'
  GROUP BY d.pool_id, a.owner, a.layer, columns_of('dimensions', 'a')
),
signed AS (
  SELECT *, CASE WHEN SUM(cost_nano) OVER (PARTITION BY pool_id) < 0 THEN -1 ELSE 1 END AS side
  FROM cells
)
SELECT
  pool_id, 1 AS window_no, day, owner, layer, 'use' AS role,
  columns_of('dimensions'),
  CAST(side * cost_nano AS BIGINT) AS weight
FROM signed
WHERE side * cost_nano > 0
