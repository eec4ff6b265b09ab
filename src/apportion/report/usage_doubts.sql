-- How sure the calls are that weigh a pool, or all of a period's: how many are estimated, how many tell no usage.
-- Reads:  usage_cells. Without a provider every provider's calls; a pool of no model is weighed by every model's.
-- Writes: provider, calls, estimated_calls, estimated_tokens, missing_calls.
-- Grain:  provider, over the days of one period (end out).
SELECT
  provider,
  CAST(SUM(calls) AS BIGINT) AS calls,
  CAST(COALESCE(SUM(estimated_calls), 0) AS BIGINT) AS estimated_calls,
  CAST(COALESCE(SUM(estimated_tokens), 0) AS BIGINT) AS estimated_tokens,
  CAST(COALESCE(SUM(missing_calls), 0) AS BIGINT) AS missing_calls
FROM usage_cells
WHERE day >= $start AND day < $end
  AND (COALESCE($provider, '') = '' OR provider = $provider)
  AND (COALESCE($account, '') = '' OR COALESCE(billing_account_id, '') IN ('', $account))
  AND (COALESCE($model, '') = '' OR model_key = $model)
GROUP BY provider
ORDER BY provider
