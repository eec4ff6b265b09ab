-- Look-ups in long form: what a key of one column gives in another, by day.
-- Reads: _wide (lookup, values, valid_from, valid_to, source_file, source_row), _pairs (lookup, on_column,
-- take_column, key_from, value_from).
-- Writes: the columns of directory_values.
-- Grain: one key, taken column and span of days; valid_from in, valid_to out.
SELECT
    w.lookup,
    p.on_column,
    trim(w."values"[p.key_from]) AS "key",
    p.take_column,
    trim(w."values"[p.value_from]) AS "value",
    w.valid_from,
    w.valid_to,
    w.source_file,
    w.source_row
FROM _wide AS w
INNER JOIN _pairs AS p ON p.lookup = w.lookup
WHERE filled(w."values"[p.key_from]) IS NOT NULL AND filled(w."values"[p.value_from]) IS NOT NULL
