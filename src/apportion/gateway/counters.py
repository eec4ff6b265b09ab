"""Counters that all workers of a machine share: each writes its own file, and reads those of the others.

A file is memory of its one writer, so that no call waits for a lock. A sum over the files is what has been used; it is
whole after any worker was killed, because the pages belong to the file and not to the process. What a dead worker had
reserved is not counted any more: its calls have ended. One more file has a byte for each of them, which its writer
moves on when it begins or goes on in another file: who comes is seen before it has let the first call through.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from apportion.gateway.counter_file import MOST_FILES, CounterFile, Total, is_free, labels_of
from apportion.gateway.telling import tell


class Counters:
    """The counters of a worker, and a view over those of all.

    Args:
        folder: Of the files; made if it is not there.
        now: In seconds of the epoch; counters that ended before it are not taken over.

    Raises:
        OSError: The folder cannot be used.
    """

    def __init__(self, folder: Path, now: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._now = now
        self._changes = _Changes(folder)
        self._own = CounterFile.take(folder, now)
        self._changes.tell(self._own.number)
        self._others: dict[Path, CounterFile] = {}
        self._full = False
        self.look()

    def total(self, key: bytes) -> Total:
        """What all workers have of a counter."""
        if self._changes.are_there:
            self._see()
        if not self._others:
            return self._own.row(key)
        settled, reserved, mark = self._own.row(key)
        for other in self._others.values():
            more = other.row(key)
            settled += more.settled
            mark = max(mark, more.mark)
            if other.living:
                reserved += more.reserved
        return Total(settled, reserved, mark)

    def add(self, key: bytes, ends: float, label: tuple[str, ...], *, settled: int = 0, reserved: int = 0) -> None:
        """Change this worker's part of a counter.

        Args:
            key: Of 16 bytes.
            ends: When nobody asks for it any more, in seconds of the epoch.
            label: What it counts, for those who look at it from outside.
            settled: More of it, or less; it is there before what was reserved goes.
            reserved: The same.
        """
        if not self._own.add(key, settled, reserved) and self._has_room():
            self._own.begin(key, ends, label)
            self._own.add(key, settled, reserved)

    def mark(self, key: bytes, ends: float, label: tuple[str, ...], at_milliseconds: int) -> None:
        """Set the instant of a counter."""
        if not self._own.mark(key, at_milliseconds) and self._has_room():
            self._own.begin(key, ends, label)
            self._own.mark(key, at_milliseconds)

    def _has_room(self) -> bool:
        """Whether a counter can be added; a disk that is full holds up no call, and is told of once."""
        if not self._own.has_room:
            self._grow()
        if not self._own.has_room and not self._full:
            self._full = True
            message = f"there is no room in {self._folder} for another counter: limits do not see calls of new values"
            tell("counters-full", message, level=logging.ERROR)
        return self._own.has_room

    def _grow(self) -> None:
        before = self._own
        with contextlib.suppress(OSError):
            self._own = self._own.roomy(self._now)
        if self._own is not before:
            self._changes.tell(self._own.number)

    def look(self, now: float | None = None) -> None:
        """See which other workers there are; to be called now and then."""
        self._now = now if now is not None else self._now
        self._grow()
        self._see()

    def _see(self) -> None:
        self._changes.seen()
        there = set(self._folder.glob("*.counts"))
        for path in set(self._others) - there:
            self._others.pop(path).close()
        for path in there - {self._own.path}:
            known = self._others.get(path)
            if known is None or known.moved:
                if known is not None:
                    known.close()
                    del self._others[path]
                with contextlib.suppress(OSError, ValueError):
                    self._others[path] = CounterFile.see(path)
            if path in self._others:
                self._others[path].living = not is_free(path)

    def close(self) -> None:
        """Leave; what was settled stays."""
        self._own.close()
        for other in self._others.values():
            other.close()
        self._changes.close()


def totals(folder: Path) -> Iterator[tuple[tuple[str, ...], Total]]:
    """Every counter that is in use on this machine, with what it counts; for those who only look.

    Args:
        folder: Of the files.
    """
    found: dict[tuple[str, ...], Total] = {}
    for path in sorted(folder.glob("*.counts")):
        try:
            file = CounterFile.see(path)
        except (OSError, ValueError):
            continue
        living = not is_free(path)
        labels = labels_of(path)
        for key in file.every():
            label = labels.get(key.hex())
            if label is not None:
                row, before = file.row(key), found.get(label, Total(0, 0, 0))
                reserved = before.reserved + (row.reserved if living else 0)
                found[label] = Total(before.settled + row.settled, reserved, max(before.mark, row.mark))
        file.close()
    yield from found.items()


class _Changes:
    """Which workers came or went on in another file, as all of them see it."""

    def __init__(self, folder: Path) -> None:
        descriptor = os.open(folder / "changes", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, MOST_FILES)
            self._memory = mmap.mmap(descriptor, MOST_FILES)
        finally:
            os.close(descriptor)
        self._seen = b""

    @property
    def are_there(self) -> bool:
        """Whether something has changed since it was last looked at."""
        return self._memory[:] != self._seen

    def tell(self, number: int) -> None:
        """Say that a worker's file is there now; its writer alone says so, before it writes to it."""
        self._memory[number] = (self._memory[number] + 1) % 256

    def seen(self) -> None:
        """Take note; what changes while the files are being looked at is seen the next time."""
        self._seen = self._memory[:]

    def close(self) -> None:
        """Let it go."""
        self._memory.close()
