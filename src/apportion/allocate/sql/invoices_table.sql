-- Every invoice with the bridge from what it bills to what owners get.
-- Reads:  invoice_sums, invoice_cents, pools, tax_account, invoices_printed_minor, ledger
-- Writes: invoices
-- Grain:  invoice
-- Units:  billed_minor and printed_minor in the billing currency, all others in the ledger currency
-- Law:    L1: ledger_minor = ai_minor + out_of_scope_minor + prepaid_minor + tax_account_minor
WITH placed AS (
  SELECT invoice_key, CAST(SUM(amount_minor) AS BIGINT) AS ai_minor, MIN(status) AS status
  FROM pools
  GROUP BY invoice_key
),
kept AS (
  SELECT invoice_key, CAST(SUM(amount_minor) AS BIGINT) AS tax_account_minor FROM tax_account GROUP BY invoice_key
),
cut AS (
  SELECT
    group_key AS invoice_key,
    CAST(SUM(CASE WHEN part_key = 'out_of_scope' THEN minor ELSE 0 END) AS BIGINT) AS out_of_scope_minor,
    CAST(SUM(CASE WHEN part_key = 'prepaid' THEN minor ELSE 0 END) AS BIGINT) AS prepaid_minor
  FROM invoice_cents
  GROUP BY group_key
),
billed AS (
  SELECT
    s.invoice_key, l.period, s.issuer, s.invoice_id, s.billing_account_id, s.currency, s.rate, s.charges,
    s.billed_minor, s.ledger_minor,
    CAST(COALESCE(p.ai_minor, 0) AS BIGINT) AS ai_minor,
    COALESCE(c.out_of_scope_minor, 0) AS out_of_scope_minor,
    COALESCE(c.prepaid_minor, 0) AS prepaid_minor,
    COALESCE(k.tax_account_minor, 0) AS tax_account_minor,
    r.printed_minor,
    CAST(COALESCE(r.printed_ledger_minor - s.ledger_minor, 0) AS BIGINT) AS rounding_minor,
    CASE WHEN s.ledger_minor IS NULL THEN 'not converted' ELSE 'final' END AS status
  FROM invoice_sums AS s
  CROSS JOIN ledger AS l
  LEFT JOIN placed AS p ON p.invoice_key = s.invoice_key
  LEFT JOIN kept AS k ON k.invoice_key = s.invoice_key
  LEFT JOIN cut AS c ON c.invoice_key = s.invoice_key
  LEFT JOIN invoices_printed_minor AS r ON r.invoice_key = s.invoice_key
)
SELECT * FROM billed
UNION ALL
SELECT
  p.invoice_key, l.period, NULL, NULL, NULL, l.currency, NULL, 0,
  CAST(0 AS BIGINT), CAST(0 AS BIGINT), p.ai_minor,
  CAST(0 AS BIGINT), CAST(-p.ai_minor AS BIGINT), CAST(0 AS BIGINT),
  NULL, CAST(0 AS BIGINT), 'released from prepaid'
FROM placed AS p
CROSS JOIN ledger AS l
WHERE p.status = 'final' AND NOT EXISTS (SELECT 1 FROM billed AS b WHERE b.invoice_key = p.invoice_key)
