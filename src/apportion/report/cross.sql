-- Cost by two dimensions at once, in the nano-units that cells are kept in.
-- Reads:  allocated_charges. `a.d` and `a.e` stand for the two dimensions' columns.
-- Writes: down, across, nano (nano-units of the ledger currency).
-- Grain:  value of the one dimension × value of the other, as shown, for one period.
SELECT a.d AS down, a.e AS across, SUM(a.cost_nano) AS nano
FROM allocated_charges AS a
WHERE a.period = $period AND NOT a.owner LIKE 'pool:%'
GROUP BY 1, 2
ORDER BY 1, 2
