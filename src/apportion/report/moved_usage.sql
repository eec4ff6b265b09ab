-- The calls of two periods by everything that a change of their cost can come from.
-- Reads:  usage_cells. `a.d` stands for the value, `a.e` for the line of work, such as the feature.
-- Writes: value, line, provider, model, model_key, operation, service_tier, processing, region, speed,
--         context_bracket, price_id, now (0 or 1), unpriced_calls, calls, tokens of each kind, list_cost_picos.
-- Grain:  value as shown × line × provider × model × operation × way of processing × price × period, for the values
--         and lines of $kept (both in one text, parted by the character 31), over the days of two periods (end out).
-- Units:  list cost in pico-units of the price list's currency.
SELECT
  a.d AS value,
  a.e AS line,
  COALESCE(a.provider, '') AS provider,
  COALESCE(a.model, '') AS model,
  COALESCE(a.model_key, '') AS model_key,
  COALESCE(a.operation, '') AS operation,
  COALESCE(a.service_tier, '') AS service_tier,
  COALESCE(a.processing, '') AS processing,
  COALESCE(a.region, '') AS region,
  COALESCE(a.speed, '') AS speed,
  COALESCE(CAST(a.context_bracket AS VARCHAR), '') AS context_bracket,
  COALESCE(a.price_id, '') AS price_id,
  CASE WHEN a.day >= $start THEN 1 ELSE 0 END AS now,
  SUM(CASE WHEN a.price_state = 'unpriced' THEN a.calls ELSE 0 END) AS unpriced_calls,
  SUM(a.calls) AS calls,
  SUM(COALESCE(a.uncached_input_tokens, 0)) AS uncached_input_tokens,
  SUM(COALESCE(a.cache_read_tokens, 0)) AS cache_read_tokens,
  SUM(COALESCE(a.cache_write_5m_tokens, 0)) AS cache_write_5m_tokens,
  SUM(COALESCE(a.cache_write_1h_tokens, 0)) AS cache_write_1h_tokens,
  SUM(COALESCE(a.cache_write_other_tokens, 0)) AS cache_write_other_tokens,
  SUM(COALESCE(a.tool_prompt_tokens, 0)) AS tool_prompt_tokens,
  SUM(COALESCE(a.output_tokens, 0)) AS output_tokens,
  SUM(COALESCE(a.list_cost_picos, 0)) AS list_cost_picos
FROM usage_cells AS a
WHERE a.day >= $earliest AND a.day < $end
  AND CONCAT(a.d, CHR(31), a.e) IN (SELECT UNNEST(CAST($kept AS VARCHAR[])))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
