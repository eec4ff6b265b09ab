-- Each pool's cents over its owners in proportion to their weights, before the cents that rounding leaves are handed out.
-- Reads:  pool_amounts (pool_id, amount_minor), owner_weights_summed (pool_id, owner, weight)
-- Writes: contenders
-- Grain:  pool × owner
-- Units:  whole and total: minor units of the ledger currency; rest: parts of the pool's whole weight
-- Law:    L5; with hand_out.sql the twin of money.split
WITH summed AS (
  SELECT pool_id, CAST(SUM(weight) AS BIGINT) AS weights FROM owner_weights_summed GROUP BY pool_id
),
sized AS (
  SELECT
    w.pool_id, w.owner, w.weight, s.weights, a.amount_minor,
    CAST(CASE WHEN a.amount_minor < 0 THEN -1 ELSE 1 END AS BIGINT) AS side
  FROM owner_weights_summed AS w
  JOIN summed AS s ON s.pool_id = w.pool_id
  JOIN pool_amounts AS a ON a.pool_id = w.pool_id
)
SELECT
  pool_id AS group_key, owner AS part_key,
  CAST(side * share_floor(ABS(amount_minor), weight, weights) AS BIGINT) AS whole,
  CAST(side * share_rest(ABS(amount_minor), weight, weights) AS BIGINT) AS rest,
  weight AS size,
  amount_minor AS total
FROM sized
