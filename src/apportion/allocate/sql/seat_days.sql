-- Seats day by day: who holds one, at which price, and whether its holder was active.
-- Reads:  seat_pools, pool_windows, seat_cells
-- Writes: seat_days
-- Grain:  pool × window × seat × day
-- Units:  price_micro: millionths of the price's currency; used is null where no activity is known
SELECT
  w.pool_id, w.window_no, w.window_from, w.window_to, s.day, s.seat_id, s.assigned_to,
  columns_of('dimensions', 's'),
  COALESCE(s.price_micro, 1) AS price_micro,
  CASE
    WHEN s.assigned_to IS NULL THEN FALSE
    WHEN s.last_active_at IS NULL AND NOT p.knows_activity THEN NULL
    ELSE s.last_active_at IS NOT NULL
      AND s.last_active_at >= GREATEST(CAST(w.window_from AS TIMESTAMP), CAST(w.window_to AS TIMESTAMP) - TO_DAYS(p.active_days))
      AND s.last_active_at < CAST(w.window_to AS TIMESTAMP)
  END AS used
FROM seat_pools AS p
JOIN pool_windows AS w ON w.pool_id = p.pool_id
JOIN seat_cells AS s ON s.tool = p.seats AND s.day >= w.window_from AND s.day < w.window_to
