-- The rows of one bill: typed, keyed, and told apart from those that cannot be read.
-- Reads: _told (the file's columns as text, with provider, model and issuer), _currencies (code, nano_digits).
-- Writes: the columns of charges, and for a row that is set aside its reason and detail.
-- Grain: one bill row.
-- Units: costs in the billing currency with 18 decimals, further digits rounded half up; *_nano in nano-units, 9
-- decimals or 6 where the currency has no minor unit (D10), the magnitude truncated; effective_residue keeps the
-- digits below (D11).
WITH timed AS (
    SELECT
        a.*,
        c.nano_digits,
        instant_of(a.billing_period_start, $date_form) AS bill_start_at,
        instant_of(a.billing_period_end, $date_form) AS bill_end_at,
        instant_of(a.charge_period_start, $date_form) AS charge_start_at,
        instant_of(a.charge_period_end, $date_form) AS charge_end_at,
        cost_state(a.billed_cost) AS billed_state,
        cost_state(a.effective_cost) AS effective_state,
        cost_state(a.list_cost) AS list_state,
        cost_state(a.contracted_cost) AS contracted_state,
        exact_number(a.billed_cost) AS billed_exact,
        exact_number(coalesce(filled(a.effective_cost), a.billed_cost)) AS effective_exact
    FROM _told AS a
    LEFT JOIN _currencies AS c ON c.code = trim(a.billing_currency)
),

-- A missing billing period is the month of the charge, a missing charge period the billing period (D1).
dated AS (
    SELECT
        *,
        coalesce(bill_start_at, date_trunc('month', charge_start_at)) AS billing_period_start_at,
        coalesce(
            bill_end_at, date_trunc('month', coalesce(bill_start_at, charge_start_at)) + INTERVAL 1 MONTH
        ) AS billing_period_end_at,
        coalesce(charge_start_at, bill_start_at) AS charge_period_start_at,
        CASE
            -- Some exports give a day's charge the same day as its start and its end.
            WHEN charge_start_at IS NOT NULL AND (charge_end_at IS NULL OR charge_end_at = charge_start_at)
                THEN charge_start_at + INTERVAL 1 DAY
            ELSE coalesce(charge_end_at, bill_end_at, date_trunc('month', bill_start_at) + INTERVAL 1 MONTH)
        END AS charge_period_end_at,
        CASE WHEN nano_digits IS NOT NULL THEN nano_of(billed_exact, nano_digits) END AS billed_nano,
        CASE WHEN nano_digits IS NOT NULL THEN nano_of(effective_exact, nano_digits) END AS effective_nano
    FROM timed
),

judged AS (
    SELECT
        *,
        CASE
            WHEN billed_state IN ('unreadable', 'too large') THEN 'billed_cost'
            WHEN effective_state IN ('unreadable', 'too large') THEN 'effective_cost'
            WHEN list_state IN ('unreadable', 'too large') THEN 'list_cost'
            WHEN contracted_state IN ('unreadable', 'too large') THEN 'contracted_cost'
            WHEN nano_digits IS NOT NULL AND billed_state <> 'missing' AND billed_nano IS NULL THEN 'billed_cost'
            WHEN nano_digits IS NOT NULL AND effective_state <> 'missing' AND effective_nano IS NULL THEN 'effective_cost'
        END AS bad_cost,
        CASE
            WHEN bill_start_at IS NULL AND filled(billing_period_start) IS NOT NULL THEN 'billing_period_start'
            WHEN bill_end_at IS NULL AND filled(billing_period_end) IS NOT NULL THEN 'billing_period_end'
            WHEN charge_start_at IS NULL AND filled(charge_period_start) IS NOT NULL THEN 'charge_period_start'
            WHEN charge_end_at IS NULL AND filled(charge_period_end) IS NOT NULL THEN 'charge_period_end'
        END AS bad_date
    FROM dated
),

quoted AS (
    SELECT
        *,
        CASE bad_cost
            WHEN 'billed_cost' THEN billed_cost
            WHEN 'effective_cost' THEN effective_cost
            WHEN 'list_cost' THEN list_cost
            WHEN 'contracted_cost' THEN contracted_cost
        END AS bad_number,
        CASE bad_date
            WHEN 'billing_period_start' THEN billing_period_start
            WHEN 'billing_period_end' THEN billing_period_end
            WHEN 'charge_period_start' THEN charge_period_start
            WHEN 'charge_period_end' THEN charge_period_end
        END AS bad_instant
    FROM judged
),

reasoned AS (
    SELECT
        *,
        CASE
            WHEN number_state(bad_number) = 'unreadable' THEN 'number-unreadable'
            WHEN bad_cost IS NOT NULL THEN 'amount-too-large'
            WHEN billed_state = 'missing' THEN 'amount-missing'
            WHEN nano_digits IS NULL THEN 'currency-unknown'
            WHEN bad_date IS NOT NULL THEN 'date-unreadable'
            WHEN billing_period_start_at IS NULL THEN 'period-missing'
            WHEN charge_period_end_at < charge_period_start_at THEN 'period-reversed'
            WHEN billing_period_end_at < billing_period_start_at THEN 'period-reversed'
        END AS reason
    FROM quoted
)

SELECT
    source_file || ':' || CAST(source_row AS VARCHAR) || source_part AS charge_id,
    source,
    source_file,
    source_row,
    allocated_method_details,
    allocated_method_id,
    allocated_resource_id,
    allocated_resource_name,
    allocated_tags,
    availability_zone,
    billed_exact AS billed_cost,
    billing_account_id,
    billing_account_name,
    billing_account_type,
    trim(billing_currency) AS billing_currency,
    billing_period_end_at AS billing_period_end,
    billing_period_start_at AS billing_period_start,
    capacity_reservation_id,
    capacity_reservation_status,
    charge_category,
    charge_class,
    charge_description,
    charge_frequency,
    charge_period_end_at AS charge_period_end,
    charge_period_start_at AS charge_period_start,
    commitment_discount_category,
    commitment_discount_id,
    commitment_discount_name,
    exact_number(commitment_discount_quantity) AS commitment_discount_quantity,
    commitment_discount_status,
    commitment_discount_type,
    commitment_discount_unit,
    commitment_program_eligibility_details,
    exact_number(consumed_quantity) AS consumed_quantity,
    consumed_unit,
    contract_applied,
    exact_number(contracted_cost) AS contracted_cost,
    exact_number(contracted_unit_price) AS contracted_unit_price,
    effective_exact AS effective_cost,
    host_provider_name,
    invoice_detail_id,
    invoice_id,
    invoice_issuer_name,
    exact_number(list_cost) AS list_cost,
    exact_number(list_unit_price) AS list_unit_price,
    pricing_category,
    pricing_currency,
    exact_number(pricing_currency_contracted_unit_price) AS pricing_currency_contracted_unit_price,
    exact_number(pricing_currency_effective_cost) AS pricing_currency_effective_cost,
    exact_number(pricing_currency_list_unit_price) AS pricing_currency_list_unit_price,
    exact_number(pricing_quantity) AS pricing_quantity,
    pricing_unit,
    provider_name,
    publisher_name,
    region_id,
    region_name,
    resource_id,
    resource_name,
    resource_type,
    service_category,
    service_name,
    service_provider_name,
    service_subcategory,
    sku_id,
    sku_meter,
    sku_price_details,
    sku_price_id,
    sub_account_id,
    sub_account_name,
    sub_account_type,
    tags_of(tags) AS tags,
    extra,
    provider,
    model,
    CASE
        WHEN filled(invoice_id) IS NOT NULL THEN keyed(issuer) || '|' || keyed(trim(invoice_id))
        ELSE keyed(issuer) || '|' || keyed(coalesce(trim(billing_account_id), '')) || '|'
            || strftime(billing_period_start_at, '%Y-%m') || '|' || trim(billing_currency)
    END AS invoice_key,
    strftime(billing_period_start_at, '%Y-%m') AS period,
    billed_nano,
    effective_nano,
    CASE WHEN reason IS NULL THEN residue_of(effective_exact, nano_digits) END AS effective_residue,
    reason,
    CASE reason
        WHEN 'number-unreadable' THEN bad_cost || ' is ''' || bad_number || ''', which is no number'
        WHEN 'amount-too-large' THEN bad_cost || ' is ' || trim(bad_number) || ', more than one amount may be'
        WHEN 'amount-missing' THEN 'billed_cost is empty'
        WHEN 'currency-unknown'
            THEN coalesce(
                'billing_currency is ''' || filled(billing_currency) || ''', which is no ISO 4217 code',
                'billing_currency is empty'
            )
        WHEN 'date-unreadable' THEN bad_date || ' is ''' || bad_instant || ''', which is no date such as 2026-11-03'
        WHEN 'period-missing' THEN 'neither billing_period_start nor charge_period_start is filled'
        WHEN 'period-reversed'
            THEN 'a period ends before it starts: the charge''s '
                || CAST(charge_period_start_at AS VARCHAR) || ' to ' || CAST(charge_period_end_at AS VARCHAR)
                || ', the bill''s ' || CAST(billing_period_start_at AS VARCHAR)
                || ' to ' || CAST(billing_period_end_at AS VARCHAR)
    END AS detail,
    CASE
        WHEN is_number(billed_cost) THEN trim(billed_cost)
        WHEN is_number(effective_cost) THEN trim(effective_cost)
    END AS amount_text,
    left(concat_ws(' | ', charge_description, service_name, billed_cost, billing_currency), 160) AS excerpt,
    no_tags(tags) AS tags_unreadable,
    'rounded' IN (billed_state, effective_state, list_state, contracted_state) AS cost_rounded
FROM reasoned
