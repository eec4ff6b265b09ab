-- Which usage weighs which pool: the most specific match that bill and usage both carry (decision D3).
-- Reads:  pool_windows, wave_pools, usage_days
-- Writes: pool_matches
-- Grain:  pool × window × usage key
WITH usage_keys AS (
  SELECT DISTINCT provider, account_key, model_key, training, day FROM usage_days
),
candidates AS (
  SELECT DISTINCT
    w.pool_id, w.window_no, w.window_from, w.window_to, p.rule_key AS rule, p.pool_owner, p.direct,
    u.provider, u.account_key, u.model_key, u.training,
    CASE WHEN p.direct AND p.model_key <> '' AND u.model_key = p.model_key THEN 2 ELSE 0 END
    + CASE WHEN p.direct AND p.billing_account_id <> '' AND u.account_key = p.billing_account_id THEN 1 ELSE 0 END AS specific
  FROM pool_windows AS w
  JOIN wave_pools AS p ON p.pool_id = w.pool_id
  JOIN usage_keys AS u
    ON u.day >= w.window_from AND u.day < w.window_to
    AND (NOT p.direct OR (
      u.provider = p.provider
      AND u.training = p.training
      AND (NOT p.estimate OR (u.account_key = p.billing_account_id AND u.model_key = p.model_key))
      AND (p.billing_account_id = '' OR u.account_key = '' OR u.account_key = p.billing_account_id)
      AND (p.model_key = '' OR u.model_key = '' OR u.model_key = p.model_key)))
  WHERE p.by_usage
)
SELECT *
FROM candidates
QUALIFY specific = MAX(specific) OVER (PARTITION BY pool_id, window_no)
