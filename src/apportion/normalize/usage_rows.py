"""Row formats of calls (CSV, JSON): converted once, in one pass, to Parquet with the usage columns.

Records that cannot be split into columns become faulty rows, so that the fold counts them like all others.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from apportion.errors import Problem
from apportion.normalize.json_document import document_records
from apportion.normalize.usage_columns import BUCKETS, Shape, Wanted, pointer
from apportion.normalize.usage_parquet import UsageFile, days_of, is_empty, scan_parquet
from apportion.normalize.usage_query import canonical
from apportion.normalize.usage_shapes import BROKEN, RECORD, UnusableError, UsageSource, find_shape, no_calls
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as name_of

_DELIMITERS = ",;\t|"
_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class Conversion:
    """One file on its way to Parquet.

    Attributes:
        con: A connection; settings that it changes are put back.
        name: The file as the user wrote it.
        path: Where it lies.
        source: Its source.
        want: What is asked of it.
        staging: The folder of conversions.
    """

    con: duckdb.DuckDBPyConnection
    name: str
    path: Path
    source: UsageSource
    want: Wanted
    staging: Path

    def csv(self) -> UsageFile:
        """Convert a CSV file; records of the wrong width become faulty rows.

        Raises:
            UnusableError: The header cannot be used.
        """
        try:
            return self._csv(strict=True)
        except duckdb.InvalidInputException as error:
            # Line ends of both kinds in one file are read only without the strict mode.
            if "strict_mode" not in str(error):
                raise
            return self._csv(strict=False)

    def jsonl(self) -> UsageFile:
        """Convert a file of one JSON object per line; lines that are none become faulty rows.

        Raises:
            UnusableError: A needed column is missing, or there is no line at all.
        """
        if _blank(self.path):
            raise UnusableError(no_calls(self.name, "the file has no lines"))
        lines = f"read_json_objects({literal(str(self.path))}, format='newline_delimited', ignore_errors=true)"
        return self._objects(lines, "the line is not a JSON object")

    def document(self, *, packed: bool) -> UsageFile:
        """Convert a file that is one JSON document; records that are no objects become faulty rows.

        Args:
            packed: Whether it is gzip.

        Raises:
            UnreadableFile: It holds no records.
            UnusableError: A needed column is missing, or there is no record at all.
        """
        records = document_records(self.path, packed=packed)
        if not records:
            raise UnusableError(no_calls(self.name, "the document has no records"))
        self.con.register("_document", pa.table({"json": pa.array(records, pa.string())}))
        try:
            return self._objects(
                "(SELECT CAST(json AS JSON) AS json FROM _document)", "the record is not a JSON object"
            )
        finally:
            self.con.unregister("_document")

    def _objects(self, lines: str, otherwise: str) -> UsageFile:
        """Convert the JSON values of a relation, each key of them a column."""
        found = self.con.execute(
            "SELECT DISTINCT unnest(json_keys(json)) AS key"
            f" FROM (SELECT json FROM {lines} WHERE json_type(json) = 'OBJECT') ORDER BY key"
        ).fetchall()
        paths = {str(row[0]): pointer(str(row[0])) for row in found}
        for theirs in self.source.columns.values():
            head, *rest = theirs.split(".")
            if rest and theirs not in paths and head in paths:
                paths[theirs] = pointer(head) + "".join(pointer(part) for part in rest)
        # Spellings that differ in case alone are one column, as in a header.
        spelled: dict[str, list[int]] = {}
        for place, key in enumerate(paths, start=1):
            spelled.setdefault(key.lower(), []).append(place)
        columns = "".join(
            f", COALESCE({', '.join(f'found[{place}]' for place in places)}) AS {name_of(key)}"
            for key, places in spelled.items()
        )
        listed = ", ".join(literal(path) for path in paths.values())
        values = f"json_extract_string(json, [{listed}])" if paths else "NULL::VARCHAR[]"
        scan = (
            f"(SELECT {name_of(RECORD)}, {name_of(BROKEN)}{columns} FROM (SELECT {values} AS found,"
            f" row_number() OVER () AS {name_of(RECORD)},"
            " CASE WHEN json IS NULL OR json_type(json) <> 'OBJECT'"
            f" THEN {literal(otherwise)} END AS {name_of(BROKEN)} FROM {lines}))"
        )
        with self._ordered():
            return self.stage(self._shape(scan, broken_sql=name_of(BROKEN)))

    def stage(self, shape: Shape) -> UsageFile:
        """Write the usage columns of a file to Parquet, in one pass."""
        self.staging.mkdir(parents=True, exist_ok=True)
        key = f"{self.source.name}\0{self.name}\0{self.path}"
        target = self.staging / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.parquet"
        self.con.execute(
            "COPY (SELECT * REPLACE (CASE WHEN fault IS NOT NULL THEN excerpt END AS excerpt)"
            f" FROM ({canonical(shape, self.want)})) TO {literal(str(target))} (FORMAT parquet)"
        )
        return self._staged(target, shape)

    def _csv(self, *, strict: bool) -> UsageFile:
        names, delimiter = _header(self.path)
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        options = (
            f"{literal(str(self.path))}, auto_detect=false, header=true, columns={{{columns}}},"
            f" delim={literal(delimiter)}, quote='\"', escape='\"', nullstr=['', 'NULL'],"
            f" strict_mode={str(strict).lower()}"
        )
        # Found without the rejects table, which every mere look at the columns would make.
        shape = self._shape(f"(SELECT *, 1 AS {name_of(RECORD)} FROM read_csv({options}))")
        scan = (
            f"(SELECT *, row_number() OVER () + 1 AS {name_of(RECORD)} FROM read_csv({options},"
            " store_rejects=true, rejects_table='usage_rejects', rejects_scan='usage_reject_scans'))"
        )
        self._drop_rejects()
        try:
            with self._ordered():
                file = self.stage(replace(shape, scan=scan))
            return self._with_rejects(file)
        finally:
            self._drop_rejects()

    def _shape(self, scan: str, broken_sql: str | None = None) -> Shape:
        return find_shape(
            self.con,
            scan,
            self.source,
            self.want,
            name_sql=literal(self.name),
            row_sql=name_of(RECORD),
            broken_sql=broken_sql,
        )

    def _staged(self, path: Path, read: Shape) -> UsageFile:
        meta = pq.read_metadata(path)
        shape = Shape(scan_parquet([path]), {"called_at": "called_at"}, {"called_at": "TIMESTAMP"})
        chunks, odd = days_of(self.con, shape)
        kind = f"staged {meta.schema.to_arrow_schema().remove_metadata()}"
        first, last = (chunks[0][0], chunks[-1][1]) if chunks else (None, None)
        named = "call_id" in read.columns and not is_empty(meta, "call_id")
        return UsageFile(
            self.name, path, meta.num_rows, first, last, odd, chunks, kind, staged=True, is_log=read.is_log, named=named
        )

    def _with_rejects(self, file: UsageFile) -> UsageFile:
        """Put the records that could not be split into columns beside the others, and number all again."""
        query = "SELECT count(DISTINCT line) FROM usage_rejects"
        rejected = int(self.con.execute(query).fetchall()[0][0])
        if not rejected:
            return file
        path = file.path.with_suffix(".all.parquet")
        zeros = ", ".join(f"0::BIGINT AS {n}" for n in ("calls", *(f"{b}_tokens" for b in BUCKETS)))
        # The text of a broken record is not kept: it may be a piece of a prompt that a stray quote cut open.
        self.con.execute(
            "COPY (WITH rejected AS (SELECT line - row_number() OVER (ORDER BY line) AS before,"
            " row_number() OVER (ORDER BY line) AS behind FROM (SELECT DISTINCT line FROM usage_rejects)),"
            " steps AS (SELECT before, max(behind) AS behind FROM rejected GROUP BY before)"
            " SELECT staged.* REPLACE (source_row + COALESCE(behind, 0) AS source_row)"
            f" FROM {scan_parquet([file.path])} AS staged"
            " ASOF LEFT JOIN steps ON staged.source_row - 1 >= steps.before"
            f" UNION ALL BY NAME SELECT {literal(file.name)} AS source_file, line::BIGINT AS source_row,"
            " 'the row is broken: ' || lower(min(error_type)) AS fault, min(error_message) AS excerpt,"
            f" {literal(self.source.name)} AS source, 0::TINYINT AS context_bracket, {zeros}"
            f" FROM usage_rejects GROUP BY line) TO {literal(str(path))} (FORMAT parquet)"
        )
        return replace(file, path=path, rows=file.rows + rejected, odd=True)

    def _drop_rejects(self) -> None:
        for table in ("usage_rejects", "usage_reject_scans"):
            self.con.execute(f"DROP TABLE IF EXISTS {table}")

    @contextmanager
    def _ordered(self) -> Iterator[None]:
        """Row numbers are only true while the engine keeps the order of a file."""
        before = self.con.execute("SELECT current_setting('preserve_insertion_order')").fetchall()[0][0]
        self.con.execute("SET preserve_insertion_order = true")
        try:
            yield
        finally:
            self.con.execute(f"SET preserve_insertion_order = {str(before).lower()}")


def _bytes(path: Path) -> io.BufferedIOBase:
    """A file's content, unpacked if it is packed."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _blank(path: Path) -> bool:
    """Whether there is nothing but blanks in a file."""
    with _bytes(path) as stream:
        while chunk := stream.read(_HEADER_BYTES):
            if chunk.strip():
                return False
    return True


def _header(path: Path) -> tuple[list[str], str]:
    """The column names of a CSV file and what separates them.

    Raises:
        UnusableError: There is no header, or a column name is there twice.
    """
    with _bytes(path) as stream:
        start = stream.read(_HEADER_BYTES)
    lines = start.decode("utf-8-sig", "replace").splitlines()
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise UnusableError(no_calls(path.name, "the file has no header and no rows"))
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = max(_DELIMITERS, key=bare.count)
    names = next(csv.reader(io.StringIO(first), delimiter=delimiter))
    names = [name.strip() or f"column {place}" for place, name in enumerate(names, start=1)]
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            message = f"the header names the column {name!r} twice"
            raise UnusableError(Problem("column-twice", message, cure="rename or remove one of them"))
        seen.add(name.lower())
    return names, delimiter
