"""Files of calls, made ready to be read in slices: Parquet where it lies, everything else converted once."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from apportion.errors import Place, Problem
from apportion.normalize.bytestream import UnreadableFile
from apportion.normalize.usage_columns import INPUTS, Shape, Wanted, is_instant
from apportion.normalize.usage_parquet import UsageFile, look, merge, scan_parquet
from apportion.normalize.usage_rows import Conversion
from apportion.normalize.usage_shapes import RawFile, UnusableError, UsageSource, find_shape, no_calls
from apportion.normalize.usage_slices import UsageSlice
from apportion.warehouse.quoting import literal


def open_file(
    con: duckdb.DuckDBPyConnection,
    raw: RawFile,
    source: UsageSource,
    want: Wanted,
    staging: Path,
    *,
    plain_only: bool = False,
) -> UsageFile | Problem:
    """One file, converted if its format needs it, or why it cannot be used.

    Args:
        con: A connection; settings that it changes are put back.
        raw: The file as collected.
        source: Its source.
        want: What is asked of it.
        staging: A folder for conversions.
        plain_only: Convert Parquet too, unless every column has the type that is meant for it.
    """
    path = Path(raw.local_path)
    conversion = Conversion(con, raw.name, path, source, want, staging)
    try:
        if path.stat().st_size == 0:
            return no_calls(raw.name, "the file is empty (0 bytes)")
        if raw.format == "parquet":
            shape = find_shape(
                con,
                scan_parquet([path]),
                source,
                want,
                name_sql=literal(raw.name),
                row_sql="file_row_number + 1",
            )
            as_it_lies = shape.columns["called_at"].startswith('"') and is_instant(shape.types["called_at"])
            as_it_lies = as_it_lies and (shape.plain or not plain_only)
            file = look(con, raw.name, path, shape) if as_it_lies else conversion.stage(shape)
        elif raw.format.startswith("csv"):
            file = conversion.csv()
        elif raw.format in {"json", "json.gz"}:
            file = conversion.document(packed=raw.format.endswith(".gz"))
        else:
            file = conversion.jsonl()
    except UnusableError as error:
        return replace(error.problem, place=Place(raw.name))
    except UnreadableFile as error:
        message = f"{raw.name!r}: {error.reason}; nothing of it is used"
        return Problem("file-unreadable", message, Place(raw.name), cure=error.cure)
    except (duckdb.Error, pa.ArrowException, OSError, EOFError, UnicodeError, csv.Error) as error:
        return unreadable(raw.name, error)
    return file if file.rows else no_calls(raw.name, "the file has no rows, so it says that there were no calls")


def unreadable(name: str, error: Exception) -> Problem:
    """The problem of a file that the engine cannot read.

    Args:
        name: As the user wrote it.
        error: What was said of it.
    """
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return Problem(
        "file-unreadable",
        f"{name!r} is damaged or cut off: {first[:200]}; nothing of it is used",
        Place(name),
        cure="fetch or export it again",
    )


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


def shape_of(con: duckdb.DuckDBPyConnection, files: Sequence[UsageFile], source: UsageSource, want: Wanted) -> Shape:
    """The shape of Parquet files of one kind, with what the statistics of all of them say."""
    names = ", ".join(f"{literal(str(f.path))}: {literal(f.name)}" for f in files)
    name_sql = literal(files[0].name) if len(files) == 1 else f"map_extract_value(MAP {{{names}}}, filename)"
    known = {name: merge([file.facts.get(name) for file in files]) for name in INPUTS}
    return find_shape(
        con,
        scan_parquet(file.path for file in files),
        source,
        want,
        name_sql=name_sql,
        row_sql="file_row_number + 1",
        facts={name: facts for name, facts in known.items() if facts},
    )
