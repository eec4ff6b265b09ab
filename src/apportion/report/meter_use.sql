-- What of a metered capacity was used and what idled (decision D12): idle = max(0, capacity - used), day by day.
-- Reads:  meter_rows. The capacity of an item on a day stands on each of its rows and counts once.
-- Writes: meter, unit, used_micro, capacity_micro, idle_micro.
-- Grain:  meter × unit, over the days of one period (end out); only items with a capacity.
-- Units:  millionths of the meter's unit.
SELECT
  meter,
  unit,
  SUM(used) AS used_micro,
  SUM(capacity) AS capacity_micro,
  SUM(GREATEST(capacity - used, 0)) AS idle_micro
FROM (
  SELECT meter, unit, item, day, SUM(quantity_micro) AS used, MAX(capacity_micro) AS capacity
  FROM meter_rows
  WHERE day >= $start AND day < $end
  GROUP BY meter, unit, item, day
)
WHERE capacity IS NOT NULL
GROUP BY meter, unit
ORDER BY meter, unit
