-- How each day's calls were: the day on which something changed is seen here.
-- Reads:  usage_cells. `a.d` stands for the value, `a.e` for the line of work, such as the feature.
-- Writes: value, line, provider, model_key, day, calls, input_tokens, cached_tokens.
-- Grain:  value as shown × line × provider × model × day, for the values and lines of $kept, over the days of one
--         period (end out).
SELECT
  a.d AS value,
  a.e AS line,
  COALESCE(a.provider, '') AS provider,
  COALESCE(NULLIF(a.model_key, ''), a.model, '') AS model_key,
  a.day AS day,
  SUM(a.calls) AS calls,
  SUM(
    COALESCE(a.uncached_input_tokens, 0) + COALESCE(a.cache_read_tokens, 0)
      + COALESCE(a.cache_write_5m_tokens, 0) + COALESCE(a.cache_write_1h_tokens, 0)
      + COALESCE(a.cache_write_other_tokens, 0) + COALESCE(a.tool_prompt_tokens, 0)
  ) AS input_tokens,
  SUM(COALESCE(a.cache_read_tokens, 0)) AS cached_tokens
FROM usage_cells AS a
WHERE a.day >= $start AND a.day < $end
  AND CONCAT(a.d, CHR(31), a.e) IN (SELECT UNNEST(CAST($kept AS VARCHAR[])))
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
