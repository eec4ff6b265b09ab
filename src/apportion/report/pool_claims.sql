-- The claims to one pool, owners as a reader may see them.
-- Reads:  claims. `a.d` stands for the owner.
-- Writes: owner, layer, role, weight, evidence, amount_minor.
-- Grain:  owner as shown × layer × role × evidence.
-- Units:  amount_minor in minor units of the ledger currency.
SELECT
  a.d AS owner, a.layer, a.role, SUM(a.weight) AS weight, a.evidence, SUM(a.amount_minor) AS amount_minor
FROM claims AS a
WHERE a.pool_id = $pool
GROUP BY 1, 2, 3, 5
ORDER BY 6 DESC, 1, 2, 3, 5
