-- The weights of a wave summed to what is posted: owners, with the layer and role they have them in.
-- Reads:  weighed_calls (a view over cells), weighed_others, usage_matches
-- Writes: owner_weights
-- Grain:  pool × window × owner × layer × role
WITH calls AS (
  SELECT match_no, owner, layer, role, SUM(weight) AS weight
  FROM weighed_calls
  GROUP BY match_no, owner, layer, role
),
every_weight AS (
  SELECT m.pool_id, m.window_no, c.owner, c.layer, c.role, c.weight
  FROM calls AS c
  JOIN (SELECT DISTINCT match_no, pool_id, window_no FROM usage_matches) AS m ON m.match_no = c.match_no
  UNION ALL
  SELECT pool_id, window_no, owner, layer, role, weight FROM weighed_others
)
SELECT pool_id, window_no, owner, layer, role, CAST(SUM(weight) AS BIGINT) AS weight
FROM every_weight
GROUP BY pool_id, window_no, owner, layer, role
