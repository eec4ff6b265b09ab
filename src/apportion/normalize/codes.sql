-- Finance's own cost centres.
-- Reads: _aligned (the file's columns as text).
-- Writes: the columns of codes, and for a row that is set aside its reason and detail.
-- Grain: one cost centre for one span of days; valid_from in, valid_to out.
SELECT
    source,
    trim(code) AS code,
    filled(name) AS name,
    filled(entity) AS entity,
    filled(gl_account) AS gl_account,
    filled(approver) AS approver,
    coalesce(day_of(valid_from, $date_form), DATE '0001-01-01') AS valid_from,
    coalesce(
        day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1, DATE '9999-12-31'
    ) AS valid_to,
    source_file,
    source_row,
    CASE
        WHEN filled(code) IS NULL THEN 'key-missing'
        WHEN no_instant(valid_from, $date_form) OR no_instant(valid_to, $date_form)
            OR no_instant(last_day, $date_form) THEN 'date-unreadable'
        WHEN coalesce(day_of(valid_to, $date_form), day_of(last_day, $date_form) + 1)
            <= day_of(valid_from, $date_form) THEN 'period-reversed'
    END AS reason,
    CASE
        WHEN filled(code) IS NULL THEN 'code is empty'
        WHEN no_instant(valid_from, $date_form) THEN bad_day('valid_from', valid_from)
        WHEN no_instant(valid_to, $date_form) THEN bad_day('valid_to', valid_to)
        WHEN no_instant(last_day, $date_form) THEN bad_day('last_day', last_day)
        ELSE no_span(valid_from, coalesce(valid_to, last_day))
    END AS detail,
    CAST(NULL AS VARCHAR) AS amount_text,
    CAST(NULL AS VARCHAR) AS amount_currency,
    left(concat_ws(' | ', code, name, valid_from, valid_to, last_day), 160) AS excerpt
FROM _aligned
