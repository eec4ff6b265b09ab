-- One pool, with everything that decided its split.
-- Reads:  pools, claims. A pool that moves what another placed holds nothing itself; what it moved stands for it.
-- Writes: the columns below.
-- Grain:  pool; none if there is no such pool.
-- Units:  amount_minor in minor units of the ledger currency.
SELECT
  pool_id, period, rule, rule_version, method, kind, status, category, invoice_key, item, provider, model,
  CASE
    WHEN amount_minor <> 0 THEN amount_minor
    ELSE COALESCE((SELECT SUM(amount_minor) FROM claims WHERE pool_id = $pool AND amount_minor > 0), 0)
  END AS amount_minor,
  basis, weight_total, fallback, note, billing_account_id, windows
FROM pools
WHERE pool_id = $pool
