-- What each pool holds in its own currency, and whose invoice it comes from.
-- Reads:  pool_charges
-- Writes: pool_sums
-- Grain:  pool
-- Units:  nano-units of the billing currency; the digits finer than that are summed before they are cut (D11)
SELECT
  pool_id,
  MIN(rule) AS rule,
  MIN(method) AS method,
  MIN(kind) AS kind,
  MIN(invoice_key) AS invoice_key,
  MIN(period) AS invoice_period,
  MIN(item) AS item,
  MIN(pool_owner) AS pool_owner,
  MIN(pool_layer) AS pool_layer,
  BOOL_OR(amortized) AS amortized,
  MIN(day_from) AS term_from,
  MAX(term_to) AS term_to,
  MIN(provider_key) AS provider,
  MIN(account_key) AS billing_account_id,
  CASE WHEN MIN(model_key) = MAX(model_key) THEN MIN(model_key) ELSE '' END AS model_key,
  CASE WHEN MIN(category) = MAX(category) THEN MIN(category) ELSE 'mixed' END AS category,
  MIN(currency) AS currency,
  BOOL_OR(training) AS training,
  BOOL_OR(gpu) AS gpu,
  COUNT(*) AS charges,
  CAST(SUM(effective_nano) + to_nano(SUM(effective_residue)) AS BIGINT) AS effective_nano
FROM pool_charges
GROUP BY pool_id
