-- The rows of meters that weigh a pool: of its item where the meter names items, else all of the meter's.
-- Reads:  meter_rows.
-- Writes: source_file, source_row, unit.
-- Grain:  source row, over the days of one period (end out).
SELECT source_file, source_row, unit
FROM meter_rows
WHERE list_contains($meters, meter) AND day >= $start AND day < $end
  AND (COALESCE(item, '') = $item OR NOT EXISTS (
    SELECT 1 FROM meter_rows AS o WHERE list_contains($meters, o.meter) AND o.item = $item
  ))
GROUP BY 1, 2, 3
ORDER BY 1, 2
