-- What a key stands for, with dates: every column of the file as a map, before it is made long.
-- Reads: _aligned (the validity as text, every other column in extra).
-- Writes: the columns of lookup_rows, and for a row that is set aside its reason and detail.
-- Grain: one row of the file for one span of days; valid_from in, valid_to out.
SELECT
    source AS lookup,
    extra AS "values",
    coalesce(day_of(valid_from, $date_form), DATE '0001-01-01') AS valid_from,
    coalesce(
        day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1, DATE '9999-12-31'
    ) AS valid_to,
    source_file,
    source_row,
    CASE
        WHEN cardinality(extra) = 0 THEN 'key-missing'
        WHEN no_instant(valid_from, $date_form) OR no_instant(valid_to, $date_form)
            OR no_instant(last_day, $date_form) THEN 'date-unreadable'
        WHEN coalesce(day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1)
            <= day_of(valid_from, $date_form) THEN 'period-reversed'
    END AS reason,
    CASE
        WHEN cardinality(extra) = 0 THEN 'every column is empty'
        WHEN no_instant(valid_from, $date_form) THEN bad_day('valid_from', valid_from)
        WHEN no_instant(valid_to, $date_form) THEN bad_day('valid_to', valid_to)
        WHEN no_instant(last_day, $date_form) THEN bad_day('last_day', last_day)
        ELSE no_span(valid_from, coalesce(valid_to, last_day))
    END AS detail,
    CAST(NULL AS VARCHAR) AS amount_text,
    CAST(NULL AS VARCHAR) AS amount_currency,
    left(array_to_string(map_values(extra), ' | '), 160) AS excerpt
FROM _aligned
