-- Which rows of a call are kept: those of one attempt, all of its parts, once.
-- Reads:  candidates, call_attempts, shared_ids
-- Writes: decided_calls; `rank` orders who else may say whose the call is
-- Grain:  row; calls of some buckets
-- Law:    L7: of all attempts the first; under an id that names no single call, the first of each record
WITH rows_here AS (
  SELECT * FROM candidates WHERE bucket >= $first AND bucket < $behind
),
shared_attempts AS (
  SELECT
    a.id, a.call, a.source_no, a.attempt, a.record, a.doubt,
    ROW_NUMBER() OVER (
      PARTITION BY a.id, a.call, a.log_record, CASE WHEN a.log_record = '' THEN a.source_no ELSE 0 END ORDER BY a.place
    ) AS place
  FROM call_attempts AS a
  JOIN shared_ids AS s ON s.id = a.id AND s.call = a.call
),
chosen AS (
  SELECT
    a.id, a.call, a.source_no, a.attempt, a.record, a.doubt, a.copied,
    s.place IS NOT NULL AS shared,
    COALESCE(s.place, a.place) = 1 AS wins
  FROM call_attempts AS a
  LEFT JOIN shared_attempts AS s
    ON s.id = a.id AND s.call = a.call AND s.source_no = a.source_no AND s.attempt = a.attempt
    AND s.record = a.record AND s.doubt = a.doubt
),
first_copies AS (
  SELECT r.source_no, MIN(r.line) AS line
  FROM rows_here AS r
  JOIN chosen AS c
    ON c.id = r.id AND c.call = r.call AND c.source_no = r.source_no AND c.attempt = r.attempt
    AND c.record = r.record AND c.doubt = r.doubt AND c.copied AND c.wins
  GROUP BY r.id, r.call, r.source_no, r.attempt, r.record, r.doubt, r.part
)
SELECT
  r.slice_no, r.source_no, r.via, r.id, r.call, r.provider, r.source_file, r.source_row, r.tokens,
  CAST(1000000 + r.doubt * 100000 + r.via_rank * 10000 + r.source_no AS VARCHAR) AS rank,
  c.shared,
  c.wins AND (NOT c.copied OR f.line IS NOT NULL) AS kept,
  columns_of('evidence', 'r')
FROM rows_here AS r
JOIN chosen AS c
  ON c.id = r.id AND c.call = r.call AND c.source_no = r.source_no AND c.attempt = r.attempt
  AND c.record = r.record AND c.doubt = r.doubt
LEFT JOIN first_copies AS f ON f.source_no = r.source_no AND f.line = r.line
