"""Calls of models as one canonical query per slice of days, over files of any layout.

The calls are the big table: they are read once, by whoever folds the slices. Here only file footers are read,
row formats are converted once, and the ids of calls are looked through for repeats (law L7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import duckdb

from apportion.errors import Problem
from apportion.normalize.providers import provider_sql as canonical_provider
from apportion.normalize.usage_columns import BUCKETS, USAGE, Convention, Shape, Wanted
from apportion.normalize.usage_files import open_file, shape_of, unreadable
from apportion.normalize.usage_parquet import UsageFile, scan_parquet
from apportion.normalize.usage_query import absent, canonical, in_span, output_columns
from apportion.normalize.usage_shapes import RawFile, UsageSource
from apportion.normalize.usage_slices import Span, plan_spans
from apportion.period import Period
from apportion.warehouse.engine import Engine, Written
from apportion.warehouse.quoting import literal, names

__all__ = [
    "BUCKETS",
    "USAGE",
    "Convention",
    "PreparedUsage",
    "RawFile",
    "UsageSlice",
    "UsageSource",
    "prepare_usage",
    "tag_columns",
    "usage_quarantine",
    "usage_unreadable",
]

_NOT_DATED = Period(1970, 1)


# The reason in the table of quarantined rows, by what the query says of a row.
_REASONS = {
    "row-broken": ("the row is broken%", "the line is not%"),
    "key-missing": ("no timestamp", "no provider"),
    "date-unreadable": ("%timestamp%",),
    "number-unreadable": ("%is not a whole number",),
    "negative-weight": ("%is negative",),
    "tokens-missing": ("no token counts",),
    "tokens-impossible": ("%above 10^15", "%more than%"),
    "tags-unreadable": ("tags are not%",),
}


@dataclass(frozen=True)
class UsageSlice:
    """Some days of a usage source, all within one period.

    Attributes:
        source: The source's name.
        day_from: The first day.
        day_to: The day after the last one.
        period: The month they lie in.
        sql: Yields the usage columns of its rows, each row of the source in exactly one slice.
        rows: How many rows it has; an estimate where a file is shared with another slice.
        files: What it reads, by the name that the user wrote.
        missing: Columns of the query that are NULL, or 0, in every row, because no file has them.
        origin: Its query before repeated rows were left out.
        repeated: How many those are.
    """

    source: str
    day_from: date
    day_to: date
    period: Period
    sql: str
    rows: int
    files: tuple[tuple[str, Path], ...]
    missing: frozenset[str] = frozenset()
    origin: str = ""
    repeated: int = 0

    @property
    def label(self) -> str:
        """Its source and first day, for people."""
        return f"{self.source} from {self.day_from}"


@dataclass(frozen=True)
class PreparedUsage:
    """A usage source, ready to be folded.

    Attributes:
        slices: In the order of days.
        tag_columns: The column of each tag key in the slices' queries.
        problems: Files that cannot be used, repeated calls.
        rows: Rows in all files, faulty and repeated ones among them: the control total of the fold.
        duplicates: Rows that the slices leave out because the same call is there already.
    """

    slices: tuple[UsageSlice, ...]
    tag_columns: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    rows: int = 0
    duplicates: int = 0


def prepare_usage(
    engine: Engine,
    objects: Sequence[RawFile],
    source: UsageSource,
    *,
    tag_keys: Sequence[str] = (),
    columns: Sequence[str] = (),
    thresholds: Sequence[int] = (),
    provider_sql: Callable[[str], str] = canonical_provider,
    staging: Path,
    rows_per_slice: int | None = None,
    known: Callable[[UsageSlice], int | None] = lambda _: None,
) -> PreparedUsage:
    """Plan the one read of a usage source.

    A slice's query yields the columns of `USAGE`, the columns asked for, the tag columns, `context_bracket`
    (how many thresholds the call's input exceeds), `fault` (NULL for a good row), `source_file`, `source_row`
    and `excerpt`. What a caller does not select is not read.

    Args:
        engine: To read with; it needs no tables.
        objects: The source's files.
        source: Its declaration.
        tag_keys: Keys of tags that are evidence.
        columns: Further columns of the files that are evidence; text.
        thresholds: Input token counts at which prices change for the whole request.
        provider_sql: Makes a provider expression canonical.
        staging: A folder for conversions; it must live until the slices are folded.
        rows_per_slice: About how many rows may be folded at once; the engine's own number if not given.
        known: How many rows of a slice are repeated, if it was looked through before; else None.

    Returns:
        The slices, and every problem found on the way; nothing is raised for the user's data.
    """
    wanted = _wanted(source, tag_keys, columns, thresholds, provider_sql)
    con, limit = engine.desk.connection, rows_per_slice or engine.rows_per_slice
    files: list[UsageFile] = []
    problems: list[Problem] = []
    for raw in sorted(objects, key=lambda one: one.name):
        opened = open_file(con, raw, source, wanted, staging, plain_only=engine.plain_calls_only)
        if isinstance(opened, Problem):
            problems.append(opened)
        else:
            files.append(opened)
    slices, dropped, unread = [], 0, 0
    for number, span in enumerate(plan_spans(files, limit)):
        slice_ = _slice(con, span, source, wanted)
        slice_ = replace(slice_, origin=slice_.sql)
        before = known(slice_)
        if before is not None:
            dropped += before
            slices.append(replace(slice_, rows=slice_.rows - before, repeated=before))
            continue
        try:
            repeats = _repeats(engine, slice_, staging / f"{source.name}-repeats-{number}.parquet")
        except engine.failures as error:
            problems.append(usage_unreadable(con, slice_, error))
            unread += slice_.rows
            continue
        if repeats:
            repeated = sum(file.rows for file in repeats)
            dropped += repeated
            slice_ = replace(slice_, sql=_without(slice_.sql, repeats), rows=slice_.rows - repeated, repeated=repeated)
        slices.append(slice_)
    if dropped:
        problems.append(_repeated(source.name, dropped))
    rows = sum(file.rows for file in files) - unread
    return PreparedUsage(tuple(slices), wanted.tag_columns, tuple(problems), rows, dropped)


def tag_columns(keys: Sequence[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A column name for each tag key: `tag_` and the key in plain letters.

    Args:
        keys: Of tags, as received.
        taken: Names that are no longer free; two keys never share one either.
    """
    used = {name.lower() for name in taken}
    out: dict[str, str] = {}
    for key in dict.fromkeys(keys):
        plain = "tag_" + re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")
        name, number = plain, 2
        while name in used:
            name, number = f"{plain}_{number}", number + 1
        used.add(name)
        out[key] = name
    return out


def usage_quarantine(con: duckdb.DuckDBPyConnection, slice_: UsageSlice) -> int:
    """List a slice's faulty rows in the table `quarantine`.

    To be called only where the fold saw a fault, because it reads the slice again.

    Args:
        con: A connection that has the table.
        slice_: Whose fold saw a fault.

    Returns:
        How many rows were listed.
    """
    reasons = " ".join(
        f"WHEN fault LIKE {literal(pattern)} THEN {literal(slug)}"
        for slug, patterns in _REASONS.items()
        for pattern in patterns
    )
    listed = con.execute(
        "INSERT INTO quarantine BY NAME SELECT 'usage' AS table_name, source, source_file, source_row,"
        f" CASE {reasons} END AS reason, fault AS detail, excerpt FROM ({slice_.sql})"
        " WHERE fault IS NOT NULL ORDER BY source_file, source_row"
    ).fetchall()
    return int(listed[0][0])


def usage_unreadable(con: duckdb.DuckDBPyConnection, slice_: UsageSlice, error: Exception) -> Problem:
    """The Problem behind an engine's error while a slice was read: which file is damaged.

    Args:
        con: A connection to read with.
        slice_: The slice whose fold failed.
        error: What the engine said.

    Raises:
        Exception: The error itself, where it is none of DuckDB's and every file can be read.
    """
    for name, path in slice_.files:
        try:
            con.execute(f"SELECT sum(hash(COLUMNS(*))) FROM {scan_parquet([path])}").fetchall()
        except duckdb.Error as own:
            return unreadable(name, own)
    if not isinstance(error, duckdb.Error):
        raise error
    return unreadable(slice_.files[0][0] if slice_.files else slice_.source, error)


def _wanted(
    source: UsageSource,
    tag_keys: Sequence[str],
    columns: Sequence[str],
    thresholds: Sequence[int],
    provider_sql: Callable[[str], str],
) -> Wanted:
    own = {*USAGE, "fault", "context_bracket", "source_file", "source_row", "excerpt"}
    others = [name for name in dict.fromkeys(columns) if name not in own]
    return Wanted(
        source=source.name,
        tokens=source.tokens,
        tag_columns=tag_columns(tag_keys, [*own, *others]),
        other_columns=others,
        thresholds=tuple(sorted(set(thresholds))),
        provider_sql=provider_sql,
        date_format=source.constants.get("date_format"),
    )


def _slice(con: duckdb.DuckDBPyConnection, span: Span, source: UsageSource, wanted: Wanted) -> UsageSlice:
    """The query of a span: one SELECT for the files of each kind."""
    parts: dict[tuple[str, str], list[UsageFile]] = {}
    for file in span.files:
        parts.setdefault((file.kind, span.part(file)), []).append(file)
    queries = []
    missing: list[frozenset[str]] = []
    for (_, part), files in parts.items():
        where = None
        if files[0].staged:
            scan = scan_parquet(f.path for f in files)
            shape = Shape(scan, {"called_at": "called_at"}, {"called_at": "TIMESTAMP"})
        else:
            shape = shape_of(con, files, source, wanted)
        if part != "whole" and span.start and span.end:
            where = in_span(shape, span.start, span.end, odd=part == "days and odd")
        if files[0].staged:
            queries.append(
                f"SELECT {names(output_columns(wanted))} FROM {shape.scan}{f' WHERE {where}' if where else ''}"
            )
            missing.append(frozenset())
        else:
            missing.append(absent(shape, wanted))
            queries.append(canonical(shape, wanted, where=where))
    return UsageSlice(
        source.name,
        span.start or _NOT_DATED.start,
        span.end or _NOT_DATED.start + timedelta(days=1),
        Period.of(span.start) if span.start else _NOT_DATED,
        "\nUNION ALL\n".join(queries),
        span.rows,
        tuple((f.name, f.path) for f in span.files),
        frozenset.intersection(*missing),
    )


def _repeats(engine: Engine, slice_: UsageSlice, path: Path) -> list[Written]:
    """Files that list the rows whose call is there already; calls are first told apart by the hash of their id."""
    engine.view_calls("calls_of_slice", slice_.sql)
    several = (
        "SELECT id FROM (SELECT text_hash(call_id) AS id FROM calls_of_slice WHERE call_id IS NOT NULL) AS hashed"
        " GROUP BY id HAVING COUNT(*) > 1"
    )
    if not engine.value(f"SELECT COUNT(*) FROM ({several}) AS several"):
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    written = engine.write_parquet(
        f"SELECT source_file, source_row FROM calls_of_slice WHERE text_hash(call_id) IN ({several})"
        " AND fault IS NULL QUALIFY ROW_NUMBER()"
        " OVER (PARTITION BY provider, call_id ORDER BY source_file, source_row) > 1",
        path,
    )
    return [file for file in written if file.rows]


def _without(sql: str, repeats: Sequence[Written]) -> str:
    return (
        f"SELECT calls.* FROM ({sql}) AS calls ANTI JOIN {scan_parquet(file.path for file in repeats)} AS repeats"
        " ON calls.source_file = repeats.source_file AND calls.source_row = repeats.source_row"
    )


def _repeated(source: str, rows: int) -> Problem:
    noun = "row repeats a call" if rows == 1 else "rows repeat calls"
    return Problem(
        "duplicate-calls",
        f"{rows:,} {noun} of usage source `{source}` that another row has already; each call counts once",
        cure="remove the repeated rows, or leave them: importing twice changes nothing",
        severity="warning",
    )
