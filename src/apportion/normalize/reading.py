"""Files into records: every value as the text that was written, with the number of its row.

Nothing is interpreted here, so nothing is lost: decimals keep their digits, ids their leading zeros.
CSV and JSON lines are split by Arrow, which tells of each broken line; JSON numbers keep their text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.csv as pc

from apportion.errors import Place, Problem
from apportion.normalize import quarantine
from apportion.normalize.bytestream import (
    Header,
    UnreadableFile,
    check,
    ends_in_quotes,
    open_bytes,
    read_header,
    unique_names,
)
from apportion.normalize.json_document import document_records
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted
from apportion.warehouse.quoting import names as names_of

RECORDS = "_records"
_BLOCK_BYTES = 8 << 20
# JSON text cannot hold this character unescaped, so no line that parses is cut by it.
_NEVER = "\x01"


class RecordFile(Protocol):
    """What reading needs to know of a collected object."""

    @property
    def source(self) -> str:
        """The name of the source."""

    @property
    def table(self) -> str:
        """What it holds."""

    @property
    def name(self) -> str:
        """As shown to people."""

    @property
    def local_path(self) -> Path:
        """Where its bytes are."""

    @property
    def format(self) -> str:
        """One of csv, csv.gz, jsonl, jsonl.gz, json, json.gz and parquet."""


@dataclass(frozen=True)
class Records:
    """The records of one file.

    Attributes:
        relation: A table with the file's columns as text and `source_row`.
        header: The file's column names.
        rows_in: Records in the file, the broken ones too.
        doubled: Names that the file gives to more than one column.
        parts: Whether a row may be several records, told apart by `source_part`.
    """

    relation: str
    header: tuple[str, ...]
    rows_in: int
    doubled: tuple[str, ...] = ()
    parts: bool = False


def read_records(
    con: duckdb.DuckDBPyConnection, item: RecordFile, *, delimiter: str | None = None
) -> Records | Problem:
    """Read one file into the table `_records`, every column as text, broken lines into quarantine.

    Rows are numbered as people count: a CSV header is row 1, the first record of Parquet or JSON lines is 1.

    Args:
        con: Holds the table `quarantine`.
        item: The file.
        delimiter: Of a CSV file; found out if not given.

    Returns:
        The records, or the problem of a file of which nothing can be used.
    """
    quarantine.prepare(con)
    _have_texts(con)
    con.execute(f"DROP TABLE IF EXISTS {RECORDS}")
    try:
        if item.format == "parquet":
            return _read_parquet(con, item)
        packed = item.format.endswith(".gz")
        quotes = check(item.local_path, packed=packed)
        if item.format.startswith("csv"):
            header = read_header(item.local_path, packed=packed, delimiter=delimiter)
            return _read_csv(con, item, header, odd_quotes=quotes % 2 == 1)
        if item.format in {"json", "json.gz"}:
            return _read_json_document(con, item, packed=packed)
        return _read_json_lines(con, item)
    except UnreadableFile as error:
        con.execute(f"DROP TABLE IF EXISTS {RECORDS}")
        return Problem(
            "file-unreadable",
            f"source {item.source!r}: {item.name!r}: {error.reason}; nothing of it is used",
            place=Place(item.name),
            cure=error.cure,
        )


def _read_csv(con: duckdb.DuckDBPyConnection, item: RecordFile, header: Header, *, odd_quotes: bool) -> Records:
    broken: list[tuple[int, str, str | None]] = []
    unclosed: list[int] = []

    def note(row: Any) -> str:
        if row.text.count('"') % 2:
            unclosed.append(row.number)
        detail = f"the row has {row.actual_columns} values where the header has {row.expected_columns} columns"
        broken.append((row.number, detail, row.text))
        return "skip"

    names = list(header.names)
    if not header.rows:
        columns = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
        con.execute(f"CREATE TABLE {RECORDS} ({columns}, source_row BIGINT)")
        return Records(RECORDS, header.names, 0, header.doubled)
    parse = pc.ParseOptions(
        delimiter=header.delimiter, newlines_in_values=True, ignore_empty_lines=True, invalid_row_handler=note
    )
    rows = _load(con, item, names, parse, broken, first_row=2)
    if odd_quotes and not unclosed:
        # The last row may have swallowed the rest of the file and still have as many values as it should.
        listed = names_of(names)
        unclosed += [
            int(number)
            for (number,) in con.execute(
                f"SELECT source_row FROM {RECORDS} WHERE source_row = (SELECT max(source_row) FROM {RECORDS})"
                f" AND contains(concat_ws(' ', {listed}), chr(10))"
            ).fetchall()
        ]
        packed = item.format.endswith(".gz")
        if not unclosed and ends_in_quotes(item.local_path, packed=packed, delimiter=header.delimiter):
            unclosed.append(int(_one(con, f"SELECT max(source_row) FROM {RECORDS}")))
    if unclosed:
        # Where the quote was meant to close nobody knows, so the rows behind it are not to be trusted either.
        raise UnreadableFile(
            f"a quote that opens in row {unclosed[0]:,} is never closed",
            "close the quote, or export it again",
        )
    held = quarantine.hold(con, item.table, item.source, item.name, broken)
    return Records(RECORDS, header.names, rows + held, header.doubled)


def _load(
    con: duckdb.DuckDBPyConnection,
    item: RecordFile,
    names: list[str],
    parse: pc.ParseOptions,
    broken: list[tuple[int, str, str | None]],
    *,
    first_row: int,
) -> int:
    """Stream a text file into the table of records and say how many rows it got."""
    with open_bytes(item.local_path, packed=item.format.endswith(".gz")) as file:
        try:
            reader = pc.open_csv(
                file,
                read_options=pc.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    column_names=names,
                    skip_rows_after_names=first_row - 1,
                ),
                parse_options=parse,
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
                ),
            )
            schema = pa.schema([*((name, pa.string()) for name in names), ("source_row", pa.int64())])
            numbered = pa.RecordBatchReader.from_batches(schema, _numbered(reader, schema, broken, first_row))
            con.register("_stream", numbered)
            con.execute(f"CREATE TABLE {RECORDS} AS SELECT * FROM _stream")
        except (pa.ArrowInvalid, duckdb.Error) as error:
            raise _unreadable(error) from error
        finally:
            con.unregister("_stream")
    return int(_one(con, f"SELECT count(*) FROM {RECORDS}"))


def _numbered(
    reader: Iterator[pa.RecordBatch],
    schema: pa.Schema,
    broken: list[tuple[int, str, str | None]],
    first_row: int,
) -> Iterator[pa.RecordBatch]:
    """Each batch with the number of each row, the skipped ones left out.

    A broken row's own number is absolute, and it is known before a batch that follows it is handed out.
    """
    skipped: set[int] = set()
    numbers = (number for number in itertools.count(first_row) if number not in skipped)
    for batch in reader:
        skipped.update(row[0] for row in broken[len(skipped) :])
        taken = list(itertools.islice(numbers, batch.num_rows))
        yield pa.RecordBatch.from_arrays([*batch.columns, pa.array(taken, pa.int64())], schema=schema)


def _unreadable(error: Exception) -> UnreadableFile:
    text = str(error).splitlines()[0]
    if "straddling" in text:
        return UnreadableFile(
            f"a row is longer than {_BLOCK_BYTES >> 20} MiB; a quote may be left open",
            "close the quote, or export it again",
        )
    return UnreadableFile(f"it cannot be read: {text}", "export it again")


def _read_json_lines(con: duckdb.DuckDBPyConnection, item: RecordFile) -> Records:
    parse = pc.ParseOptions(delimiter=_NEVER, quote_char=False, newlines_in_values=False, ignore_empty_lines=False)
    _load(con, item, ["line"], parse, [], first_row=1)
    con.execute(f"ALTER TABLE {RECORDS} RENAME TO _lines")
    return _objects(con, item, "the line is no JSON object")


def _read_json_document(con: duckdb.DuckDBPyConnection, item: RecordFile, *, packed: bool) -> Records:
    lines = document_records(item.local_path, packed=packed)
    table = pa.table(
        {"line": pa.array(lines, pa.string()), "source_row": pa.array(range(1, len(lines) + 1), pa.int64())}
    )
    con.register("_document", table)
    con.execute("CREATE OR REPLACE TABLE _lines AS SELECT line, source_row FROM _document")
    con.unregister("_document")
    return _objects(con, item, "the record is no JSON object")


def _objects(con: duckdb.DuckDBPyConnection, item: RecordFile, otherwise: str) -> Records:
    """The objects in `_lines` as records, each key a column."""
    try:
        _sql(con, "json_lines.sql")
        keys = [row[0] for row in con.execute("SELECT name FROM _json_keys ORDER BY place, name").fetchall()]
        names, doubled = unique_names(list(keys))
        paths = ", ".join(literal("/" + key.replace("~", "~0").replace("/", "~1")) for key in keys)
        picked = ", ".join(f"json_text(found[{i}]) AS {quoted(name)}" for i, name in enumerate(names, start=1))
        con.execute(
            f"CREATE TABLE {RECORDS} AS SELECT {picked + ', ' if picked else ''}source_row FROM"
            f" (SELECT json_extract(exact, [{paths}]) AS found, source_row FROM _json_lines WHERE whole)"
            if keys
            else f"CREATE TABLE {RECORDS} AS SELECT source_row FROM _json_lines WHERE whole"
        )
        # A line may hold a prompt where it should hold counts: no excerpt of it is kept (law L10).
        broken = [
            (int(row), otherwise, None)
            for (row,) in con.execute("SELECT source_row FROM _json_lines WHERE NOT whole ORDER BY 1").fetchall()
        ]
        held = quarantine.hold(con, item.table, item.source, item.name, broken)
        rows = int(_one(con, f"SELECT count(*) FROM {RECORDS}"))
    finally:
        con.execute("DROP TABLE IF EXISTS _lines")
        con.execute("DROP TABLE IF EXISTS _json_lines")
        con.execute("DROP TABLE IF EXISTS _json_keys")
    return Records(RECORDS, names, rows + held, doubled)


def _read_parquet(con: duckdb.DuckDBPyConnection, item: RecordFile) -> Records:
    path = literal(str(item.local_path))
    source = f"read_parquet({path}, file_row_number = true, binary_as_string = true)"
    try:
        kinds = con.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {source}").fetchall()
        names, doubled = unique_names([row[0] for row in kinds])
        picked = ", ".join(
            f"{_as_text(quoted(row[0]), str(row[1]))} AS {quoted(name)}" for row, name in zip(kinds, names, strict=True)
        )
        con.execute(f"CREATE TABLE {RECORDS} AS SELECT {picked}, file_row_number + 1 AS source_row FROM {source}")
    except duckdb.Error as error:
        raise UnreadableFile(
            f"it is no whole Parquet file: {str(error).splitlines()[0]}",
            "copy or export the file again; it may not have arrived whole",
        ) from error
    return Records(RECORDS, names, int(_one(con, f"SELECT count(*) FROM {RECORDS}")), doubled)


def _as_text(column: str, kind: str) -> str:
    """A Parquet column as exact text: instants in UTC, nested values as JSON."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST({column} AT TIME ZONE 'UTC' AS VARCHAR)"
    if kind.startswith(("MAP(", "STRUCT(")) or kind.endswith("[]"):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind in {"DOUBLE", "FLOAT"}:
        # The shortest text that names the number; behind the 18th decimal stands noise of the binary form.
        text = f"CAST({column} AS VARCHAR)"
        rounded = f"CAST(TRY_CAST({text} AS DECIMAL(38, 18)) AS VARCHAR)"
        return f"CASE WHEN decimals_of({text}) > 18 THEN coalesce({rounded}, {text}) ELSE {text} END"
    return f"CAST({column} AS VARCHAR)"


def _have_texts(con: duckdb.DuckDBPyConnection) -> None:
    """The functions of `texts.sql`, made once: to make them takes longer than to read most files."""
    try:
        con.execute("SELECT decimals_of('0')").fetchall()
    except duckdb.CatalogException:
        _sql(con, "texts.sql")


def _sql(con: duckdb.DuckDBPyConnection, step: str) -> None:
    con.execute((files("apportion.normalize") / step).read_text(encoding="utf-8"))


def _one(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    return con.execute(query).fetchall()[0][0]
