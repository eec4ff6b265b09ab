-- People of the dated roster as weights: a person counts for each day they belong to a team (joining counts,
-- leaving does not), or on the last day of the window only where the policy says month_end.
-- Reads:  headcount_pools, pool_windows, roster_owners, calendar
-- Writes: headcount_weights
-- Grain:  pool × window × owner
-- Units:  person-days, or persons under month_end
SELECT w.pool_id, w.window_no, w.window_from AS day, r.owner, COUNT(*) AS weight
FROM headcount_pools AS p
JOIN pool_windows AS w ON w.pool_id = p.pool_id
JOIN calendar AS d
  ON d.day >= w.window_from AND d.day < w.window_to
  AND (p.policy = 'day_weighted' OR d.day = w.window_to - INTERVAL 1 DAY)
JOIN roster_owners AS r ON r.roster = p.roster AND r.valid_from <= d.day AND d.day < r.valid_to
GROUP BY w.pool_id, w.window_no, w.window_from, r.owner
