-- What each owner receives, by the kind of its pools and the layer of its claims.
-- Reads:  claims, pools. A claim of an owner `pool:<rule>` feeds another pool and is nobody's cost.
-- Writes: value, kind, layer, amount_minor (whole minor units of the ledger currency).
-- Grain:  owner as shown × kind × layer, for one period.
-- Law:    L1, the sum is the AI cost of the period's invoices and estimates.
SELECT
  a.d AS value,
  p.kind AS kind,
  a.layer AS layer,
  SUM(a.amount_minor) AS amount_minor
FROM claims AS a
JOIN pools AS p ON p.pool_id = a.pool_id
WHERE p.period = $period
  AND NOT a.owner LIKE 'pool:%'
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
