-- The pools of two periods that something else than usage divides, with what weighed each owner's part.
-- Reads:  pools, claims. `a.d` stands for the owner.
-- Writes: kind, rule, item, provider, period, method, basis, fallback, pool_id, amount_minor, weight_total, owner,
--         role, weight.
-- Grain:  pool × owner as shown × role, of the owners $values alone where they are given; a pool that none of them has
--         a claim to has one row without a role.
-- Units:  amount_minor in minor units of the ledger currency; a weight as its basis counts it.
SELECT
  p.kind, p.rule, COALESCE(p.item, '') AS item, COALESCE(p.provider, '') AS provider, p.period, p.method,
  COALESCE(p.basis, '') AS basis, COALESCE(p.fallback, '') AS fallback, p.pool_id, p.amount_minor, p.weight_total,
  a.d AS owner, a.role, SUM(a.weight) AS weight
FROM pools AS p
LEFT JOIN claims AS a ON a.pool_id = p.pool_id 
  AND (CAST($values AS VARCHAR[]) IS NULL OR a.d IN (SELECT UNNEST(CAST($values AS VARCHAR[]))))
WHERE p.period IN ($period, $earlier) AND p.kind = 'usage'
  AND (p.method <> 'direct' OR COALESCE(p.fallback, '') <> '')
GROUP BY ALL
ORDER BY p.rule, item, p.period, p.pool_id, owner, a.role
