"""What Parquet files say of themselves: days, rows and which checks can be left out, from their footers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from apportion.normalize.usage_columns import EARLIEST, LATEST, Facts, Shape, instant
from apportion.normalize.usage_query import out_of_range
from apportion.warehouse.quoting import literal

_WIDE = timedelta(days=31)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class UsageFile:
    """One file that is ready to be read in slices.

    Attributes:
        name: As the user wrote it.
        path: What is read: the file itself or its conversion.
        rows: How many records it has, broken ones included.
        first: The first day with a call; None where no row has a usable instant.
        last: The last day with one.
        odd: Whether rows without a usable instant may be in it.
        chunks: First day, last day and rows of each part that is read as a whole.
        kind: Files of the same kind have the same columns and types.
        staged: Whether it already has the usage columns.
        is_log: Whether it is of the usage log.
        named: Whether it may have ids of calls; a provider's buckets have none.
        facts: What its statistics say, by our column name.
    """

    name: str
    path: Path
    rows: int
    first: date | None
    last: date | None
    odd: bool
    chunks: tuple[tuple[date, date, int], ...]
    kind: str
    staged: bool
    is_log: bool = False
    named: bool = True
    facts: Mapping[str, Facts] = field(default_factory=dict)


def scan_parquet(paths: Iterable[Path]) -> str:
    """The text after FROM that reads some Parquet files."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


def look(con: duckdb.DuckDBPyConnection, name: str, path: Path, shape: Shape) -> UsageFile:
    """A Parquet file with native instants, as its footer tells it.

    Args:
        con: A connection to read with.
        name: The file as the user wrote it.
        path: Where it lies.
        shape: Of this file.
    """
    meta = pq.read_metadata(path)
    kind = f"{meta.schema.to_arrow_schema().remove_metadata()}"
    facts = _facts(meta, shape)
    chunks = _chunks(meta, shape.columns["called_at"].strip('"'))
    odd = facts.get("called_at", Facts()).nulls
    if chunks is None or _doubtful(chunks):
        chunks, odd = days_of(con, shape)
        facts.pop("called_at", None)
    first = min((one for one, _, _ in chunks), default=None)
    last = max((one for _, one, _ in chunks), default=None)
    return UsageFile(
        name, path, meta.num_rows, first, last, odd, chunks, kind, staged=False, is_log=shape.is_log,
        named="call_id" in shape.columns and not is_empty(meta, shape.columns["call_id"].strip('"')), facts=facts,
    )  # fmt: skip


def is_empty(meta: pq.FileMetaData, column: str) -> bool:
    """Whether a file's statistics say that a column of it has no value at all."""
    places = [i for i in range(meta.num_columns) if meta.schema.column(i).path == column]
    parts = [meta.row_group(group).column(i).statistics for group in range(meta.num_row_groups) for i in places]
    if not parts or any(part is None or not part.has_null_count for part in parts):
        return False
    return bool(sum(part.null_count for part in parts if part) == meta.num_rows)


def _doubtful(chunks: Sequence[tuple[date, date, int]]) -> bool:
    """Whether statistics are impossible or too wide to plan slices by."""
    return any(first < EARLIEST or last >= LATEST or last - first > _WIDE for first, last, _ in chunks)


def days_of(con: duckdb.DuckDBPyConnection, shape: Shape) -> tuple[tuple[tuple[date, date, int], ...], bool]:
    """The days that have calls, and whether there are rows without a usable instant; one column is read."""
    column, kind = shape.columns["called_at"], shape.types["called_at"]
    rows = con.execute(
        f"SELECT CASE WHEN NOT ({out_of_range(shape)})"
        f" THEN CAST({instant(column, kind, None)} AS DATE) END AS first_day, count(*)"
        f" FROM {shape.scan} GROUP BY ALL ORDER BY 1"
    ).fetchall()
    return tuple((day, day, count) for day, count in rows if day), any(day is None for day, _ in rows)


def merge(many: Sequence[Facts | None]) -> Facts | None:
    """What is known of a column over several files: only what is known in every one."""
    known = [facts for facts in many if facts]
    if len(known) != len(many):
        return None
    low, high = _ends([facts.low for facts in known], [facts.high for facts in known])
    return Facts(any(facts.nulls for facts in known), low, high)


def _ends(
    lows: Sequence[int | str | None], highs: Sequence[int | str | None]
) -> tuple[int | str | None, int | str | None]:
    """The lowest and the highest of several ends, where all of them are numbers or all are texts."""
    numbers = [one for one in (*lows, *highs) if isinstance(one, int)]
    texts = [one for one in (*lows, *highs) if isinstance(one, str)]
    if numbers and len(numbers) == len(lows) + len(highs):
        return min(numbers), max(numbers)
    if texts and len(texts) == len(lows) + len(highs):
        return min(texts), max(texts)
    return None, None


def _facts(meta: pq.FileMetaData, shape: Shape) -> dict[str, Facts]:
    """What the file's statistics say of the columns that we use."""
    plain = {name: sql[1:-1].replace('""', '"') for name, sql in shape.columns.items() if sql.startswith('"')}
    places = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
    groups = meta.num_row_groups
    out = {}
    for name, column in plain.items():
        if column not in places or name == "tags":
            continue
        parts = [meta.row_group(group).column(places[column]).statistics for group in range(groups)]
        nulls = any(part is None or not part.has_null_count or part.null_count > 0 for part in parts)
        told = [part for part in parts if part is not None and part.has_min_max]
        lows = [_plain(part.min_raw, part.physical_type) for part in told]
        highs = [_plain(part.max_raw, part.physical_type) for part in told]
        low, high = _ends(lows, highs) if len(told) == len(parts) else (None, None)
        out[name] = Facts(nulls, low, high)
    return out


def _plain(value: object, physical: str) -> int | str | None:
    if physical in ("INT32", "INT64"):
        return value if isinstance(value, int) else None
    if physical == "BYTE_ARRAY":
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return None


def _chunks(meta: pq.FileMetaData, column: str) -> tuple[tuple[date, date, int], ...] | None:
    """First day, last day and rows of each row group; None where the statistics do not say."""
    names = [meta.schema.column(i).path for i in range(meta.num_columns)]
    if column not in names:
        return None
    place = names.index(column)
    kind = meta.schema.to_arrow_schema().field(column).type
    out = []
    for group in range(meta.num_row_groups):
        part = meta.row_group(group)
        stats = part.column(place).statistics
        if stats is None or not stats.has_min_max or not isinstance(stats.min_raw, int):
            return None
        low, high = (_day(value, kind) for value in (stats.min_raw, stats.max_raw))
        if low is None or high is None:
            return None
        out.append((low, high, part.num_rows))
    return tuple(out)


def _day(value: int, kind: pa.DataType) -> date | None:
    try:
        if pa.types.is_date32(kind):
            return _EPOCH.date() + timedelta(days=value)
        if pa.types.is_timestamp(kind):
            return (_EPOCH + timedelta(seconds=value // _A_SECOND[kind.unit])).date()
    except OverflowError:
        return None
    return None
