-- A pool's money by the values its charges carry themselves; those values win over the usage's.
-- Reads:  pool_charges, invoice_rates
-- Writes: pool_groups
-- Grain:  pool × window × category × own values
-- Units:  nano-units of the ledger currency
WITH summed AS (
  SELECT
    pool_id, invoice_key, period AS invoice_period, window_from, window_to, category,
    columns_of('dimensions'),
    CAST(SUM(effective_nano) + to_nano(SUM(effective_residue)) AS BIGINT) AS billing_nano
  FROM pool_charges
  GROUP BY pool_id, invoice_key, period, window_from, window_to, category, columns_of('dimensions')
)
SELECT
  s.pool_id,
  CAST(DENSE_RANK() OVER (PARTITION BY s.pool_id ORDER BY s.window_from, s.window_to) AS INTEGER) AS window_no,
  s.window_from, s.window_to, s.category,
  columns_of('dimensions', 's'),
  CAST(
    CASE WHEN s.billing_nano < 0 THEN -1 ELSE 1 END
    * (share_floor(ABS(s.billing_nano), r.fine_num, r.fine_den)
       + CASE WHEN 2 * share_rest(ABS(s.billing_nano), r.fine_num, r.fine_den) >= r.fine_den THEN 1 ELSE 0 END)
    AS BIGINT) AS nano
FROM summed AS s
JOIN invoice_rates AS r ON r.invoice_key = s.invoice_key AND r.period = s.invoice_period
