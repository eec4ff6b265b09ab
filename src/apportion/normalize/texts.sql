-- How text becomes numbers, instants, days and maps: exactly, or not at all.
-- Reads: nothing.
-- Writes: macros only. number_state says why a text is no exact number; exact_number reads it.
-- Grain: one value.
CREATE OR REPLACE MACRO is_number(t) AS
    regexp_full_match(trim(t), '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,4})?');

CREATE OR REPLACE MACRO is_zero(t) AS
    NOT regexp_matches(t, '^[^eE]*[1-9]');

-- Decimals that count: trailing zeros of the fraction do not, an exponent moves the point.
CREATE OR REPLACE MACRO decimals_of(t) AS
    length(rtrim(regexp_extract(t, '[.]([0-9]*)', 1), '0'))
    - coalesce(TRY_CAST(nullif(regexp_extract(t, '[eE]([+-]?[0-9]+)', 1), '') AS INTEGER), 0);

-- A plain number without the zeros that end its fraction, which a cast would round away.
CREATE OR REPLACE MACRO short_number(t) AS
    CASE WHEN regexp_matches(t, '[.][0-9]*0+$') THEN rtrim(rtrim(trim(t), '0'), '.') ELSE trim(t) END;

CREATE OR REPLACE MACRO number_state(t) AS
    CASE
        WHEN nullif(trim(t), '') IS NULL THEN 'missing'
        WHEN NOT is_number(t) THEN 'unreadable'
        WHEN is_zero(t) THEN 'exact'
        WHEN decimals_of(t) > 18 THEN 'too precise'
        WHEN TRY_CAST(short_number(t) AS DECIMAL(38, 18)) IS NULL THEN 'too large'
        ELSE 'exact'
    END;

CREATE OR REPLACE MACRO exact_number(t) AS
    CASE
        WHEN t IS NULL OR NOT is_number(t) THEN NULL
        WHEN is_zero(t) THEN CAST(0 AS DECIMAL(38, 18))
        ELSE TRY_CAST(short_number(t) AS DECIMAL(38, 18))
    END;

-- The state of a bill's cost: clouds print binary fractions, whose digits behind the 18th are rounded half up.
CREATE OR REPLACE MACRO cost_state(t) AS
    CASE
        WHEN number_state(t) = 'too precise' AND exact_number(t) IS NULL THEN 'too large'
        WHEN number_state(t) = 'too precise' THEN 'rounded'
        ELSE number_state(t)
    END;

-- The digits of an amount's magnitude, cut behind the digits of a nano-unit; the sign is put back outside.
CREATE OR REPLACE MACRO nano_magnitude(x, digits) AS
    TRY_CAST(
        left(CAST(abs(x) AS VARCHAR), length(CAST(abs(x) AS VARCHAR)) - 19)
        || left(right(CAST(abs(x) AS VARCHAR), 18), digits) AS BIGINT
    );

CREATE OR REPLACE MACRO nano_of(x, digits) AS
    CASE WHEN x < 0 THEN -nano_magnitude(x, digits) ELSE nano_magnitude(x, digits) END;

CREATE OR REPLACE MACRO residue_of(x, digits) AS
    CASE WHEN x < 0 THEN -1 ELSE 1 END
    * CAST('0.' || repeat('0', digits) || right(CAST(abs(x) AS VARCHAR), 18 - digits) AS DECIMAL(38, 18));

-- A quantity in whole micro-units, further digits rounded half up.
CREATE OR REPLACE MACRO micro_of(t) AS
    CASE
        WHEN t IS NULL OR NOT is_number(t) THEN NULL
        WHEN is_zero(t) THEN CAST(0 AS BIGINT)
        ELSE TRY_CAST(replace(CAST(TRY_CAST(short_number(t) AS DECIMAL(38, 6)) AS VARCHAR), '.', '') AS BIGINT)
    END;

CREATE OR REPLACE MACRO is_instant(t) AS
    regexp_full_match(
        trim(t),
        '[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?[ ]?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?'
    );

-- An instant in UTC: an offset is converted, none means UTC. A form of the user's own goes first.
CREATE OR REPLACE MACRO instant_of(t, form) AS
    CASE
        WHEN try_strptime(trim(t), form) IS NOT NULL THEN CAST(try_strptime(trim(t), form) AS TIMESTAMP)
        WHEN NOT is_instant(t) THEN NULL
        WHEN length(trim(t)) = 10 THEN TRY_CAST(trim(t) AS TIMESTAMP)
        WHEN regexp_matches(trim(t), '[+-][0-9]{2}(:?[0-9]{2})?$')
            THEN TRY_CAST(trim(t) AS TIMESTAMPTZ) AT TIME ZONE 'UTC'
        ELSE TRY_CAST(regexp_replace(trim(t), '[ ]?(Z|z|UTC)$', '') AS TIMESTAMP)
    END;

CREATE OR REPLACE MACRO day_of(t, form) AS
    CAST(instant_of(t, form) AS DATE);

-- Whether a text that should be an instant is none.
CREATE OR REPLACE MACRO no_instant(t, form) AS
    nullif(trim(t), '') IS NOT NULL AND instant_of(t, form) IS NULL;

-- An empty text is no text.
CREATE OR REPLACE MACRO filled(t) AS
    nullif(trim(t), '');

-- A part of a key whose parts are joined by |: no two lists of parts make one key.
CREATE OR REPLACE MACRO keyed(t) AS
    replace(replace(t, '~', '~0'), '|', '~1');

-- Tags as received: a JSON object, an object without its braces (older Azure exports), or a list of key and value.
CREATE OR REPLACE MACRO tag_object(t) AS
    CASE
        WHEN json_valid(t) THEN trim(t)
        WHEN json_valid('{' || t || '}') THEN '{' || t || '}'
    END;

CREATE OR REPLACE MACRO tag_map(t) AS
    CASE
        WHEN filled(t) IS NULL OR tag_object(t) IS NULL THEN NULL
        WHEN left(tag_object(t), 1) = '['
            THEN TRY(map_from_entries(list_transform(
                CAST(quoted_numbers(tag_object(t)) AS JSON[]),
                lambda entry: struct_pack(k := entry ->> 'key', v := entry ->> 'value')
            )))
        ELSE TRY_CAST(CAST(quoted_numbers(tag_object(t)) AS JSON) AS MAP(VARCHAR, VARCHAR))
    END;

CREATE OR REPLACE MACRO tags_of(t) AS
    coalesce(tag_map(t), CAST(MAP {} AS MAP(VARCHAR, VARCHAR)));

CREATE OR REPLACE MACRO no_tags(t) AS
    filled(t) IS NOT NULL AND tag_map(t) IS NULL;

-- JSON whose numbers are strings, so that no digit of them is lost.
CREATE OR REPLACE MACRO quoted_numbers(t) AS
    replace(
        replace(
            regexp_replace(
                t,
                '("(?:[^"\\]|\\.)*")|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)',
                '\1' || chr(31) || '\2' || chr(31),
                'g'
            ),
            chr(31) || chr(31), ''
        ),
        chr(31), '"'
    );

-- Months such as 2026-11.
CREATE OR REPLACE MACRO is_month(t) AS
    coalesce(regexp_full_match(trim(t), '[0-9]{4}-(0[1-9]|1[0-2])'), false);

CREATE OR REPLACE MACRO next_month(t) AS
    CAST(CAST(trim(t) || '-01' AS DATE) + INTERVAL 1 MONTH AS DATE);

-- Whether a text that should be a quantity is none, or more than fits.
CREATE OR REPLACE MACRO no_weight(t) AS
    filled(t) IS NOT NULL AND micro_of(t) IS NULL;

-- What is wrong with a value, in words.
CREATE OR REPLACE MACRO bad_day(named, t) AS
    named || ' is ''' || t || ''', which is no date such as 2026-11-03';

CREATE OR REPLACE MACRO bad_number(named, t) AS
    named || ' is ' || CASE
        WHEN NOT is_number(t) THEN '''' || t || ''', which is no number'
        WHEN decimals_of(t) > 18 THEN trim(t) || ', with more than 18 decimals'
        WHEN left(trim(t), 1) = '-' THEN trim(t) || ', which is below zero'
        WHEN is_zero(t) THEN trim(t) || ', which is not above zero'
        ELSE trim(t) || ', more than one amount may be'
    END;

CREATE OR REPLACE MACRO no_span(start_text, end_text) AS
    'the span ends (' || coalesce(end_text, '?') || ') before it starts (' || coalesce(start_text, '?') || ')';
