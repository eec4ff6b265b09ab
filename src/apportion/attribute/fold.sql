-- Calls folded into cells: the only step that reads every call.
-- Reads:  usage_slice (canonical usage columns, evidence, fault)
-- Writes: folded_calls
-- Keys:   those of the columns of the grain that any row has; counts: those that any row has
-- Grain:  day × provider × account × model × tier × processing × region × speed × context bracket × evidence
-- Units:  calls, tokens
-- Law:    L3: a row with a fault stays apart, with its reason, and is counted
SELECT
  columns_of('keys'),
  CAST(COUNT(*) AS BIGINT) AS source_rows,
  sums_of('counts')
FROM usage_slice
GROUP BY columns_of('keys')
