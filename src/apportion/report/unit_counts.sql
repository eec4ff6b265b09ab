-- The denominators of unit costs: calls and tokens by one dimension.
-- Reads:  usage_cells, of training or of everything else. `a.d` stands for the dimension's column.
-- Writes: value, calls, tokens (every billed token: input, cache, tool prompt and output).
-- Grain:  value as shown, over the days of one period (end out).
SELECT
  a.d AS value,
  SUM(a.calls) AS calls,
  SUM(
    COALESCE(a.uncached_input_tokens, 0) + COALESCE(a.cache_read_tokens, 0)
      + COALESCE(a.cache_write_5m_tokens, 0) + COALESCE(a.cache_write_1h_tokens, 0)
      + COALESCE(a.cache_write_other_tokens, 0) + COALESCE(a.tool_prompt_tokens, 0)
      + COALESCE(a.output_tokens, 0)
  ) AS tokens
FROM usage_cells AS a
WHERE a.day >= $start AND a.day < $end AND COALESCE(a.training, FALSE) = $training
GROUP BY 1
ORDER BY 1
