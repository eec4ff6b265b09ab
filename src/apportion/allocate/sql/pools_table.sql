-- Every pool of the period as reports and the books read it.
-- Reads:  done_pools, ledger
-- Writes: pools
-- Grain:  pool
-- Units:  amount_minor in the ledger currency; 0 for a pool that moves what another one placed
SELECT
  p.pool_id, l.period, p.rule, CAST(p.version AS INTEGER) AS rule_version, p.method, p.kind, p.status, p.category,
  p.invoice_key, p.item, p.provider, p.billing_account_id, p.model_key AS model, p.currency,
  p.effective_nano,
  CAST(CASE WHEN p.moved THEN 0 ELSE p.amount_minor END AS BIGINT) AS amount_minor,
  p.basis, p.weight_total, p.fallback, p.note, p.charges, p.moved, CAST(p.windows AS INTEGER) AS windows, p.usage
FROM done_pools AS p
CROSS JOIN ledger AS l
