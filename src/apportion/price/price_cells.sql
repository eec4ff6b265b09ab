-- The list cost of every cell.
--
-- Reads   cells       usage cells with calls and tokens per bucket (BIGINT)
--         price_rows  list prices by context and days, picos (10^-12 USD) per token and per request (BIGINT)
-- Writes  nothing: it yields the cells with list_cost_picos DECIMAL(38,0), price_state, price_id, price_reason
-- Grain   that of the cells
-- Law     L3: a cell is unpriced where its context has no price, or where a bucket that it has tokens in has
--         none; its cost is then missing, never 0. A BIGINT times a BIGINT fits 38 digits, and the sum of
--         eight of them does while a price is below 1,000,000 USD per million tokens.
SELECT
  rated.* EXCLUDE (missing, picos, found_state, found_id, found_reason, found_label),
  CASE WHEN found_state = 'priced' AND missing IS NULL THEN picos END AS list_cost_picos,
  CASE WHEN found_state = 'priced' AND missing IS NULL THEN 'priced' ELSE 'unpriced' END AS price_state,
  CASE WHEN found_state = 'priced' AND missing IS NULL THEN found_id END AS price_id,
  CASE
    WHEN found_state IS NULL THEN 'no price was looked up'
    WHEN found_state <> 'priced' THEN found_reason
    WHEN missing IS NOT NULL THEN 'no price for ' || missing || ' tokens of ' || found_label
  END AS price_reason
FROM (
  SELECT
    cells.*,
    price_rows.state AS found_state,
    price_rows.price_id AS found_id,
    price_rows.reason AS found_reason,
    price_rows.label AS found_label,
    CASE
      WHEN uncached_input_tokens <> 0 AND uncached_input_picos IS NULL THEN 'input'
      WHEN cache_read_tokens <> 0 AND cache_read_picos IS NULL THEN 'cache read'
      WHEN cache_write_5m_tokens <> 0 AND cache_write_5m_picos IS NULL THEN 'cache write (5 m)'
      WHEN cache_write_1h_tokens <> 0 AND cache_write_1h_picos IS NULL THEN 'cache write (1 h)'
      WHEN cache_write_other_tokens <> 0 AND cache_write_other_picos IS NULL THEN 'cache write'
      WHEN tool_prompt_tokens <> 0 AND tool_prompt_picos IS NULL THEN 'tool prompt'
      WHEN output_tokens <> 0 AND output_picos IS NULL THEN 'output'
    END AS missing,
    CAST(calls AS DECIMAL(19, 0)) * CAST(request_picos AS DECIMAL(19, 0))
    + CAST(uncached_input_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(uncached_input_picos, 0) AS DECIMAL(19, 0))
    + CAST(cache_read_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(cache_read_picos, 0) AS DECIMAL(19, 0))
    + CAST(cache_write_5m_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(cache_write_5m_picos, 0) AS DECIMAL(19, 0))
    + CAST(cache_write_1h_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(cache_write_1h_picos, 0) AS DECIMAL(19, 0))
    + CAST(cache_write_other_tokens AS DECIMAL(19, 0))
      * CAST(COALESCE(cache_write_other_picos, 0) AS DECIMAL(19, 0))
    + CAST(tool_prompt_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(tool_prompt_picos, 0) AS DECIMAL(19, 0))
    + CAST(output_tokens AS DECIMAL(19, 0)) * CAST(COALESCE(output_picos, 0) AS DECIMAL(19, 0)) AS picos
  FROM cells
  LEFT JOIN price_rows
    ON price_rows.provider IS NOT DISTINCT FROM cells.provider
    AND price_rows.model IS NOT DISTINCT FROM cells.model
    AND price_rows.service_tier IS NOT DISTINCT FROM cells.service_tier
    AND price_rows.processing IS NOT DISTINCT FROM cells.processing
    AND price_rows.region IS NOT DISTINCT FROM cells.region
    AND price_rows.speed IS NOT DISTINCT FROM cells.speed
    AND price_rows.context_bracket = cells.context_bracket
    AND price_rows.day_from <= cells.day
    AND price_rows.day_to > cells.day
) AS rated
