-- Ids that name no single call: one way measured different numbers of tokens under them, more than an hour apart.
-- Reads:  call_attempts
-- Writes: shared_ids
-- Grain:  call id
SELECT DISTINCT id, call
FROM (
  SELECT id, call
  FROM call_attempts
  WHERE doubt = 0 AND log_record <> '' AND id IN (
    -- By numbers alone first, which is quick, and finds none as a rule.
    SELECT id
    FROM call_attempts
    WHERE doubt = 0 AND log_record <> ''
    GROUP BY id, via_rank
    HAVING COUNT(*) > 1 AND MIN(used) <> MAX(used) AND MIN(record) <> MAX(record)
  )
  GROUP BY id, call, via
  HAVING MIN(used) <> MAX(used) AND MIN(log_record) <> MAX(log_record)
    AND MAX(called_at) > MIN(called_at) + INTERVAL 1 HOUR
) AS found
