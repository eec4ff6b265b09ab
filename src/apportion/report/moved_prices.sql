-- The tokens and the list cost of each day and each price: what list prices are read off.
-- Reads:  usage_cells.
-- Writes: provider, model, service_tier, processing, region, speed, context_bracket, price_id, calls, tokens of each
--         kind, list_cost_picos.
-- Grain:  day × everything that a price depends on, over the days of two periods (end out), priced calls alone.
-- Units:  list cost in pico-units of the price list's currency.
SELECT
  COALESCE(a.provider, '') AS provider,
  COALESCE(a.model, '') AS model,
  COALESCE(a.service_tier, '') AS service_tier,
  COALESCE(a.processing, '') AS processing,
  COALESCE(a.region, '') AS region,
  COALESCE(a.speed, '') AS speed,
  COALESCE(CAST(a.context_bracket AS VARCHAR), '') AS context_bracket,
  COALESCE(a.price_id, '') AS price_id,
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
WHERE a.day >= $earliest AND a.day < $end AND a.price_state <> 'unpriced'
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, a.day
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, a.day
