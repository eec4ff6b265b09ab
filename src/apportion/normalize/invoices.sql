-- Printed invoice totals, to reconcile to.
-- Reads: _aligned (the file's columns as text), _currencies (code, nano_digits).
-- Writes: the columns of invoices_printed, and for a row that is set aside its reason and detail.
-- Grain: one invoice.
-- Units: total in its own currency, 18 decimals.
SELECT
    issuer,
    invoice_id,
    billing_account_id,
    period,
    currency,
    exact_number(total) AS total,
    invoice_date,
    CASE
        WHEN invoice_id IS NOT NULL THEN keyed(issuer) || '|' || keyed(invoice_id)
        ELSE keyed(issuer) || '|' || keyed(coalesce(billing_account_id, '')) || '|' || coalesce(period, '') || '|' || currency
    END AS invoice_key,
    source,
    source_file,
    source_row,
    CASE
        WHEN number_state(total) = 'missing' THEN 'amount-missing'
        WHEN number_state(total) = 'unreadable' THEN 'number-unreadable'
        WHEN number_state(total) = 'too precise' THEN 'number-too-precise'
        WHEN number_state(total) = 'too large' THEN 'amount-too-large'
        WHEN issuer IS NULL THEN 'key-missing'
        WHEN nano_digits IS NULL THEN 'currency-unknown'
        WHEN nano_of(exact_number(total), nano_digits) IS NULL THEN 'amount-too-large'
        WHEN no_date IS NOT NULL THEN 'date-unreadable'
        WHEN period IS NULL AND invoice_id IS NULL THEN 'period-missing'
    END AS reason,
    CASE
        WHEN number_state(total) = 'missing' THEN 'total is empty'
        WHEN number_state(total) <> 'exact' THEN bad_number('total', total)
        WHEN issuer IS NULL THEN 'issuer is empty'
        WHEN nano_digits IS NULL
            THEN coalesce('currency is ''' || currency || ''', which is no ISO 4217 code', 'currency is empty')
        WHEN nano_of(exact_number(total), nano_digits) IS NULL THEN bad_number('total', total)
        WHEN no_date IS NOT NULL THEN no_date
        ELSE 'neither a period nor an invoice date is filled'
    END AS detail,
    CASE WHEN is_number(total) THEN trim(total) END AS amount_text,
    currency AS amount_currency,
    left(concat_ws(' | ', issuer, invoice_id, period, total, currency), 160) AS excerpt
FROM (
    SELECT
        filled(a.issuer) AS issuer,
        filled(a.invoice_id) AS invoice_id,
        filled(a.billing_account_id) AS billing_account_id,
        coalesce(
            CASE WHEN is_month(a.period) THEN trim(a.period) END,
            strftime(day_of(a.period, $date_form), '%Y-%m'),
            strftime(day_of(a.billing_period_start, $date_form), '%Y-%m'),
            strftime(day_of(a.invoice_date, $date_form), '%Y-%m')
        ) AS period,
        filled(a.currency) AS currency,
        a.total,
        day_of(a.invoice_date, $date_form) AS invoice_date,
        c.nano_digits,
        CASE
            WHEN no_instant(a.period, $date_form) AND NOT is_month(a.period) THEN bad_day('period', a.period)
            WHEN no_instant(a.billing_period_start, $date_form)
                THEN bad_day('billing_period_start', a.billing_period_start)
            WHEN no_instant(a.invoice_date, $date_form) THEN bad_day('invoice_date', a.invoice_date)
        END AS no_date,
        a.source,
        a.source_file,
        a.source_row
    FROM _aligned AS a
    LEFT JOIN _currencies AS c ON c.code = trim(a.currency)
)
