-- What an invoice's cents are apportioned over: its pools, what is not AI, and what is prepaid.
-- Reads:  pool_groups, pool_sums, invoice_sums, ledger
-- Writes: parts
-- Grain:  invoice × part
-- Units:  nano-units of the ledger currency
SELECT s.invoice_key AS group_key, CONCAT('pool:', g.pool_id) AS part_key, CAST(SUM(g.nano) AS BIGINT) AS fine
FROM pool_groups AS g
JOIN pool_sums AS s ON s.pool_id = g.pool_id
CROSS JOIN ledger AS l
WHERE s.invoice_period = l.period
GROUP BY s.invoice_key, g.pool_id
UNION ALL
SELECT
  invoice_key, 'out_of_scope',
  CAST(CASE WHEN out_of_scope_nano < 0 THEN -1 ELSE 1 END * share_floor(ABS(out_of_scope_nano), fine_num, fine_den) AS BIGINT)
FROM invoice_sums
WHERE fine_num IS NOT NULL
UNION ALL
SELECT
  invoice_key, 'prepaid',
  CAST(CASE WHEN prepaid_nano < 0 THEN -1 ELSE 1 END * share_floor(ABS(prepaid_nano), fine_num, fine_den) AS BIGINT)
FROM invoice_sums
WHERE fine_num IS NOT NULL
