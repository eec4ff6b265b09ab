"""The bytes of a text file, looked at once before any of it is read: nothing is half read.

A truncated archive, a foreign encoding or a binary file is found here, with the line it happens in, so that
no row of such a file gets into a table.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

_CHUNK_BYTES: Final = 1 << 20
_HEADER_LIMIT: Final = 1 << 22
_DELIMITERS: Final = (",", ";", "\t", "|")


class UnreadableFile(Exception):  # noqa: N818 - it says what the file is, and is turned into a Problem at once
    """A file of which nothing can be used.

    Args:
        reason: What is wrong with it, with the place where known.
        cure: What to do about it.
    """

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cure = cure


@dataclass(frozen=True)
class Header:
    """The first record of a delimited file.

    Attributes:
        names: One per column, unique without regard to case; an unnamed one is `column_<n>`.
        doubled: Names that the file gives to more than one column.
        delimiter: What stands between values.
        rows: Whether anything follows.
    """

    names: tuple[str, ...]
    doubled: tuple[str, ...]
    delimiter: str
    rows: bool


def open_bytes(path: Path, *, packed: bool) -> IO[bytes]:
    """The file's content, unpacked if it is gzip."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def check(path: Path, *, packed: bool) -> int:
    """Read a whole text file once and see that it can be read.

    Returns:
        How many double quotes it holds: an odd number may mean that one is left open.

    Raises:
        UnreadableFile: It is truncated, damaged, not UTF-8, binary, or cannot be opened.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, quotes = 1, 0
    try:
        with open_bytes(path, packed=packed) as file:
            start = True
            while chunk := file.read(_CHUNK_BYTES):
                if start:
                    _check_encoding(chunk)
                    start = False
                if (at := chunk.find(b"\0")) >= 0:
                    line += chunk.count(b"\n", 0, at)
                    raise UnreadableFile(
                        f"a NUL byte stands in line {line:,}",
                        "export it again as text; a NUL byte is no part of CSV or JSON",
                    )
                if not chunk.isascii() or decoder.getstate()[0]:
                    _decode(decoder, chunk, line)
                line += chunk.count(b"\n")
                quotes += chunk.count(b'"')
            _decode(decoder, b"", line, final=True)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile(
            f"the gzip archive is truncated or damaged after line {line:,}",
            "copy or export the file again; it did not arrive whole",
        ) from error
    except OSError as error:
        raise UnreadableFile(
            f"it cannot be read: {error.strerror or error}", "check that this account may read the file"
        ) from error
    return quotes


def _check_encoding(chunk: bytes) -> None:
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnreadableFile("it is UTF-16, not UTF-8", "save or export it as UTF-8")
    if chunk.startswith(b"PK\x03\x04"):
        raise UnreadableFile("it is a ZIP archive or a workbook, not text", "unpack it, or export it as CSV")
    if chunk.startswith(b"\x1f\x8b"):
        raise UnreadableFile("it is a gzip archive, but its name does not say so", "rename it to end in .gz")


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, line: int, *, final: bool = False) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        number = line + chunk.count(b"\n", 0, error.start)
        raise UnreadableFile(
            f"line {number:,} is not UTF-8 (byte 0x{error.object[error.start]:02x})",
            "save or export it as UTF-8",
        ) from error


def read_header(path: Path, *, packed: bool, delimiter: str | None = None) -> Header:
    """The header of a delimited file that has been checked.

    Args:
        path: The file.
        packed: Whether it is gzip.
        delimiter: What stands between values; found out if not given.

    Raises:
        UnreadableFile: There is no header, or it never ends.
    """
    with open_bytes(path, packed=packed) as file:
        start = file.read(_HEADER_LIMIT)
        more = bool(file.read(1))
    text = start.decode("utf-8-sig", errors="ignore")
    if not text.strip():
        raise UnreadableFile("it holds no header and no rows", "export it again, or delete it")
    sign = delimiter or _delimiter(text)
    stream = io.StringIO(text, newline="")
    try:
        cells = next(row for row in csv.reader(stream, delimiter=sign) if row)
    except (StopIteration, csv.Error) as error:
        raise UnreadableFile(f"its header cannot be read: {error}", "export it again as CSV") from error
    rest = stream.read()
    if not rest and more:
        raise UnreadableFile("its header never ends: a quote is left open", "close the quote in the first line")
    return Header(*_unique(cells), sign, bool(rest.strip()) or more)


def ends_in_quotes(path: Path, *, packed: bool, delimiter: str) -> bool:
    """Whether the last line of a delimited file opens a quote that nothing closes, as a file does that was cut off.

    Args:
        path: A file that has been checked.
        packed: Whether it is gzip.
        delimiter: What stands between values.
    """
    tail = b""
    with open_bytes(path, packed=packed) as file:
        if not packed:
            file.seek(max(0, path.stat().st_size - _CHUNK_BYTES))
        while chunk := file.read(_CHUNK_BYTES):
            tail = (tail + chunk)[-_CHUNK_BYTES:]
    line = tail.rstrip(b"\r\n").rpartition(b"\n")[2].decode("utf-8", errors="ignore")
    try:
        list(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _delimiter(text: str) -> str:
    """The most frequent candidate in the first line, outside quotes."""
    line = text.lstrip("\r\n").splitlines()[0]
    outside = "".join(line.split('"')[::2])
    counts = {sign: outside.count(sign) for sign in _DELIMITERS}
    return max(_DELIMITERS, key=lambda sign: (counts[sign], -_DELIMITERS.index(sign)))


def _unique(cells: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names without spaces around them, each once without regard to case, and those that came twice."""
    names: list[str] = []
    doubled: list[str] = []
    seen: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        wanted = cell.strip() or f"column_{number}"
        name, turn = wanted, 1
        while name.lower() in seen:
            turn += 1
            name = f"{wanted}_{turn}"
        if turn > 1:
            doubled.append(wanted)
        seen.add(name.lower())
        names.append(name)
    return tuple(names), tuple(dict.fromkeys(doubled))


def unique_names(cells: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names made unique without regard to case, and those that came more than once."""
    return _unique(cells)
