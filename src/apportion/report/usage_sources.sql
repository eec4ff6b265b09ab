-- The calls that weigh a pool, by the source that they came from.
-- Reads:  usage_cells. `a.d` stands for the owner as shown; a pool of no model is weighed by every model's calls.
-- Writes: source, calls, mine (those of one owner).
-- Grain:  source, over the days of one period (end out).
SELECT
  a.source AS source,
  SUM(a.calls) AS calls,
  SUM(CASE WHEN a.d = $value THEN a.calls ELSE 0 END) AS mine
FROM usage_cells AS a
WHERE a.day >= $start AND a.day < $end
  AND a.provider = $provider
  AND (COALESCE($account, '') = '' OR COALESCE(a.billing_account_id, '') IN ('', $account))
  AND (COALESCE($model, '') = '' OR a.model_key = $model)
GROUP BY 1
ORDER BY 1
