-- The attempts that one call id stands under, in the order in which they are preferred.
-- Reads:  candidates
-- Writes: call_attempts; one attempt is a record in one file with one state, or all rows of a source of another form;
--         `copied` where it has more rows than parts
-- Grain:  call, attempt; calls of some buckets
-- Units:  tokens
-- Law:    L7: measured before estimated before missing, then who tells more, then the way, the order of the sources,
--         the record and the file
SELECT
  *,
  ROW_NUMBER() OVER (
    PARTITION BY id, call ORDER BY doubt, told DESC, via_rank, source_no, log_record, attempt
  ) AS place
FROM (
  SELECT
    id, call, source_no, attempt, record, doubt,
    MIN(via) AS via,
    MIN(via_rank) AS via_rank,
    COALESCE(MIN(log_record), '') AS log_record,
    COUNT(*) > MAX(part) AS copied,
    CAST(CASE WHEN COUNT(*) > MAX(part) THEN MAX(kinds) * MAX(part) ELSE SUM(kinds) END AS BIGINT) AS told,
    CAST(CASE WHEN COUNT(*) > MAX(part) THEN MAX(tokens) * MAX(part) ELSE SUM(tokens) END AS BIGINT) AS used,
    MIN(called_at) AS called_at
  FROM candidates
  WHERE bucket >= $first AND bucket < $behind
  GROUP BY id, call, source_no, attempt, record, doubt
) AS attempts
