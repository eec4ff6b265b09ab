-- The ids of the calls of a slice, as numbers that tell nearly all of them apart.
-- Reads:  calls_of_slice (canonical usage columns, fault)
-- Writes: call_ids_of_slice; `record` where a sender could send a record again with another call in it, else NULL
-- Grain:  row that names its call and has no fault
-- Law:    L7: equal numbers only find candidates; their texts decide
SELECT
  CAST($slice_no AS INTEGER) AS slice_no,
  CAST(ABS(id % 4096) AS SMALLINT) AS bucket,
  id,
  part,
  record
FROM (
  SELECT
    text_hash(provider || '|' || CASE
      WHEN log_part > 1 AND call_id LIKE ('%#' || CAST(log_part AS VARCHAR))
        THEN SUBSTRING(call_id, 1, LENGTH(call_id) - LENGTH(CAST(log_part AS VARCHAR)) - 1)
      ELSE call_id
    END) AS id,
    COALESCE(log_part, 1) AS part,
    CASE WHEN log_via = 'rows' AND log_record IS NOT NULL THEN text_hash(log_record) END AS record
  FROM calls_of_slice
  WHERE call_id IS NOT NULL AND fault IS NULL
) AS named
