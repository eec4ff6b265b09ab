-- Each invoice of the period: its rows summed, converted once, and cut into AI, not AI and prepaid.
-- Reads:  charges_all, invoice_rates, ledger, currencies
-- Writes: invoice_sums
-- Grain:  invoice
-- Units:  minor units of the billing currency (billed_minor) and of the ledger (ledger_minor); nano for the parts
-- Law:    L1, D2: billed = effective in scope + out of scope + prepaid
WITH summed AS (
  SELECT
    c.invoice_key, c.period,
    MIN(c.invoice_issuer_name) AS issuer,
    MIN(c.invoice_id) AS invoice_id,
    MIN(c.billing_account_id) AS billing_account_id,
    MIN(c.billing_currency) AS currency,
    COUNT(*) AS charges,
    SUM(c.billed_cost) AS billed,
    SUM(CASE WHEN c.scope = 'ai' THEN COALESCE(c.billed_cost, 0) - COALESCE(c.effective_cost, 0) ELSE 0 END) AS prepaid,
    SUM(CASE WHEN c.scope = 'ai' THEN 0 ELSE COALESCE(c.billed_cost, 0) END) AS out_of_scope
  FROM charges_all AS c
  CROSS JOIN ledger AS l
  WHERE c.period = l.period
  GROUP BY c.invoice_key, c.period
),
fine AS (
  SELECT
    s.*, u.nano_per_minor, r.rate, r.fine_num, r.fine_den, r.minor_num, r.minor_den,
    half_up_div(to_nano(s.billed * u.scale), u.nano_per_minor) AS billed_minor,
    to_nano(s.prepaid * u.scale) AS prepaid_nano,
    to_nano(s.out_of_scope * u.scale) AS out_of_scope_nano
  FROM summed AS s
  JOIN currencies AS u ON u.currency = s.currency
  LEFT JOIN invoice_rates AS r ON r.invoice_key = s.invoice_key AND r.period = s.period
)
SELECT
  f.*,
  CASE WHEN f.fine_num IS NULL THEN NULL ELSE CAST(
    CASE WHEN f.billed_minor < 0 THEN -1 ELSE 1 END
    * (share_floor(ABS(f.billed_minor), f.minor_num, f.minor_den)
       + CASE WHEN 2 * share_rest(ABS(f.billed_minor), f.minor_num, f.minor_den) >= f.minor_den THEN 1 ELSE 0 END)
    AS BIGINT) END AS ledger_minor
FROM fine AS f
