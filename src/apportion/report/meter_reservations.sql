-- What each owner reserved of a meter and what it used.
-- Reads:  meter_rows. A reservation of an item on a day stands on each of the owner's rows and counts once.
-- Writes: meter, unit, value, used_micro, reserved_micro, unused_micro, borrowed_micro.
-- Grain:  meter × unit × owner tag, over the days of one period (end out); only owners with a reservation.
-- Units:  millionths of the meter's unit.
SELECT
  meter,
  unit,
  value,
  SUM(used) AS used_micro,
  SUM(reserved) AS reserved_micro,
  GREATEST(SUM(reserved) - SUM(used), 0) AS unused_micro,
  GREATEST(SUM(used) - SUM(reserved), 0) AS borrowed_micro
FROM (
  SELECT
    meter, unit, item, day,
    COALESCE(NULLIF(tags[$dimension], ''), 'unallocated') AS value,
    SUM(quantity_micro) AS used,
    MAX(COALESCE(reservation_micro, 0)) AS reserved
  FROM meter_rows
  WHERE day >= $start AND day < $end
  GROUP BY 1, 2, 3, 4, 5
)
GROUP BY meter, unit, value
HAVING SUM(reserved) > 0
ORDER BY meter, unit, value
