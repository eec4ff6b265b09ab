"""What the project says about the columns of a source, and a file's columns lined up with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from apportion.errors import Place, Problem
from apportion.focus import TABLES, Column, Table, fold
from apportion.normalize.reading import RecordFile, Records
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

ALIGNED = "_aligned"
DATE_FORMAT = "date_format"
PLAIN_DATE = "%Y-%m-%d"
# Tables whose further columns mean something of the user's own.
_OPEN = frozenset({"charges", "meters", "roster", "lookup", "seats"})


@dataclass(frozen=True)
class SourceColumns:
    """How to read one source.

    Attributes:
        source: Its name.
        table: What it holds: charges, meters, roster, lookup, codes, seats, invoices or fx.
        columns: The file's column by ours, where the names alone do not tell.
        constants: A value by our column, for every row; also `date_format`.
        unit: What a meter counts.
        keys: Of a look-up or roster: the columns that the project's dimensions look up by.
        delimiter: What stands between the values of a CSV file; found out if None.
    """

    source: str
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    keys: tuple[str, ...] = ()
    delimiter: str | None = None

    @property
    def date_form(self) -> str:
        """How its days are written, in the signs of strptime."""
        return self.constants.get(DATE_FORMAT, PLAIN_DATE)


def align(con: duckdb.DuckDBPyConnection, item: RecordFile, records: Records, spec: SourceColumns) -> list[Problem]:
    """Line a file's columns up with the known ones, in the view `_aligned`.

    The view has `source`, `source_file`, `source_row`, every known column as text (NULL where the file has
    none) and `extra`, a map of every other column under its own name.

    Args:
        con: Holds the records.
        item: The file.
        records: Its records.
        spec: How to read it.

    Returns:
        Problems; if one of them is an error, the view is not made.
    """
    table = TABLES[spec.table]
    found = dict(table.find(records.header))
    problems = _apply_mapping(item, records, spec, table, found)
    if spec.table == "meters" and "quantity" not in found:
        # `meters/gpu_hours.csv` may well call its quantity what the meter is called.
        named = [name for name in records.header if fold(name) == fold(spec.source)]
        found.update(dict.fromkeys(["quantity"], named[0]) if named else {})
    constants = {name: value for name, value in spec.constants.items() if name != DATE_FORMAT}
    for name in constants:
        found.pop(name, None)
    problems += _doubled(item, records, table, found, spec)
    problems += [
        _missing(item, records, column)
        for column in table.columns
        if column.required and column.name not in found and column.name not in constants
    ]
    if any(problem.severity == "error" for problem in problems):
        return problems
    given = {fold(name): value for name, value in constants.items()}
    known = [
        (
            literal(given[fold(column.name)])
            if fold(column.name) in given
            else _value(found[column.name], spec.table)
            if column.name in found
            else "CAST(NULL AS VARCHAR)"
        )
        + f" AS {quoted(column.name)}"
        for column in table.columns
    ]
    con.execute(
        f"CREATE OR REPLACE VIEW {ALIGNED} AS SELECT {literal(item.source)} AS source,"
        f" {literal(item.name)} AS source_file, source_row, {', '.join(known)},"
        f" {_extra(records, spec, table, found)} AS extra FROM {records.relation}"
    )
    return problems


def _value(column: str, table: str) -> str:
    """A column of the file; in a bill the word NULL is no value."""
    text = quoted(column)
    if table != "charges":
        return text
    return f"CASE WHEN {text} = '' OR upper(trim({text})) = 'NULL' THEN NULL ELSE {text} END"


def _extra(records: Records, spec: SourceColumns, table: Table, found: Mapping[str, str]) -> str:
    """The map of what no known column takes, without its empty values."""
    used = set(found.values())
    own = {theirs: ours for ours, theirs in spec.columns.items() if ours not in table.names}
    entries = [(literal(own.get(name, name)), _value(name, spec.table)) for name in records.header if name not in used]
    entries += [
        (literal(name), literal(value))
        for name, value in spec.constants.items()
        if name not in table.names and name != DATE_FORMAT
    ]
    if not entries:
        return "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))"
    listed = ", ".join(f"struct_pack(k := {key}, v := {value})" for key, value in entries)
    return f"map_from_entries(list_filter([{listed}], lambda entry: entry.v <> ''))"


def _apply_mapping(
    item: RecordFile, records: Records, spec: SourceColumns, table: Table, found: dict[str, str]
) -> list[Problem]:
    """Put the user's own `columns:` over what the names tell."""
    problems = []
    spelled = {fold(name): name for name in reversed(records.header)}
    for ours, theirs in spec.columns.items():
        if ours not in table.names and spec.table not in _OPEN:
            problems.append(_unknown(spec, table, ours))
            continue
        name = theirs if theirs in records.header else spelled.get(fold(theirs))
        if name is None:
            problems.append(_not_there(item, records, ours, theirs))
            continue
        for other in [key for key, value in found.items() if value == name]:
            del found[other]
        if ours in table.names:
            found[ours] = name
    problems += [
        _unknown(spec, table, ours)
        for ours in spec.constants
        if ours not in table.names and ours != DATE_FORMAT and spec.table not in _OPEN
    ]
    return problems


def _doubled(
    item: RecordFile, records: Records, table: Table, found: Mapping[str, str], spec: SourceColumns
) -> list[Problem]:
    """Known columns that the file has more than once, where the source does not say which one is meant."""
    spellings: dict[str, list[str]] = {}
    for name in (*records.header, *records.doubled):
        spellings.setdefault(fold(name), []).append(name)
    said = {*spec.columns, *spec.constants}
    return [
        Problem(
            "column-twice",
            f"source {item.source!r}: {item.name!r} has more than one column {ours!r}:"
            f" {', '.join(repr(name) for name in spellings[fold(theirs)])}",
            place=Place(item.name, row=1),
            cure=f"rename or remove one of them, or say which with `columns: {{{ours}: ...}}`",
        )
        for ours, theirs in found.items()
        if ours in table.names and ours not in said and len(spellings[fold(theirs)]) > 1
    ]


def _missing(item: RecordFile, records: Records, column: Column) -> Problem:
    near = difflib.get_close_matches(column.name, [name.lower() for name in records.header], n=1, cutoff=0.6)
    shown = ", ".join(records.header[:8]) + (", …" if len(records.header) > 8 else "")  # noqa: PLR2004 - a line
    hint = f"; the nearest is {near[0]!r}" if near else ""
    return Problem(
        "column-missing",
        f"source {item.source!r}: {item.name!r} has no column {column.name!r} among its {len(records.header)}{hint}",
        place=Place(item.name, row=1),
        excerpt=shown,
        cure=f"name it with `columns: {{{column.name}: <column of the file>}}`"
        f" or give it with `set: {{{column.name}: <value>}}`",
    )


def _not_there(item: RecordFile, records: Records, ours: str, theirs: str) -> Problem:
    near = difflib.get_close_matches(theirs, records.header, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(records.header[:12])}"
    return Problem(
        "column-missing",
        f"source {item.source!r}: `columns:` reads {ours!r} from {theirs!r}, but {item.name!r} has no such"
        f" column{hint}",
        place=Place(item.name, row=1),
        cure="correct `columns:`",
    )


def _unknown(spec: SourceColumns, table: Table, ours: str) -> Problem:
    near = difflib.get_close_matches(ours, table.names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(table.names)}"
    return Problem(
        "column-unknown",
        f"source {spec.source!r}: {ours!r} is no column of {spec.table}{hint}",
        cure="correct `columns:` or `set:`",
    )
