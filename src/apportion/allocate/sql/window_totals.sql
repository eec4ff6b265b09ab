-- All the weight in a window, and how many windows its pool has.
-- Reads:  owner_weights, pool_windows, wave_pools
-- Writes: window_totals
-- Grain:  pool × window, those without any weight too
SELECT
  w.pool_id, w.window_no, w.window_from, w.window_to, w.nano,
  CAST(COALESCE(SUM(o.weight), 0) AS BIGINT) AS total,
  COUNT(*) OVER (PARTITION BY w.pool_id) AS windows
FROM pool_windows AS w
JOIN wave_pools AS p ON p.pool_id = w.pool_id
LEFT JOIN owner_weights AS o ON o.pool_id = w.pool_id AND o.window_no = w.window_no
GROUP BY w.pool_id, w.window_no, w.window_from, w.window_to, w.nano
