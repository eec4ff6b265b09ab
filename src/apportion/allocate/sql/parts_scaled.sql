-- Parts scaled to their total where that is a unit or more away: conversion into a currency of small units does that.
-- Reads:  parts_as_given (group_key, part_key, fine), totals (group_key, total, unit)
-- Writes: parts
-- Grain:  part
-- Units:  nano-units of the ledger currency
-- Law:    D10: the converted total is the control, the rows are weights
WITH summed AS (
  SELECT
    p.group_key, p.part_key, p.fine,
    CAST(t.total * t.unit AS BIGINT) AS wanted, t.unit,
    CAST(SUM(p.fine) OVER (PARTITION BY p.group_key) AS BIGINT) AS found
  FROM parts_as_given AS p
  JOIN totals AS t ON t.group_key = p.group_key
)
SELECT
  group_key, part_key,
  CASE
    WHEN found = 0 OR ABS(wanted - found) < unit OR ABS(wanted) > 10 * ABS(found) THEN fine
    ELSE CAST(
      CASE WHEN (fine < 0) = ((wanted < 0) = (found < 0)) THEN -1 ELSE 1 END
      * share_floor(ABS(fine), ABS(wanted), ABS(found)) AS BIGINT)
  END AS fine
FROM summed
