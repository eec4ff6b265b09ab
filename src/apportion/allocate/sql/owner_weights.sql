-- The weights of a wave summed to what is posted: owners, with the layer and role they have them in.
-- Reads:  wave_weights (a view over cells and shared weights)
-- Writes: owner_weights
-- Grain:  pool × window × owner × layer × role
SELECT pool_id, window_no, owner, layer, role, CAST(SUM(weight) AS BIGINT) AS weight
FROM wave_weights
GROUP BY pool_id, window_no, owner, layer, role
