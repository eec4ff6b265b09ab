-- What usage cost its owners in an invoice (or in the period): the weights of its credits and taxes.
-- Reads:  derived_pools, allocated_so_far, done_pools
-- Writes: rows for shared_weights
-- Grain:  pool × owner × layer × cell
-- Units:  nano-units of the ledger currency; what a refund made negative does not weigh, nor what feeds a pool: the fed pool says who has it
SELECT
  d.pool_id, 1 AS window_no, MIN(a.day) AS day, a.owner, a.layer, 'use' AS role,
  columns_of('dimensions', 'a'),
  CAST(SUM(a.cost_nano) AS BIGINT) AS weight
FROM derived_pools AS d
JOIN done_pools AS p
  ON (p.kind = 'usage' OR p.kind = 'correction' OR p.kind = 'shortfall' OR p.kind = 'variance')
  AND (p.invoice_key = d.basis_key OR p.provider = d.basis_key)
JOIN allocated_so_far AS a ON a.pool_id = p.pool_id
WHERE a.owner NOT LIKE 'pool:%'
GROUP BY d.pool_id, a.owner, a.layer, columns_of('dimensions', 'a')
HAVING SUM(a.cost_nano) > 0
