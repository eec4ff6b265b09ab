-- What each invoice billed for AI, as it was posted: every cent where its first pool put it.
-- Reads:  pools, claims. A claim of `pool:<rule>` is left out: the fed pool, of the same invoice, has it.
-- Writes: invoice_key, status, provider, billing_account_id, kind, usage (none, priced, unpriced), amount_minor.
-- Grain:  invoice × status × provider × billing account × kind × usage, for one period.
-- Units:  minor units of the ledger currency.
SELECT
  COALESCE(p.invoice_key, '') AS invoice_key,
  p.status AS status,
  COALESCE(p.provider, '') AS provider,
  COALESCE(p.billing_account_id, '') AS billing_account_id,
  p.kind AS kind,
  CASE WHEN p.kind = 'variance' THEN 'priced' ELSE p.usage END AS usage,
  SUM(c.amount_minor) AS amount_minor
FROM pools AS p
JOIN claims AS c ON c.pool_id = p.pool_id
WHERE p.period = $period AND NOT c.owner LIKE 'pool:%'
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
