-- What rounding left over of an owner's cents, given to the owner's largest cell (ties by the cell's values).
-- Reads:  allocated_wave, owner_shares, ledger
-- Writes: rows for allocated_charges
-- Grain:  pool × owner
-- Units:  nano-units of the ledger currency
-- Law:    L5: cells add up to their owner's cents exactly
WITH summed AS (
  SELECT pool_id, owner, CAST(SUM(cost_nano) AS BIGINT) AS placed, MAX(ABS(cost_nano)) AS largest
  FROM allocated_wave
  GROUP BY pool_id, owner
),
short AS (
  SELECT s.pool_id, s.owner, s.largest, CAST(o.minor * l.nano_per_minor - s.placed AS BIGINT) AS missing
  FROM summed AS s
  JOIN owner_shares AS o ON o.pool_id = s.pool_id AND o.owner = s.owner
  CROSS JOIN ledger AS l
),
ranked AS (
  SELECT
    a.period, a.day, a.pool_id, a.owner, a.category,
    columns_of('dimensions', 'a'),
    a.layer, a.role, h.missing AS cost_nano,
    ROW_NUMBER() OVER (
      PARTITION BY a.pool_id, a.owner
      ORDER BY a.day, a.category, a.layer, a.role, columns_of('values', 'a'), columns_of('dimensions', 'a')
    ) AS turn
  FROM short AS h
  JOIN allocated_wave AS a
    ON a.pool_id = h.pool_id AND a.owner = h.owner AND ABS(a.cost_nano) = h.largest
  WHERE h.missing <> 0
)
SELECT period, day, pool_id, owner, category, columns_of('dimensions'), layer, role, cost_nano
FROM ranked
WHERE turn = 1
