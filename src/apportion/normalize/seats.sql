-- The seats of a tool that is sold by seat.
-- Reads: _aligned (the file's columns as text).
-- Writes: the columns of seat_rows, and for a row that is set aside its reason and detail.
-- Grain: one seat with one holder for one span of days; valid_from in, valid_to out.
-- Units: price in the billing currency for a whole month.
SELECT
    source AS seats,
    coalesce(filled(tool), source) AS tool,
    coalesce(filled(seat_id), filled(assigned_to), source_file || ':' || CAST(source_row AS VARCHAR)) AS seat_id,
    filled(assigned_to) AS assigned_to,
    filled(team) AS team,
    exact_number(price) AS price,
    coalesce(day_of(valid_from, $date_form), DATE '0001-01-01') AS valid_from,
    coalesce(
        day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1, DATE '9999-12-31'
    ) AS valid_to,
    instant_of(last_active_at, $date_form) AS last_active_at,
    map_concat(tags_of(tags), extra) AS tags,
    source_file,
    source_row,
    CASE
        WHEN number_state(price) = 'unreadable' THEN 'number-unreadable'
        WHEN number_state(price) = 'too precise' THEN 'number-too-precise'
        WHEN number_state(price) = 'too large' THEN 'amount-too-large'
        WHEN exact_number(price) < 0 THEN 'negative-weight'
        WHEN no_instant(valid_from, $date_form) OR no_instant(valid_to, $date_form)
            OR no_instant(last_day, $date_form) OR no_instant(last_active_at, $date_form) THEN 'date-unreadable'
        WHEN coalesce(day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1)
            <= day_of(valid_from, $date_form) THEN 'period-reversed'
    END AS reason,
    CASE
        WHEN number_state(price) NOT IN ('missing', 'exact') OR exact_number(price) < 0
            THEN bad_number('price', price)
        WHEN no_instant(valid_from, $date_form) THEN bad_day('valid_from', valid_from)
        WHEN no_instant(valid_to, $date_form) THEN bad_day('valid_to', valid_to)
        WHEN no_instant(last_day, $date_form) THEN bad_day('last_day', last_day)
        WHEN no_instant(last_active_at, $date_form) THEN bad_day('last_active_at', last_active_at)
        ELSE no_span(valid_from, coalesce(valid_to, last_day))
    END AS detail,
    CAST(NULL AS VARCHAR) AS amount_text,
    CAST(NULL AS VARCHAR) AS amount_currency,
    left(concat_ws(' | ', seat_id, assigned_to, team, price, valid_from, valid_to), 160) AS excerpt
FROM _aligned
