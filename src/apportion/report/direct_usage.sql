-- What an owner's own calls were, by provider and model: the evidence behind direct amounts.
-- Reads:  usage_cells, dimension_ways. `a.d` and `a.d_via` stand for the owner dimension's columns.
-- Writes: provider, model, calls, input_tokens, cached_tokens, output_tokens, list_cost_picos, unpriced_calls.
-- Grain:  provider × model, for one owner, over the days of one period (end out).
-- Units:  list cost in pico-units of the price list's currency.
SELECT
  a.provider,
  a.model,
  SUM(a.calls) AS calls,
  SUM(
    COALESCE(a.uncached_input_tokens, 0) + COALESCE(a.cache_read_tokens, 0)
      + COALESCE(a.cache_write_5m_tokens, 0) + COALESCE(a.cache_write_1h_tokens, 0)
      + COALESCE(a.cache_write_other_tokens, 0) + COALESCE(a.tool_prompt_tokens, 0)
  ) AS input_tokens,
  SUM(COALESCE(a.cache_read_tokens, 0)) AS cached_tokens,
  SUM(COALESCE(a.output_tokens, 0)) AS output_tokens,
  SUM(COALESCE(a.list_cost_picos, 0)) AS list_cost_picos,
  SUM(CASE WHEN a.price_state = 'unpriced' THEN a.calls ELSE 0 END) AS unpriced_calls
FROM usage_cells AS a
JOIN dimension_ways AS w ON w.dimension = $dimension AND w.via = a.d_via AND w.layer = 'direct'
WHERE a.day >= $start AND a.day < $end AND a.d = $value
GROUP BY 1, 2
ORDER BY 1, 2
