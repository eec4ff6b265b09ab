-- The period's invoices, each with the accounts that its money went to.
-- Reads:  invoices.
-- Writes: the columns below, by issuer and invoice.
-- Grain:  invoice.
-- Units:  billed_minor and printed_minor in the invoice's own currency, the rest in the ledger currency.
SELECT
  invoice_key, issuer, invoice_id, billing_account_id, currency, rate, billed_minor, printed_minor,
  ledger_minor, ai_minor, out_of_scope_minor, prepaid_minor, tax_account_minor, rounding_minor, status
FROM invoices
WHERE period = $period
ORDER BY issuer, invoice_key
