-- The rows of files that a pool's money came from.
-- Reads:  allocation_steps.
-- Writes: source_file, source_row.
-- Grain:  pool × source row.
SELECT source_file, source_row
FROM allocation_steps
WHERE pool_id = $pool AND source_file IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
