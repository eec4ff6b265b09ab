"""The way of every input beside bills and usage: read, line up, type, set aside, lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from apportion.errors import Place, Problem
from apportion.normalize import quarantine
from apportion.normalize.control import ControlTotal
from apportion.normalize.reading import RECORDS, RecordFile, read_records
from apportion.normalize.sources import ALIGNED, SourceColumns, align
from apportion.period import OPEN_END, OPEN_START
from apportion.warehouse.quoting import literal, names
from apportion.warehouse.steps import fill, step_text

_PACKAGE = "apportion.normalize"
_SHOWN = 20


@dataclass(frozen=True)
class Target:
    """A table that an input becomes.

    Attributes:
        name: Of the table.
        step: The `.sql` file whose query types the view `_aligned`.
        columns: With the engine's types.
    """

    name: str
    step: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Intake:
    """What became of one source."""

    control: ControlTotal
    problems: tuple[Problem, ...]


def prepare(con: duckdb.DuckDBPyConnection, target: Target) -> None:
    """Make the target's table, empty, unless it is there."""
    columns = ", ".join(f"{names([name])} {kind}" for name, kind in target.columns.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS {target.name} ({columns})")


def take_in(
    con: duckdb.DuckDBPyConnection,
    objects: Sequence[RecordFile],
    spec: SourceColumns,
    target: Target,
    bindings: Mapping[str, object],
    *,
    ready: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
) -> Intake:
    """Add the files of one source to its table, and to `quarantine` what cannot be read.

    The step's query gives the target's columns, and then `reason`, `detail`, `amount_text`, `amount_currency`
    and `excerpt` for a row that is set aside.

    Args:
        con: The engine's connection.
        objects: The source's files.
        spec: How to read them.
        target: The table.
        bindings: Values that the step names.
        ready: Makes what else the step reads, once the view `_aligned` is there.

    Raises:
        InvariantError: Rows were lost on the way.
    """
    prepare(con, target)
    quarantine.prepare(con)
    problems: list[Problem] = []
    read = out = 0
    for item in objects:
        records = read_records(con, item, delimiter=spec.delimiter)
        if isinstance(records, Problem):
            problems.append(records)
            continue
        found = align(con, item, records, spec)
        problems += found
        if any(problem.severity == "error" for problem in found):
            quarantine.release(con, item.table, item.source, item.name)
            continue
        read += records.rows_in
        if ready:
            ready(con)
        step = fill(step_text(target.step, _PACKAGE), bindings={"date_form": spec.date_form, **bindings})
        con.execute(f"CREATE OR REPLACE TABLE _typed AS {step}")
        con.execute(f"INSERT INTO {target.name} SELECT {names(target.columns)} FROM _typed WHERE reason IS NULL")
        con.execute(
            f"INSERT INTO quarantine SELECT {literal(spec.table)}, {literal(spec.source)}, source_file,"
            " source_row, reason, detail, amount_text, amount_currency, excerpt FROM _typed"
            " WHERE reason IS NOT NULL"
        )
        out += int(con.execute("SELECT count(*) FROM _typed WHERE reason IS NULL").fetchall()[0][0])
        con.execute("DROP TABLE _typed")
        con.execute(f"DROP VIEW IF EXISTS {ALIGNED}")
        con.execute(f"DROP TABLE IF EXISTS {RECORDS}")
    aside = con.execute(
        "SELECT count(*) FROM quarantine WHERE table_name = $1 AND source = $2", [spec.table, spec.source]
    ).fetchall()[0][0]
    control = ControlTotal(spec.table, spec.source, read, out, int(aside))
    control.check()
    return Intake(control, tuple(problems))


def overlapping(
    con: duckdb.DuckDBPyConnection, relation: str, key: Sequence[str], what: str, cure: str
) -> list[Problem]:
    """Rows of one key whose spans of days overlap: which of them holds is not known.

    Args:
        con: The engine's connection.
        relation: A table or query with the key, `valid_from`, `valid_to`, `source_file` and `source_row`.
        key: The columns that may have one row a day.
        what: What a key is, for the message.
        cure: What to do.

    Returns:
        One problem per overlapping row, both rows named; at most twenty, the last of which counts the rest.
    """
    listed = names(key)
    before = f"OVER (PARTITION BY {listed} ORDER BY valid_from, valid_to, source_file, source_row"
    before += " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    rows = con.execute(
        f"SELECT concat_ws(', ', {listed}), source_file, source_row, valid_from, valid_to, other FROM ("
        f" SELECT *, max(valid_to) {before} AS until, arg_max("
        "struct_pack(f := source_file, r := source_row, a := valid_from, b := valid_to), valid_to)"
        f" {before} AS other FROM {relation}) WHERE valid_from < until ORDER BY source_file, source_row"
    ).fetchall()
    problems: list[Problem] = []
    for shown, file, row, start, end, other in rows[:_SHOWN]:
        more = len(rows) - _SHOWN
        rest = f" ({more:,} more such rows)" if len(problems) == _SHOWN - 1 and more > 0 else ""
        elsewhere = f"{other['f']} " if other["f"] != file else ""
        problems.append(
            Problem(
                "overlapping-rows",
                f"{what} {shown!r} stands in row {row}{_span(start, end)} and in"
                f" {elsewhere}row {other['r']}{_span(other['a'], other['b'])}, which overlap{rest}",
                place=Place(file, row=row),
                cure=cure,
            )
        )
    return problems


def _span(start: date, end: date) -> str:
    """A span of days in brackets; nothing for one that is open on both sides."""
    if (start, end) == (OPEN_START, OPEN_END):
        return ""
    first = "" if start == OPEN_START else f"from {start} "
    return f" ({first}until further notice)" if end == OPEN_END else f" ({first}to before {end})"
