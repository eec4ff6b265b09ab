-- What the calls of a pool are weighed by: list cost, or tokens for the whole pool if one call has no price (D8).
-- Reads:  pool_matches, usage_days, wave_pools
-- Writes: pool_basis
-- Grain:  pool
-- Units:  scale: pico-units in one unit of weight
WITH summed AS (
  SELECT
    m.pool_id,
    SUM(u.picos) AS picos,
    SUM(u.tokens) AS tokens,
    SUM(u.calls) AS calls,
    SUM(u.unpriced_calls) AS unpriced_calls
  FROM pool_matches AS m
  JOIN usage_days AS u
    ON u.provider = m.provider AND u.account_key = m.account_key AND u.model_key = m.model_key
    AND u.training = m.training AND u.day >= m.window_from AND u.day < m.window_to
  GROUP BY m.pool_id
)
SELECT
  s.pool_id,
  CASE
    WHEN p.usage_basis = 'tokens' AND s.tokens > 0 THEN 'tokens'
    WHEN p.usage_basis = 'requests' AND s.calls > 0 THEN 'requests'
    WHEN p.usage_basis <> 'list cost' THEN 'none'
    WHEN s.unpriced_calls = 0 AND s.picos > 0 THEN 'list cost'
    WHEN s.tokens > 0 THEN 'tokens'
    ELSE 'none'
  END AS basis,
  CAST(
    CASE WHEN p.usage_basis = 'list cost' AND s.picos > 9000000000000000000 THEN 1000 ELSE 1 END AS BIGINT
  ) AS scale,
  CAST(s.picos AS DECIMAL(38, 0)) AS picos,
  CAST(s.unpriced_calls AS BIGINT) AS unpriced_calls,
  CAST(s.tokens AS BIGINT) AS tokens,
  CAST(s.calls AS BIGINT) AS calls
FROM summed AS s
JOIN wave_pools AS p ON p.pool_id = s.pool_id
