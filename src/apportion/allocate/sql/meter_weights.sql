-- Measured quantities as weights: each row of a meter counts for the windows that its days touch.
-- Reads:  metered_pools, pool_windows, meter_cells
-- Writes: meter_weights
-- Grain:  pool × window × row of the meter
-- Units:  millionths of the meter's unit
SELECT
  w.pool_id, w.window_no, m.meter, m.item, m.day,
  columns_of('dimensions', 'm'),
  m.quantity_micro, m.capacity_micro, m.reservation_micro
FROM metered_pools AS p
JOIN pool_windows AS w ON w.pool_id = p.pool_id
JOIN meter_cells AS m
  ON m.meter = p.meter
  AND (p.item = '' OR m.item = p.item)
  AND m.day < w.window_to AND m.day_end > w.window_from
