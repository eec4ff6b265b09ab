"""The usage log: one JSON line a record, on disk before anybody has the answer that it is about.

A segment is a file that one writer appends to. While it is written its name ends in `.open`; sealed it ends in `.jsonl`
and never changes again, and is read like any usage file. Each line carries the CRC-32 of what stands before it, so that
a line that a crash tore, or a disk spoilt, is told from a whole one. A process that was killed leaves a segment open:
whoever starts next cuts its torn end off, says so, and seals it. Writers hold a lock on what they write, so that
several processes and hosts may share a folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

_OPEN, _SEALED = ".open", ".jsonl"
_CRC: Final = b',"crc":"'
_TAIL: Final = len(_CRC) + 8 + len(b'"}\n')
_ODD: Final = re.compile(r"[^A-Za-z0-9-]+")
# What fits into one segment, and how long one stays open: the first to be reached seals it.
SEAL_BYTES: Final = 64 << 20
SEAL_SECONDS: Final = 300.0
# Records wait for the disk together, no longer than this.
GROUP_SECONDS: Final = 0.005


class LogFullError(OSError):
    """A record could not be written; what was written before is whole."""


@dataclass(frozen=True)
class Recovered:
    """What became of a segment that nobody was writing any more.

    Attributes:
        path: As it is called now; None where it held no whole record and was removed.
        records: Whole lines in it.
        torn_bytes: That were cut off its end.
    """

    path: Path | None
    records: int
    torn_bytes: int


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as it stands in the log."""
    body = orjson.dumps(record)[:-1]
    return b'%b%b%08x"}\n' % (body, _CRC, zlib.crc32(body))


def record_of(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None where the line is torn or spoilt."""
    if len(line) <= _TAIL or line[-_TAIL : -_TAIL + len(_CRC)] != _CRC or not line.endswith(b'"}\n'):
        return None
    body = line[:-_TAIL]
    if b"%08x" % zlib.crc32(body) != line[-11:-3]:
        return None
    try:
        found = orjson.loads(body + b"}")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def read_segment(path: Path) -> Iterator[dict[str, Any] | None]:
    """The records of a segment in their order; None for each line that is not whole."""
    with path.open("rb") as file:
        for line in file:
            yield record_of(line)


class UsageLog:
    """The writer of a process.

    One thread appends; another brings what was appended to the disk. Both are this object's own business: a record is
    in the file, where a killed process leaves it, when `append` returns, and on the disk a few milliseconds later, or
    when `durable` says so.

    Args:
        folder: Of the segments; made if it is not there.
        writer: Names the process, and the host where several share the folder.
        seal_bytes: See `SEAL_BYTES`.
        seal_seconds: See `SEAL_SECONDS`.
        now: The clock.
    """

    def __init__(
        self,
        folder: Path,
        writer: str,
        *,
        seal_bytes: int = SEAL_BYTES,
        seal_seconds: float = SEAL_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._writer = _ODD.sub("-", writer).strip("-") or "gateway"
        self._seal_bytes = seal_bytes
        self._seal_seconds = seal_seconds
        self._now = now
        self._number = 0
        self._segment: _Segment | None = None
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []
        self._wake = threading.Event()
        self._stopped = False
        self._dirty = False
        # For who counts.
        self.written_bytes = 0
        self.sealed_segments = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._syncer = threading.Thread(target=self._sync_forever, name="usage-log", daemon=True)
        self._syncer.start()

    def append(self, records: Sequence[Mapping[str, Any]], durable: Callable[[], None] | None = None) -> None:
        """Write records that belong together: after a crash either all of them are there or none.

        Args:
            records: At least one.
            durable: Called, from another thread, when they are on the disk.

        Raises:
            LogFullError: They cannot be written. Nothing of them is left in the file.
        """
        lines = b"".join(line_of(record) for record in records)
        with self._lock:
            segment = self._segment
            if segment is None or segment.size + len(lines) > self._seal_bytes:
                segment = self._next()
            segment.write(lines)
            segment.records += len(records)
            self.written_bytes += len(lines)
            self._dirty = True
            if durable is not None:
                self._waiting.append(durable)
        # Where it is set already, its thread has yet to look at what is dirty.
        if not self._wake.is_set():
            self._wake.set()

    def tick(self) -> None:
        """Seal a segment that has been open for long; to be called now and then."""
        with self._lock:
            if self._segment is not None and time.monotonic() - self._segment.since >= self._seal_seconds:
                self._seal()

    def close(self) -> None:
        """Bring everything to the disk and seal the segment."""
        self._stopped = True
        self._wake.set()
        self._syncer.join()
        with self._lock:
            self._seal()
        self._tell()

    def _next(self) -> _Segment:
        self._seal()
        self._number += 1
        stamp = self._now().astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{stamp}-{self._writer}-{os.getpid()}-{self._number}"
        try:
            self._segment = _Segment.create(self._folder / f"{name}{_OPEN}")
        except OSError as error:
            raise _full(error) from error
        return self._segment

    def _seal(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        segment.seal()
        self.sealed_segments += bool(segment.records)
        self._dirty = False

    def _sync_forever(self) -> None:
        while not self._stopped:
            self._wake.wait()
            self._wake.clear()
            if not self._stopped:
                time.sleep(GROUP_SECONDS)
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            segment = self._segment if self._dirty else None
            self._dirty = False
            waiting, self._waiting = self._waiting, []
            # A copy of the descriptor: the writer may seal the segment while the disk is at work.
            descriptor = os.dup(segment.descriptor) if segment else None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.fdatasync(descriptor)
            os.close(descriptor)
        for durable in waiting:
            durable()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            durable()


@dataclass
class _Segment:
    """A file that is being written."""

    path: Path
    descriptor: int
    size: int = 0
    records: int = 0
    since: float = field(default_factory=time.monotonic)

    @classmethod
    def create(cls, path: Path) -> _Segment:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _sync_folder(path.parent)
        return cls(path, descriptor)

    def write(self, lines: bytes) -> None:
        """Append whole lines, or nothing."""
        done = 0
        try:
            while done < len(lines):
                done += os.write(self.descriptor, lines[done:] if done else lines)
        except OSError as error:
            if done:
                os.ftruncate(self.descriptor, self.size)
            raise _full(error) from error
        self.size += len(lines)

    def seal(self) -> None:
        """Give the file its last name; an empty one goes."""
        with contextlib.suppress(OSError):
            os.fdatasync(self.descriptor)
        _rename(self.path, self.records)
        os.close(self.descriptor)


def recover(folder: Path) -> list[Recovered]:
    """Seal the segments that nobody is writing any more, each without its torn end.

    Args:
        folder: Of the segments.

    Returns:
        What was found, in the order of the names; a segment that is being written is left alone.
    """
    found = []
    for path in sorted(folder.glob(f"*{_OPEN}")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            # Between the look at the folder and the lock its writer may have sealed it.
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                found.append(_recover(path, descriptor))
        finally:
            os.close(descriptor)
    return found


def _recover(path: Path, descriptor: int) -> Recovered:
    """Cut what stands behind the last whole group of records; a spoilt line before that stays, to be told by a run."""
    end = records = at = group = 0
    with path.open("rb") as file:
        for line in file:
            at += len(line)
            record = record_of(line)
            group = group + 1 if record is not None else 0
            if record is not None and group >= int(record.get("parts", 1)):
                end, records, group = at, records + group, 0
    torn = os.fstat(descriptor).st_size - end
    if torn:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return Recovered(_rename(path, records), records, torn)


def _rename(path: Path, records: int) -> Path | None:
    """Give a segment its last name; None where it is empty and goes."""
    sealed = path.with_suffix(_SEALED)
    if records:
        path.rename(sealed)
    else:
        path.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return sealed if records else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _full(error: OSError) -> LogFullError:
    number = error.errno or errno.EIO
    return LogFullError(number, os.strerror(number), error.filename)
