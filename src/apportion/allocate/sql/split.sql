-- Each pool's cents over its owners in proportion to their weights, by largest remainder.
-- Reads:  pool_amounts (pool_id, amount_minor), owner_weights_summed (pool_id, owner, weight)
-- Writes: owner_shares
-- Grain:  pool × owner
-- Units:  minor units of the ledger currency
-- Law:    L5; the twin of money.split
WITH sized AS (
  SELECT
    w.pool_id, w.owner, w.weight, a.amount_minor,
    CAST(SUM(w.weight) OVER (PARTITION BY w.pool_id) AS BIGINT) AS total
  FROM owner_weights_summed AS w
  JOIN pool_amounts AS a ON a.pool_id = w.pool_id
),
floored AS (
  SELECT
    *,
    share_floor(ABS(amount_minor), weight, total) AS part,
    share_rest(ABS(amount_minor), weight, total) AS rest
  FROM sized
),
ranked AS (
  SELECT
    *,
    CAST(ABS(amount_minor) - SUM(part) OVER (PARTITION BY pool_id) AS BIGINT) AS short,
    ROW_NUMBER() OVER (PARTITION BY pool_id ORDER BY rest DESC, weight DESC, owner) AS turn
  FROM floored
)
SELECT
  pool_id, owner, weight,
  CAST(CASE WHEN amount_minor < 0 THEN -1 ELSE 1 END * (part + CASE WHEN turn <= short THEN 1 ELSE 0 END) AS BIGINT) AS minor
FROM ranked
