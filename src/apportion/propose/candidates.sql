-- What each call says of itself, one row for each thing, for all values that a call without an owner has.
-- Reads:  asked_calls, asked_fields (place, first_field, second_field): one field, or two that must both be there.
-- Writes: call_no, place, value (of two fields: both, with a separator between them).
-- Grain:  call of asked_calls × place.
WITH said AS (
  SELECT
    c.call_no,
    c.state,
    f.place,
    CASE
      WHEN f.second_field = 0 THEN c.said[f.first_field]
      ELSE c.said[f.first_field] || chr(31) || c.said[f.second_field]
    END AS value
  FROM asked_calls AS c
  CROSS JOIN asked_fields AS f
)
SELECT call_no, place, value
FROM said AS s
WHERE
  s.value IS NOT NULL
  AND (s.place, s.value) IN (SELECT (u.place, u.value) FROM said AS u WHERE u.state = 'unknown' AND u.value IS NOT NULL)
