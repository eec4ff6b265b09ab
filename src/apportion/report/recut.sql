-- The same cents by another dimension: each pool's posted cents are apportioned over that dimension's values,
-- then each value's cents over the layers in which the values came and the categories (decision D5, twin of
-- money.apportion).
-- Reads:  allocated_charges, pools, dimension_ways. `a.raw` and `a.raw_via` stand for the dimension's columns,
--         `a.d` for its value as shown.
-- Writes: value, kind, category, layer, posted_nano (nano-units, always whole minor units).
-- Grain:  value as shown × kind × category × layer, for one period.
-- Law:    L4, the sum over the values is the sum over the owners, pool by pool.
-- Whole units are counted in nano (`amount - amount % unit`), so that nothing is ever divided.
WITH summed AS (
  -- Rows are added up before anything is looked up for them: there are millions, and few of them differ.
  SELECT a.pool_id AS pool_id, a.category AS category, a.raw AS raw, a.raw_via AS via, a.layer AS layer,
    SUM(a.cost_nano) AS nano
  FROM allocated_charges AS a
  WHERE a.period = $period AND NOT a.owner LIKE 'pool:%'
  GROUP BY 1, 2, 3, 4, 5
),
cells AS (
  SELECT
    a.pool_id AS pool_id,
    p.kind AS kind,
    a.category AS category,
    a.d AS value,
    CASE
      WHEN a.d = 'unallocated' THEN 'unallocated'
      WHEN a.via = -1 THEN 'shared'
      WHEN a.via = 0 THEN 'unallocated'
      WHEN w.layer IS NOT NULL THEN w.layer
      ELSE a.layer
    END AS layer,
    a.nano AS nano
  FROM summed AS a
  JOIN pools AS p ON p.pool_id = a.pool_id AND p.period = $period
  LEFT JOIN dimension_ways AS w ON w.dimension = $dimension AND w.via = a.via
),
parts AS (
  SELECT pool_id, kind, category, value, layer, SUM(nano) AS nano
  FROM cells
  GROUP BY pool_id, kind, category, value, layer
),
value_sums AS (
  SELECT pool_id, value, SUM(nano) AS nano
  FROM parts
  GROUP BY pool_id, value
),
value_rests AS (
  SELECT
    pool_id,
    value,
    nano,
    nano % $unit AS rest,
    SUM(nano % $unit) OVER (PARTITION BY pool_id) AS missing
  FROM value_sums
),
value_ranks AS (
  SELECT
    pool_id,
    value,
    nano,
    rest,
    missing,
    ROW_NUMBER() OVER (
      PARTITION BY pool_id
      ORDER BY
        GREATEST(CASE WHEN missing < 0 THEN -rest ELSE rest END, 0) DESC,
        ABS(nano) DESC,
        value
    ) AS place
  FROM value_rests
),
value_posted AS (
  SELECT
    pool_id,
    value,
    nano - rest
      + CASE
          WHEN place * $unit > ABS(missing) THEN 0
          WHEN missing < 0 THEN -$unit
          ELSE $unit
        END AS posted
  FROM value_ranks
),
part_rests AS (
  SELECT
    r.pool_id AS pool_id,
    r.kind AS kind,
    r.category AS category,
    r.value AS value,
    r.layer AS layer,
    r.nano AS nano,
    r.nano % $unit AS rest,
    v.posted - SUM(r.nano - r.nano % $unit) OVER (PARTITION BY r.pool_id, r.value) AS missing
  FROM parts AS r
  JOIN value_posted AS v ON v.pool_id = r.pool_id AND v.value = r.value
),
part_ranks AS (
  SELECT
    value,
    kind,
    category,
    layer,
    nano,
    rest,
    missing,
    ROW_NUMBER() OVER (
      PARTITION BY pool_id, value
      ORDER BY
        GREATEST(CASE WHEN missing < 0 THEN -rest ELSE rest END, 0) DESC,
        ABS(nano) DESC,
        layer,
        category
    ) AS place
  FROM part_rests
)
SELECT
  value,
  kind,
  category,
  layer,
  SUM(
    nano - rest
      + CASE
          WHEN place * $unit > ABS(missing) THEN 0
          WHEN missing < 0 THEN -$unit
          ELSE $unit
        END
  ) AS posted_nano
FROM part_ranks
GROUP BY value, kind, category, layer
ORDER BY value, kind, category, layer
