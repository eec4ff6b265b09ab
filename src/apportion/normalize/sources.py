"""What the project says about the columns of a source, and a file's columns lined up with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from apportion.errors import Place, Problem
from apportion.focus import DATE_FORMAT, NUMBER_FORMAT, OPEN_TABLES, TABLES, WRITTEN, Column, Table, fold
from apportion.normalize.exports import mapping, money_column, recognise
from apportion.normalize.reading import RecordFile, Records
from apportion.numerals import NumberForm
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

ALIGNED = "_aligned"
_SHOWN = 8
PLAIN_DATE = "%Y-%m-%d"
_NUMBERS = frozenset({"decimal", "integer"})


@dataclass(frozen=True)
class SourceColumns:
    """How to read one source.

    Attributes:
        source: Its name.
        table: What it holds: charges, meters, roster, lookup, codes, seats, invoices or fx.
        columns: The file's column by ours, where the names alone do not tell.
        constants: A value by our column, for every row; also `date_format` and `number_format`.
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

    def __post_init__(self) -> None:
        """Whatever name of a column the project uses, the stages know it by its own."""
        table = TABLES[self.table]
        object.__setattr__(self, "columns", table.own_names(self.columns))
        object.__setattr__(self, "constants", table.own_names(self.constants))

    @property
    def date_form(self) -> str:
        """How its days are written, in the signs of strptime."""
        return self.constants.get(DATE_FORMAT, PLAIN_DATE)

    @property
    def number_form(self) -> NumberForm | None:
        """How its numbers are written; None where they are plain."""
        return NumberForm.of(self.constants.get(NUMBER_FORMAT, ""))


def align(con: duckdb.DuckDBPyConnection, item: RecordFile, records: Records, spec: SourceColumns) -> list[Problem]:
    """Line a file's columns up with the known ones, in the view `_aligned`.

    The view has `source`, `source_file`, `source_row`, `source_part`, every known column as text (NULL where the file
    has none) and `extra`, a map of every other column under its own name.

    Args:
        con: Holds the records.
        item: The file.
        records: Its records.
        spec: How to read it.

    Returns:
        Problems; if one of them is an error, the view is not made.
    """
    table = TABLES[spec.table]
    records = _reached(con, records, spec)
    found = dict(table.find(records.header))
    problems = _apply_mapping(item, records, spec, table, found)
    if spec.table == "meters" and "quantity" not in found:
        # `meters/gpu_hours.csv` may well call its quantity what the meter is called.
        named = [name for name in records.header if fold(name) == fold(spec.source)]
        found.update(dict.fromkeys(["quantity"], named[0]) if named else {})
    constants = {name: value for name, value in spec.constants.items() if name not in WRITTEN}
    for name in constants:
        found.pop(name, None)
    problems += _doubled(item, records, table, found, spec)
    have = {*found, *constants}
    if missing := [column for column in table.columns if column.required and column.name not in have]:
        problems.append(_missing(item, records, missing, have))
    if any(problem.severity == "error" for problem in problems):
        return problems
    given = {fold(name): value for name, value in constants.items()}
    known = [
        (
            literal(given[fold(column.name)])
            if fold(column.name) in given
            else _value(found[column.name], spec.table, spec.number_form if column.kind in _NUMBERS else None)
            if column.name in found
            else "CAST(NULL AS VARCHAR)"
        )
        + f" AS {quoted(column.name)}"
        for column in table.columns
    ]
    part = "source_part" if records.parts else literal("")
    con.execute(
        f"CREATE OR REPLACE VIEW {ALIGNED} AS SELECT {literal(item.source)} AS source,"
        f" {literal(item.name)} AS source_file, source_row, {part} AS source_part,"
        f" {', '.join(known)},"
        f" {_extra(records, spec, table, found)} AS extra FROM {records.relation}"
    )
    return problems


def _value(column: str, table: str, form: NumberForm | None = None) -> str:
    """A column of the file, its numbers plain; in a bill the word NULL is no value."""
    if form is not None:
        return _plain(f"({_value(column, table)})", form)
    text = quoted(column)
    if table != "charges":
        return text
    return f"CASE WHEN {text} = '' OR upper(trim({text})) = 'NULL' THEN NULL ELSE {text} END"


def _reached(con: duckdb.DuckDBPyConnection, records: Records, spec: SourceColumns) -> Records:
    """The records with a column for each path such as `service.description` that leads into an object of theirs."""
    added: list[str] = []
    there = {fold(name) for name in records.header}
    for path in dict.fromkeys(spec.columns.values()):
        head, _, rest = path.partition(".")
        if not rest or fold(path) in there or head not in records.header:
            continue
        pointer = literal("".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in rest.split(".")))
        inside = f"CASE WHEN json_valid({quoted(head)}) THEN CAST(quoted_numbers({quoted(head)}) AS JSON) END"
        con.execute(f"ALTER TABLE {records.relation} ADD COLUMN {quoted(path)} VARCHAR")
        con.execute(f"UPDATE {records.relation} SET {quoted(path)} = json_extract_string({inside}, {pointer})")
        added.append(path)
    return replace(records, header=(*records.header, *added)) if added else records


def _plain(text: str, form: NumberForm) -> str:
    """Text with its numbers written plainly; what is no number in the form becomes none at all, and says why."""
    bare = f"trim({text})"
    for sign in form.groups:
        bare = f"replace({bare}, {literal(sign)}, '')"
    return (
        f"CASE WHEN {text} IS NULL OR trim({text}) = '' THEN {text}"
        f" WHEN regexp_full_match(trim({text}), {literal(form.pattern)})"
        f" THEN replace({bare}, {literal(form.point)}, '.')"
        f" ELSE {text} || {literal(f' (not as {form.example})')} END"
    )


def _extra(records: Records, spec: SourceColumns, table: Table, found: Mapping[str, str]) -> str:
    """The map of what no known column takes, without its empty values."""
    used = set(found.values())
    own = {theirs: ours for ours, theirs in spec.columns.items() if ours not in table.names}
    rest = [name for name in records.header if name not in used]
    # A name of the user's own goes before a column of that name.
    entries = {name: _value(name, spec.table) for name in rest if name not in own}
    entries |= {own[name]: _value(name, spec.table) for name in rest if name in own}
    entries |= {
        name: literal(value)
        for name, value in spec.constants.items()
        if name not in table.names and name not in WRITTEN
    }
    if not entries:
        return "CAST(MAP {} AS MAP(VARCHAR, VARCHAR))"
    listed = ", ".join(f"struct_pack(k := {literal(key)}, v := {value})" for key, value in entries.items())
    return f"map_from_entries(list_filter([{listed}], lambda entry: entry.v <> ''))"


def _apply_mapping(
    item: RecordFile, records: Records, spec: SourceColumns, table: Table, found: dict[str, str]
) -> list[Problem]:
    """Put the user's own `columns:` over what the names tell."""
    problems = []
    spelled = {fold(name): name for name in reversed(records.header)}
    for ours, theirs in spec.columns.items():
        if ours not in table.names and spec.table not in OPEN_TABLES:
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
        if ours not in table.names and ours not in WRITTEN and spec.table not in OPEN_TABLES
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


def _missing(item: RecordFile, records: Records, columns: Sequence[Column], known: Collection[str]) -> Problem:
    """The columns that a file lacks, all in one, and what to paste where its form is known."""
    header = records.header
    hints = [f"the nearest to {column.name!r} is {near!r}" for column in columns if (near := _near(column, header))]
    missing = " and ".join(repr(column.name) for column in columns)
    noun = "column" if len(columns) == 1 else "columns"
    given = ", ".join(f"{column.name}: <column of the file>" for column in columns)
    constants = ", ".join(f"{column.name}: <value>" for column in columns)
    cure = f"name it with `columns: {{{given}}}` or give it with `set: {{{constants}}}`"
    export = recognise(header) if item.table == "charges" else None
    if export:
        hints = [f"it looks like {export.name}"]
        cure = f"ask for the provider's FOCUS export, or map this one: `{mapping(export, header, known)}`"
    shown = ", ".join(header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
    return Problem(
        "column-missing",
        f"source {item.source!r}: {item.name!r} has no {noun} {missing} among its {len(header)}"
        + "".join(f"; {hint}" for hint in hints),
        place=Place(item.name, row=1),
        excerpt=shown,
        cure=cure,
    )


def _near(column: Column, header: Sequence[str]) -> str | None:
    spelled = {name.lower(): name for name in reversed(header)}
    near = difflib.get_close_matches(column.name, spelled, n=1, cutoff=0.6)
    if near:
        return spelled[near[0]]
    return money_column(header) if column.name == "billed_cost" else None


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
    near = table.nearest(ours, cutoff=0.5)
    hint = f"; did you mean {near!r}?" if near else f"; known are {', '.join(table.names)}"
    return Problem(
        "column-unknown",
        f"source {spec.source!r}: {ours!r} is no column of {spec.table}{hint}",
        cure="correct `columns:` or `set:`",
    )
