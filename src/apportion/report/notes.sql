-- What a reader of the pools has to be told: fallbacks, notes, estimates and who took part with weight 0.
-- Reads:  pools, claims.
-- Writes: pool_id, rule, rule_version, item, method, basis, status, fallback, note, amount_minor,
--         usage (none, priced or unpriced), model, weightless (owners whose whole weight is 0, as a list, as shown).
-- Grain:  pool, for one period.
SELECT
  p.pool_id,
  p.rule,
  p.rule_version,
  p.item,
  p.method,
  p.basis,
  p.status,
  p.fallback,
  p.note,
  p.amount_minor,
  p.usage,
  p.model,
  z.weightless
FROM pools AS p
LEFT JOIN (
  SELECT pool_id, LIST(value ORDER BY value) AS weightless
  FROM (
    SELECT a.pool_id AS pool_id, a.d AS value
    FROM claims AS a
    JOIN pools AS q ON q.pool_id = a.pool_id AND q.period = $period
    WHERE a.owner <> 'unallocated' AND q.kind = 'usage'
    GROUP BY 1, 2
    HAVING SUM(a.weight) = 0 AND SUM(ABS(a.amount_minor)) = 0
  )
  GROUP BY pool_id
) AS z ON z.pool_id = p.pool_id
WHERE p.period = $period
ORDER BY p.rule, p.pool_id
