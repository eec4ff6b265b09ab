-- The rows of a slice whose call, or record, may stand somewhere else too, with what decides between them.
-- Reads:  calls_of_slice (canonical usage columns, fault), call_files, repeated_rows (slice_no, id)
-- Writes: candidates_of_slice; `doubt` is 0 measured, 1 estimated, 2 missing; `kinds` is how much the row tells; `line`
--         is its place in its source; `attempt` is the file of the usage log it is from, else 0
-- Grain:  row
-- Units:  tokens
-- Law:    L5: everything that decides is in the rows themselves, so that their order never does
SELECT
  CAST($slice_no AS INTEGER) AS slice_no,
  CAST($source_no AS INTEGER) AS source_no,
  CAST(ABS(id % 4096) AS SMALLINT) AS bucket,
  id,
  call,
  provider,
  log_record,
  CASE WHEN log_record IS NOT NULL THEN text_hash(log_record) ELSE text_hash('') END AS record,
  CASE WHEN log_record IS NOT NULL THEN file_no ELSE 0 END AS attempt,
  CAST(COALESCE(log_part, 1) AS BIGINT) AS part,
  CASE log_state WHEN 'estimated' THEN 1 WHEN 'missing' THEN 2 ELSE 0 END AS doubt,
  COALESCE(log_via, '') AS via,
  CASE log_via
    WHEN 'gateway' THEN 1 WHEN 'capture' THEN 2 WHEN 'litellm' THEN 3 WHEN 'otlp' THEN 4 WHEN 'rows' THEN 5 ELSE 6
  END AS via_rank,
  CASE WHEN uncached_input_tokens > 0 THEN 1 ELSE 0 END + CASE WHEN cache_read_tokens > 0 THEN 1 ELSE 0 END
  + CASE WHEN cache_write_5m_tokens > 0 THEN 1 ELSE 0 END + CASE WHEN cache_write_1h_tokens > 0 THEN 1 ELSE 0 END
  + CASE WHEN cache_write_other_tokens > 0 THEN 1 ELSE 0 END + CASE WHEN tool_prompt_tokens > 0 THEN 1 ELSE 0 END
  + CASE WHEN output_tokens > 0 THEN 1 ELSE 0 END + CASE WHEN model IS NOT NULL THEN 1 ELSE 0 END
  + CASE WHEN service_tier IS NOT NULL THEN 1 ELSE 0 END AS kinds,
  uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + cache_write_other_tokens
  + tool_prompt_tokens + output_tokens AS tokens,
  called_at,
  source_file,
  source_row,
  CAST(file_no AS BIGINT) * 1000000000000 + source_row AS line,
  columns_of('evidence')
FROM (
  SELECT
    *,
    CASE WHEN call IS NOT NULL THEN text_hash(call) END AS id
  FROM (
    SELECT
      *,
      CASE
        WHEN $by_record THEN log_record
        WHEN log_part > 1 AND call_id LIKE ('%#' || CAST(log_part AS VARCHAR))
          THEN provider || '|' || SUBSTRING(call_id, 1, LENGTH(call_id) - LENGTH(CAST(log_part AS VARCHAR)) - 1)
        ELSE provider || '|' || call_id
      END AS call
    FROM calls_of_slice
    WHERE call_id IS NOT NULL AND fault IS NULL
  ) AS named
) AS numbered
JOIN call_files ON call_files.of_source = $source_no AND call_files.file = numbered.source_file
WHERE id IN (SELECT id FROM repeated_rows WHERE slice_no = $slice_no)
