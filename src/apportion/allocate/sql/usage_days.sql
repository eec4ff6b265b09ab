-- Folded calls summed to what a bill can name: provider, account, model, day.
-- Reads:  usage_cells
-- Writes: usage_days
-- Grain:  provider × account × model × training × day
-- Units:  calls, tokens; list cost in pico-units of the ledger currency
SELECT
  provider, billing_account_id AS account_key, model_key, training, day,
  CAST(SUM(calls) AS BIGINT) AS calls,
  CAST(SUM(tokens) AS BIGINT) AS tokens,
  CAST(COALESCE(SUM(list_cost_picos), 0) AS DECIMAL(38, 0)) AS picos,
  CAST(SUM(CASE WHEN price_state = 'priced' THEN 0 ELSE calls END) AS BIGINT) AS unpriced_calls,
  CAST(SUM(CASE WHEN price_state = 'priced' THEN 0 ELSE tokens END) AS BIGINT) AS unpriced_tokens
FROM usage_cells
GROUP BY provider, billing_account_id, model_key, training, day
