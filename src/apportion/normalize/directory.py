"""Who is who, with dates: rosters, look-ups and finance's own cost centres."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from apportion.errors import Problem
from apportion.focus import fold
from apportion.normalize.intake import Intake, Target, overlapping, prepare, take_in
from apportion.normalize.reading import RecordFile
from apportion.normalize.sources import SourceColumns
from apportion.warehouse.quoting import literal
from apportion.warehouse.steps import step_text

_MAP = "MAP(VARCHAR, VARCHAR)"
_SPAN = {"valid_from": "DATE", "valid_to": "DATE"}
_ORIGIN = {"source_file": "VARCHAR", "source_row": "BIGINT"}
ROSTER = Target(
    "roster_rows",
    "roster.sql",
    {"roster": "VARCHAR", "person": "VARCHAR", "team": "VARCHAR", **_SPAN, "values": _MAP, **_ORIGIN},
)
LOOKUP = Target("lookup_rows", "lookup.sql", {"lookup": "VARCHAR", "values": _MAP, **_SPAN, **_ORIGIN})
CODES = Target(
    "codes",
    "codes.sql",
    {
        "source": "VARCHAR",
        "code": "VARCHAR",
        "name": "VARCHAR",
        "entity": "VARCHAR",
        "gl_account": "VARCHAR",
        "approver": "VARCHAR",
        **_SPAN,
        **_ORIGIN,
    },
)
DIRECTORY = Target(
    "directory_values",
    "directory.sql",
    {
        "lookup": "VARCHAR",
        "on_column": "VARCHAR",
        "key": "VARCHAR",
        "take_column": "VARCHAR",
        "value": "VARCHAR",
        **_SPAN,
        **_ORIGIN,
    },
)
# What a look-up may call the person of a roster.
_PERSON = ("person", "user_id", "user")


def take_roster(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add a roster to `roster_rows`, and to `directory_values` as a look-up on the person.

    A person who is in two teams on one day is a problem: whose the day is cannot be known.
    """
    taken = take_in(con, objects, spec, ROSTER, {})
    source = literal(spec.source)
    found = overlapping(
        con,
        f"(SELECT * FROM roster_rows WHERE roster = {source})",
        ["person"],
        "person",
        "end the earlier row (`valid_to` is the first day that no longer counts) or delete one of them",
    )
    keys = dict.fromkeys([*_PERSON, *_alike(spec.columns.get("person", "person")), *spec.keys])
    con.execute(
        'CREATE OR REPLACE TABLE _wide AS SELECT roster AS lookup, map_concat("values",'
        " MAP {'person': person, 'team': team}) AS \"values\", valid_from, valid_to, source_file, source_row"
        f" FROM roster_rows WHERE roster = {source}"
    )
    columns = _columns(con)
    pairs = [
        (key, take, key if key in columns and key not in _PERSON else "person", take)
        for key in keys
        for take in columns
        if take != "person"
    ]
    _make_long(con, spec.source, pairs)
    return Intake(taken.control, (*taken.problems, *found))


def take_lookup(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add a look-up to `directory_values`.

    A key that stands twice on one day is a problem. Keys are the columns that the project's look-ups use
    (`spec.keys`), or without them the file's first column, while every column can still be used as one.
    """
    taken = take_in(con, objects, spec, LOOKUP, {})
    source = literal(spec.source)
    con.execute(
        'CREATE OR REPLACE TABLE _wide AS SELECT lookup, "values", valid_from, valid_to, source_file,'
        f" source_row FROM lookup_rows WHERE lookup = {source}"
    )
    columns = _columns(con)
    spelled = {fold(column): column for column in reversed(columns)}
    # Several dimensions may ask one look-up by one key, in one spelling or another.
    used = list(dict.fromkeys(spelled[fold(key)] for key in spec.keys if fold(key) in spelled))
    pairs = [(on, take, on, take) for on in used or columns for take in columns if take != on]
    _make_long(con, spec.source, pairs)
    found: list[Problem] = []
    for key in used or columns[:1]:
        found += overlapping(
            con,
            f'(SELECT *, trim("values"[{literal(key)}]) AS key FROM lookup_rows WHERE lookup = {source}'
            f' AND filled("values"[{literal(key)}]) IS NOT NULL)',
            ["key"],
            key,
            "end the earlier row (`valid_to` is the first day that no longer counts) or delete one of them",
        )
    return Intake(taken.control, (*taken.problems, *found))


def take_codes(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add finance's cost centres to `codes`; one that stands twice on one day is a problem."""
    taken = take_in(con, objects, spec, CODES, {})
    found = overlapping(
        con,
        f"(SELECT * FROM codes WHERE source = {literal(spec.source)})",
        ["code"],
        "cost centre",
        "end the earlier row (`valid_to` is the first day that no longer counts) or delete one of them",
    )
    return Intake(taken.control, (*taken.problems, *found))


def _alike(name: str) -> list[str]:
    """A column's name as it is spelled and in lower case."""
    return [name, name.lower()]


def _columns(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The columns of the wide rows, in the order of the file."""
    rows = con.execute(
        'SELECT name FROM (SELECT unnest(map_keys("values")) AS name,'
        ' generate_subscripts(map_keys("values"), 1)'
        " AS place FROM _wide) GROUP BY name ORDER BY max(place), name"
    ).fetchall()
    return [row[0] for row in rows]


def _make_long(con: duckdb.DuckDBPyConnection, source: str, pairs: Sequence[tuple[str, str, str, str]]) -> None:
    """Add the wide rows of one source to `directory_values`, for each pair of columns."""
    if not pairs:
        con.execute("DROP TABLE _wide")
        return
    prepare(con, DIRECTORY)
    parts = ("on_column", "take_column", "key_from", "value_from")
    arrow = pa.table(
        {"lookup": pa.array([source] * len(pairs), pa.string())}
        | {part: pa.array([pair[i] for pair in pairs], pa.string()) for i, part in enumerate(parts)}
    )
    con.register("_pairs", arrow)
    con.execute(f"INSERT INTO directory_values {step_text(DIRECTORY.step, 'apportion.normalize')}")
    con.unregister("_pairs")
    con.execute("DROP TABLE _wide")
