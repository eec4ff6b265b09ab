-- What usage cost at list prices, by provider and billing account: the meter's side of a reconciliation.
-- Reads:  usage_cells.
-- Writes: provider, billing_account_id, calls, list_cost_picos, unpriced_calls.
-- Grain:  provider × billing account, over the days of one period (end out).
-- Units:  pico-units of the price list's currency.
SELECT
  COALESCE(provider, '') AS provider,
  COALESCE(billing_account_id, '') AS billing_account_id,
  SUM(calls) AS calls,
  SUM(COALESCE(list_cost_picos, 0)) AS list_cost_picos,
  SUM(CASE WHEN price_state = 'unpriced' THEN calls ELSE 0 END) AS unpriced_calls
FROM usage_cells
WHERE day >= $start AND day < $end
GROUP BY 1, 2
ORDER BY 1, 2
