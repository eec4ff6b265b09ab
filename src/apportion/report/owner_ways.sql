-- In which ways the owner of each pool's cells was found, with the cells' money.
-- Reads:  allocated_charges, pools, dimension_ways. A seat has the team of its person, whatever the ways are.
--         `a.d` stands for the owner as shown, `a.d_via` for the way of it.
-- Writes: pool_id, owner, layer, via, evidence (as the project names it, NULL where no way led to the owner), nano.
-- Grain:  pool × owner as shown × layer × way, for one period.
-- Units:  nano-units of the ledger currency.
SELECT
  a.pool_id AS pool_id, a.d AS owner, a.layer AS layer, a.d_via AS via,
  CASE WHEN p.method = 'seats' THEN 'the team of the seat''s person' ELSE w.evidence END AS evidence,
  SUM(a.cost_nano) AS nano
FROM allocated_charges AS a
JOIN pools AS p ON p.pool_id = a.pool_id
LEFT JOIN dimension_ways AS w ON w.dimension = $dimension AND w.via = a.d_via
WHERE a.period = $period AND NOT a.owner LIKE 'pool:%'
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, ABS(SUM(a.cost_nano)) DESC, 4
