-- Seats that existed on one day of a period, per tool, and whether they were used in it (decision D12).
-- Reads:  seat_rows.
-- Writes: tool, seats, assigned, used, knows_activity, later (seats that came after that day), prices, price.
-- Grain:  tool. The day is the first of the period on which the tool has a seat.
-- Units:  price in the currency of the seat's price list, exact decimals.
WITH spans AS (
  SELECT
    tool, seat_id, assigned_to, price, last_active_at,
    GREATEST(CAST(valid_from AS DATE), CAST($start AS DATE)) AS since,
    valid_to
  FROM seat_rows
  WHERE valid_from < $end AND valid_to > $start
),
first_days AS (
  SELECT tool, MIN(since) AS day FROM spans GROUP BY tool
),
seats AS (
  SELECT
    s.tool,
    s.seat_id,
    MAX(CASE WHEN s.since = f.day THEN 1 ELSE 0 END) AS at_first,
    MAX(CASE WHEN s.since = f.day AND s.assigned_to IS NOT NULL THEN 1 ELSE 0 END) AS assigned,
    MAX(CASE WHEN s.last_active_at IS NOT NULL THEN 1 ELSE 0 END) AS known,
    MAX(
      CASE
        WHEN s.assigned_to IS NOT NULL AND s.last_active_at >= $active_from AND s.last_active_at < $end THEN 1
        ELSE 0
      END
    ) AS used,
    MAX(CASE WHEN s.since = f.day THEN s.price END) AS price
  FROM spans AS s
  JOIN first_days AS f ON f.tool = s.tool
  GROUP BY s.tool, s.seat_id
)
SELECT
  tool,
  SUM(at_first) AS seats,
  SUM(at_first * assigned) AS assigned,
  SUM(at_first * used) AS used,
  MAX(known) AS knows_activity,
  SUM(1 - at_first) AS later,
  SUM(CASE WHEN at_first = 1 AND price IS NOT NULL THEN 1 ELSE 0 END) AS prices,
  SUM(CASE WHEN at_first = 1 THEN price END) AS price
FROM seats
GROUP BY tool
ORDER BY tool
