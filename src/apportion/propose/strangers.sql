-- The novelty guard: how many calls without an owner come from people who were never seen in calls with one.
-- Reads:  asked_calls, candidates.
-- Writes: place, value, named (unowned calls that carry a person), strangers (of those, of people never seen in
--         owned calls with the value), nameless (unowned calls that carry no person), owned_nameless (owned calls
--         that carry none).
-- Grain:  place × value.
WITH seen AS (
  SELECT DISTINCT k.place, k.value, c.person
  FROM candidates AS k
  INNER JOIN asked_calls AS c ON c.call_no = k.call_no
  WHERE c.state = 'known' AND c.person <> ''
)
SELECT
  k.place,
  k.value,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown' AND c.person <> ''), 0) AS BIGINT) AS named,
  CAST(
    COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown' AND c.person <> '' AND s.person IS NULL), 0) AS BIGINT
  ) AS strangers,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'unknown' AND c.person = ''), 0) AS BIGINT) AS nameless,
  CAST(COALESCE(SUM(c.calls) FILTER (WHERE c.state = 'known' AND c.person = ''), 0) AS BIGINT) AS owned_nameless
FROM candidates AS k
INNER JOIN asked_calls AS c ON c.call_no = k.call_no
LEFT JOIN seen AS s ON s.place = k.place AND s.value = k.value AND s.person = c.person
GROUP BY k.place, k.value
ORDER BY k.place, k.value
