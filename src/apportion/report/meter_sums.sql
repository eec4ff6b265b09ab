-- A meter's quantity by one tag of its rows: revenue by customer, requests by customer.
-- Reads:  meter_rows. A row without the tag counts for its item.
-- Writes: value, unit, quantity_micro (millionths of the meter's unit).
-- Grain:  tag value × unit, over the days of one period (end out).
SELECT
  COALESCE(NULLIF(m.tags[$dimension], ''), NULLIF(m.item, ''), 'unallocated') AS value,
  m.unit AS unit,
  SUM(m.quantity_micro) AS quantity_micro
FROM meter_rows AS m
WHERE m.meter = $meter AND m.day >= $start AND m.day < $end
GROUP BY 1, 2
ORDER BY 1, 2
