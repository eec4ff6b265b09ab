"""Calls of models as one canonical query per slice of days, over files of any layout.

The calls are the big table: they are read once, by whoever folds the slices. Here only file footers are read, and row
formats are converted once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from apportion.errors import Problem
from apportion.normalize.providers import provider_sql as canonical_provider
from apportion.normalize.usage_columns import LOG_COUNTS, LOG_TEXTS, USAGE, Shape, Wanted
from apportion.normalize.usage_files import open_file, shape_of
from apportion.normalize.usage_parquet import UsageFile, scan_parquet
from apportion.normalize.usage_query import absent, canonical, in_span, output_columns
from apportion.normalize.usage_shapes import RawFile, UsageSource
from apportion.normalize.usage_slices import Span, UsageSlice, plan_spans
from apportion.period import Period
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import names

_NOT_DATED = Period(1970, 1)


@dataclass(frozen=True)
class PlannedUsage:
    """A usage source, cut into slices; rows that repeat a call are still in them.

    Attributes:
        source: Its name.
        slices: In the order of days.
        wanted: What is asked of it.
        problems: Files that cannot be used.
        rows: Rows in all files.
        is_log: Whether any file is of the usage log.
        named: Whether any file has ids of calls; a provider's buckets have none.
    """

    source: str
    slices: tuple[UsageSlice, ...]
    wanted: Wanted
    problems: tuple[Problem, ...]
    rows: int
    is_log: bool
    named: bool


def plan_usage(
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
) -> PlannedUsage:
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
    return PlannedUsage(
        source.name,
        tuple(_slice(con, span, source, wanted) for span in plan_spans(files, limit)),
        wanted,
        tuple(problems),
        sum(file.rows for file in files),
        any(file.is_log for file in files),
        any(file.named for file in files),
    )


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
            # A conversion has every column; of what only the usage log says, other files have nothing.
            missing.append(frozenset() if any(file.is_log for file in files) else frozenset(LOG_COUNTS + LOG_TEXTS))
        else:
            missing.append(absent(shape, wanted))
            queries.append(canonical(shape, wanted, where=where))
    sql = "\nUNION ALL\n".join(queries)
    return UsageSlice(
        source.name,
        span.start or _NOT_DATED.start,
        span.end or _NOT_DATED.start + timedelta(days=1),
        Period.of(span.start) if span.start else _NOT_DATED,
        sql,
        span.rows,
        tuple((f.name, f.path) for f in span.files),
        frozenset.intersection(*missing),
        origin=sql,
    )
