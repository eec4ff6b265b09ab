"""The first records of a file, as text, read as the product's own readers read them."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from apportion.focus import fold
from apportion.normalize.bytestream import UnreadableFile, check, open_bytes, read_header
from apportion.normalize.json_document import document_records

ROWS = 500


@dataclass(frozen=True)
class Sample:
    """The start of a file.

    Attributes:
        header: Its column names; of JSON the keys, and those of the objects in them with a dot.
        rows: As many values each as there are columns; None where there is none.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    def column(self, name: str) -> list[str]:
        """The values of one column that are there, by any spelling of its name."""
        at = next((n for n, each in enumerate(self.header) if each == name), None)
        if at is None:
            at = next((n for n, each in enumerate(self.header) if fold(each) == fold(name)), None)
        return [] if at is None else [value for row in self.rows if (value := row[at])]


def take(path: Path, form: str) -> Sample:
    """Read the first records of a file.

    A file that is damaged anywhere is refused as a whole, as a run would refuse it.

    Args:
        path: Of the file.
        form: Its format, as `collect` tells it.

    Raises:
        UnreadableFile: Nothing of it can be used.
    """
    if form == "parquet":
        return _parquet(path)
    packed = form.endswith(".gz")
    check(path, packed=packed)
    if form.startswith("csv"):
        return _csv(path, packed=packed)
    if form.startswith("jsonl"):
        with open_bytes(path, packed=packed) as file, io.TextIOWrapper(file, "utf-8-sig") as text:
            return _objects(
                [line for line in itertools.islice(text, ROWS) if line.strip()], "no line of it is a JSON object"
            )
    return _objects(document_records(path, packed=packed)[:ROWS], "no record of it is a JSON object")


def _csv(path: Path, *, packed: bool) -> Sample:
    header = read_header(path, packed=packed)
    with open_bytes(path, packed=packed) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        lines = csv.reader(text, delimiter=header.delimiter)
        try:
            full = (row for row in lines if row)
            next(full, None)
            rows = [_fitted(row, len(header.names)) for row in itertools.islice(full, ROWS)]
        except csv.Error as error:
            raise UnreadableFile(f"it cannot be read as CSV: {error}", "export it again as CSV") from error
    return Sample(header.names, tuple(rows))


def _fitted(row: Sequence[str], width: int) -> tuple[str | None, ...]:
    filled = [value or None for value in row[:width]]
    return (*filled, *[None] * (width - len(filled)))


def _objects(lines: Sequence[str], otherwise: str) -> Sample:
    records = []
    for line in lines:
        try:
            found = json.loads(line, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            records.append(dict(_flat(found)))
    if not records:
        raise UnreadableFile(otherwise, "write one object a line, as .jsonl")
    names = tuple(dict.fromkeys(key for record in records for key in record))
    return Sample(names, tuple(tuple(_text(record.get(name)) for name in names) for record in records))


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each key, and each key of an object in it with a dot: `input.inputTokenCount`."""
    for key, value in found.items():
        yield key, value
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", each) for inner, each in value.items() if f"{key}.{inner}" not in found)


def _parquet(path: Path) -> Sample:
    try:
        file = pq.ParquetFile(path)
        batch = next(file.iter_batches(batch_size=ROWS), None)
    except (pa.ArrowException, OSError) as error:
        reason = f"it is no whole Parquet file: {str(error).splitlines()[0]}"
        raise UnreadableFile(reason, "copy or export the file again; it may not have arrived whole") from error
    names = tuple(file.schema_arrow.names)
    columns = [[_text(value) for value in column.to_pylist()] for column in batch.columns] if batch else []
    return Sample(names, tuple(zip(*columns, strict=True)) if columns else ())


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and value and all(isinstance(each, tuple) for each in value):
        value = dict(value)  # A Parquet map.
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
