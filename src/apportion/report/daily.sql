-- Cost per day and owner, in the nano-units that cells are kept in.
-- Reads:  allocated_charges. `a.d` stands for the owner.
-- Writes: day, owner (as shown), nano (nano-units of the ledger currency).
-- Grain:  day × owner as shown, for one period.
SELECT a.day AS day, a.d AS owner, SUM(a.cost_nano) AS nano
FROM allocated_charges AS a
WHERE a.period = $period AND NOT a.owner LIKE 'pool:%'
GROUP BY 1, 2
ORDER BY 1, 2
