-- Records whose copies name different calls: a body that was sent again under its key, with other words in it.
-- Reads:  call_ids
-- Writes: split_records
-- Grain:  record, as its number, of some buckets of them
SELECT record AS id
FROM call_ids
WHERE record IS NOT NULL AND ABS(record % 4096) >= $first AND ABS(record % 4096) < $behind
GROUP BY record
HAVING MIN(id) <> MAX(id)
