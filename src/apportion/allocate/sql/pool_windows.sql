-- The days from which a pool's weights come: one window for each charge period among its charges.
-- Reads:  pool_groups
-- Writes: pool_windows
-- Grain:  pool × window
SELECT
  pool_id, window_no,
  MIN(window_from) AS window_from, MIN(window_to) AS window_to,
  CAST(SUM(nano) AS BIGINT) AS nano
FROM pool_groups
GROUP BY pool_id, window_no
