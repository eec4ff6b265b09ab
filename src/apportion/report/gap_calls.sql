-- Calls that nobody owns, by what they do say of themselves, for one pool that they weigh.
-- Reads:  usage_cells. `a.d` stands for the owner as shown, `a.known` for a list of what could name one.
-- Writes: known (a text or NULL for each way), calls, picos (list cost), tokens.
-- Grain:  known, over the days of one period (end out).
SELECT a.known AS known, SUM(a.calls) AS calls, SUM(COALESCE(a.list_cost_picos, 0)) AS picos, SUM(a.tokens) AS tokens
FROM usage_cells AS a
WHERE a.day >= $start AND a.day < $end
  AND a.d = 'unallocated'
  AND COALESCE(a.training, FALSE) = $training
  AND ($provider = '' OR a.provider = $provider)
  AND ($account = '' OR COALESCE(a.billing_account_id, '') IN ('', $account))
  AND ($model = '' OR a.model_key = $model)
GROUP BY 1
ORDER BY 1
