-- Calls folded into cells: the only step that reads every call.
-- Reads:  usage_slice (canonical usage columns, evidence, fault)
-- Writes: folded_calls
-- Keys:   those of the columns of the grain that any row has
-- Grain:  day × provider × account × model × tier × processing × region × speed × context bracket × evidence
-- Units:  calls, tokens
-- Law:    L3: a row with a fault stays apart, with its reason, and is counted
SELECT
  columns_of('keys'),
  CAST(COUNT(*) AS BIGINT) AS source_rows,
  CAST(SUM(calls) AS BIGINT) AS calls,
  CAST(SUM(uncached_input_tokens) AS BIGINT) AS uncached_input_tokens,
  CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
  CAST(SUM(cache_write_5m_tokens) AS BIGINT) AS cache_write_5m_tokens,
  CAST(SUM(cache_write_1h_tokens) AS BIGINT) AS cache_write_1h_tokens,
  CAST(SUM(cache_write_other_tokens) AS BIGINT) AS cache_write_other_tokens,
  CAST(SUM(tool_prompt_tokens) AS BIGINT) AS tool_prompt_tokens,
  CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
  CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens
FROM usage_slice
GROUP BY columns_of('keys')
