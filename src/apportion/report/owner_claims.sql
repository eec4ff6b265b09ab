-- Every pool that an owner has a claim to.
-- Reads:  claims, pools.
-- Writes: pool_id, rule, rule_version, item, method, basis, kind, status, category, provider, model, invoice_key,
--         pool_minor (of a pool that moves what another placed: what it moved), weight_total,
--         fallback, layer, role, weight, evidence, amount_minor.
-- Grain:  pool × layer × role × evidence, for one owner as shown and one period.
SELECT
  p.pool_id, p.rule, p.rule_version, p.item, p.method, p.basis, p.kind, p.status, p.category,
  p.provider, p.model, p.invoice_key,
  CASE WHEN p.amount_minor = 0 THEN COALESCE(m.moved_minor, 0) ELSE p.amount_minor END AS pool_minor,
  p.weight_total, p.fallback,
  a.layer, a.role, SUM(a.weight) AS weight, a.evidence, SUM(a.amount_minor) AS amount_minor
FROM claims AS a
JOIN pools AS p ON p.pool_id = a.pool_id
LEFT JOIN (
  SELECT pool_id, SUM(amount_minor) AS moved_minor FROM claims WHERE amount_minor > 0 GROUP BY pool_id
) AS m ON m.pool_id = p.pool_id
WHERE p.period = $period AND a.d = $value
GROUP BY ALL
ORDER BY p.rule, p.pool_id, a.layer, a.role, a.evidence
