-- Rates into the ledger currency.
-- Reads: _aligned (the file's columns as text), _currencies (code, nano_digits).
-- Writes: the columns of fx_rates, and for a row that is set aside its reason and detail.
-- Grain: one currency for one span of days; valid_from in, valid_to out.
-- Units: rate in ledger units per foreign unit, 9 decimals.
SELECT
    currency,
    strftime(valid_from, '%Y-%m') AS period,
    valid_from,
    valid_to,
    TRY_CAST(exact_number(rate) AS DECIMAL(18, 9)) AS rate,
    policy,
    source,
    source_file,
    source_row,
    CASE
        WHEN number_state(rate) = 'missing' THEN 'amount-missing'
        WHEN number_state(rate) = 'unreadable' THEN 'number-unreadable'
        WHEN decimals_of(rate) > 9 THEN 'number-too-precise'
        WHEN TRY_CAST(exact_number(rate) AS DECIMAL(18, 9)) IS NULL THEN 'amount-too-large'
        WHEN exact_number(rate) <= 0 THEN 'negative-weight'
        WHEN nano_digits IS NULL THEN 'currency-unknown'
        WHEN policy IS NOT NULL AND policy NOT IN ('month_average', 'invoice_date') THEN 'policy-unknown'
        WHEN no_date IS NOT NULL THEN 'date-unreadable'
        WHEN valid_from IS NULL THEN 'period-missing'
        WHEN valid_to <= valid_from THEN 'period-reversed'
    END AS reason,
    CASE
        WHEN number_state(rate) = 'missing' THEN 'rate is empty'
        WHEN number_state(rate) = 'exact' AND decimals_of(rate) > 9
            THEN 'rate is ' || trim(rate) || ', with more than 9 decimals'
        WHEN number_state(rate) <> 'exact' OR exact_number(rate) <= 0
            OR TRY_CAST(exact_number(rate) AS DECIMAL(18, 9)) IS NULL THEN bad_number('rate', rate)
        WHEN nano_digits IS NULL
            THEN coalesce('currency is ''' || currency || ''', which is no ISO 4217 code', 'currency is empty')
        WHEN policy IS NOT NULL AND policy NOT IN ('month_average', 'invoice_date')
            THEN 'policy is ''' || policy || ''', which is neither month_average nor invoice_date'
        WHEN no_date IS NOT NULL THEN no_date
        WHEN valid_from IS NULL THEN 'neither period nor valid_from is filled'
        ELSE no_span(CAST(valid_from AS VARCHAR), CAST(valid_to AS VARCHAR))
    END AS detail,
    CAST(NULL AS VARCHAR) AS amount_text,
    CAST(NULL AS VARCHAR) AS amount_currency,
    left(concat_ws(' | ', currency, period_text, valid_from, rate), 160) AS excerpt
FROM (
    SELECT
        filled(a.currency) AS currency,
        a.period AS period_text,
        CASE
            WHEN is_month(a.period) THEN CAST(trim(a.period) || '-01' AS DATE)
            WHEN is_month(a.valid_from) THEN CAST(trim(a.valid_from) || '-01' AS DATE)
            ELSE coalesce(day_of(a.valid_from, $date_form), day_of(a.period, $date_form))
        END AS valid_from,
        CASE
            WHEN is_month(a.period) THEN next_month(a.period)
            WHEN is_month(a.valid_from) THEN next_month(a.valid_from)
            ELSE coalesce(
                day_of(a.valid_to, $date_form),
                day_of(a.last_day, $date_form) + 1,
                day_of(a.valid_from, $date_form) + 1,
                day_of(a.period, $date_form) + 1
            )
        END AS valid_to,
        a.rate,
        replace(lower(filled(a.policy)), ' ', '_') AS policy,
        c.nano_digits,
        CASE
            WHEN no_instant(a.period, $date_form) AND NOT is_month(a.period) THEN bad_day('period', a.period)
            WHEN no_instant(a.valid_from, $date_form) AND NOT is_month(a.valid_from)
                THEN bad_day('valid_from', a.valid_from)
            WHEN no_instant(a.valid_to, $date_form) THEN bad_day('valid_to', a.valid_to)
            WHEN no_instant(a.last_day, $date_form) THEN bad_day('last_day', a.last_day)
        END AS no_date,
        a.source,
        a.source_file,
        a.source_row
    FROM _aligned AS a
    LEFT JOIN _currencies AS c ON c.code = trim(a.currency)
)
