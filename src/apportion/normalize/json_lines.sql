-- JSON lines as objects whose numbers keep the text that was written.
-- Reads: _lines (line, source_row).
-- Writes: _json_lines (exact JSON, whole, source_row) and _json_keys (name, place); blank lines are dropped.
-- Grain: one line; one key.
-- A parser would turn numbers into floating point and lose digits, so every number outside a string becomes a
-- string that begins with the character U+001F, which valid JSON can only hold escaped; json_text takes it off.
CREATE OR REPLACE MACRO json_text(value) AS
    CASE
        WHEN value IS NULL OR json_type(value) = 'NULL' THEN NULL
        WHEN json_type(value) = 'VARCHAR' THEN ltrim(value ->> '$', chr(31))
        ELSE regexp_replace(CAST(value AS VARCHAR), '"\\u001[fF]([^"]*)"', '\1', 'g')
    END;

CREATE OR REPLACE MACRO numbers_as_text(line) AS
    replace(
        replace(
            regexp_replace(
                line,
                '("(?:[^"\\]|\\.)*")|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)',
                '\1' || chr(31) || '\2' || chr(30),
                'g'
            ),
            chr(31) || chr(30), ''
        ),
        chr(31), '"\u001f'
    );

CREATE OR REPLACE TABLE _json_lines AS
SELECT
    CASE WHEN whole THEN CAST(replace(numbers_as_text(line), chr(30), '"') AS JSON) END AS exact,
    whole,
    source_row
FROM (
    SELECT
        line,
        source_row,
        json_valid(line) AND json_type(CASE WHEN json_valid(line) THEN line END) = 'OBJECT' AS whole
    FROM (SELECT trim(trim(line), chr(65279)) AS line, source_row FROM _lines)
    WHERE trim(coalesce(line, '')) <> ''
);

CREATE OR REPLACE TABLE _json_keys AS
SELECT name, min(first_row) AS place
FROM (
    SELECT unnest(keys) AS name, min(source_row) AS first_row
    FROM (SELECT json_keys(exact) AS keys, source_row FROM _json_lines WHERE whole)
    GROUP BY keys
)
GROUP BY name;
