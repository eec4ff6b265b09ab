-- Measured quantities, by item and day.
-- Reads: _measured (the file's columns as text, with the canonical provider).
-- Writes: the columns of meter_rows, and for a row that is set aside its reason and detail.
-- Grain: one row of the file; day in, day_end out.
-- Units: micro-units of the meter's unit, further decimals rounded half up.
SELECT
    source AS meter,
    item,
    day,
    day_end,
    micro_of(quantity) AS quantity_micro,
    micro_of(capacity) AS capacity_micro,
    micro_of(reservation) AS reservation_micro,
    unit,
    user_id,
    model,
    provider,
    api_key_id,
    tags,
    source_file,
    source_row,
    CASE
        WHEN filled(quantity) IS NULL THEN 'amount-missing'
        WHEN NOT is_number(bad_quantity) THEN 'number-unreadable'
        WHEN bad_quantity IS NOT NULL AND micro_of(bad_quantity) IS NULL THEN 'amount-too-large'
        WHEN bad_quantity IS NOT NULL THEN 'negative-weight'
        WHEN no_date IS NOT NULL THEN 'date-unreadable'
        WHEN day IS NULL THEN 'period-missing'
        WHEN day_end <= day THEN 'period-reversed'
    END AS reason,
    CASE
        WHEN filled(quantity) IS NULL THEN 'quantity is empty'
        WHEN bad_quantity IS NOT NULL THEN bad_number(bad_column, bad_quantity)
        WHEN no_date IS NOT NULL THEN no_date
        WHEN day IS NULL THEN 'day is empty'
        ELSE no_span(CAST(day AS VARCHAR), CAST(day_end AS VARCHAR))
    END AS detail,
    CASE WHEN is_number(quantity) AND $in_currency THEN trim(quantity) END AS amount_text,
    CASE WHEN $in_currency THEN unit END AS amount_currency,
    left(concat_ws(' | ', item, day_text, quantity, capacity, unit), 160) AS excerpt
FROM (
    SELECT
        *,
        CASE bad_column
            WHEN 'quantity' THEN quantity
            WHEN 'capacity' THEN capacity
            WHEN 'reservation' THEN reservation
        END AS bad_quantity
    FROM (
        SELECT
            source,
            filled(item) AS item,
            CASE
                WHEN is_month(day) THEN CAST(trim(day) || '-01' AS DATE)
                ELSE day_of(day, $date_form)
            END AS day,
            CASE
                WHEN is_month(day) AND filled(day_end) IS NULL THEN next_month(day)
                WHEN filled(day_end) IS NULL THEN day_of(day, $date_form) + 1
                WHEN is_month(day_end) THEN CAST(trim(day_end) || '-01' AS DATE)
                -- An end inside a day takes the whole day in; so does one on the day of the start.
                WHEN instant_of(day_end, $date_form) > CAST(day_of(day_end, $date_form) AS TIMESTAMP)
                    OR day_of(day_end, $date_form) = day_of(day, $date_form)
                    THEN day_of(day_end, $date_form) + 1
                ELSE day_of(day_end, $date_form)
            END AS day_end,
            day AS day_text,
            quantity,
            capacity,
            reservation,
            coalesce(filled(unit), $unit) AS unit,
            filled(user_id) AS user_id,
            filled(model) AS model,
            provider_name AS provider,
            filled(api_key_id) AS api_key_id,
            map_concat(tags_of(tags), extra) AS tags,
            CASE
                WHEN no_weight(quantity) OR (micro_of(quantity) < 0 AND NOT $in_currency) THEN 'quantity'
                WHEN no_weight(capacity) OR micro_of(capacity) < 0 THEN 'capacity'
                WHEN no_weight(reservation) OR micro_of(reservation) < 0 THEN 'reservation'
            END AS bad_column,
            CASE
                WHEN no_instant(day, $date_form) AND NOT is_month(day) THEN bad_day('day', day)
                WHEN no_instant(day_end, $date_form) AND NOT is_month(day_end) THEN bad_day('day_end', day_end)
            END AS no_date,
            source_file,
            source_row
        FROM _measured
    )
)
