-- Ids that more rows have than a call has parts.
-- Reads:  call_ids
-- Writes: repeated_ids
-- Grain:  id, of some buckets of them
SELECT id
FROM call_ids
WHERE bucket >= $first AND bucket < $behind
GROUP BY id
HAVING COUNT(*) > MAX(part)
