"""A file of counters: memory of its one writer, which others read as they find it.

An integer is written in one step on every machine that Linux runs on with 64 bits, so that nobody reads half of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

_MAGIC: Final = 0x61706C696D697431
_WORD: Final = 8
_HEAD_WORDS: Final = 8
_ROW_WORDS: Final = 6
_COUNT, _MOVED = 1, 2
_ENDS, _SETTLED, _RESERVED, _MARK = 2, 3, 4, 5
_ROWS: Final = 4096
_MOST: Final = (1 << 63) - 1
MOST_FILES: Final = 1024


class Total(NamedTuple):
    """What all workers together have of a counter.

    Attributes:
        settled: Used for certain.
        reserved: By calls that are on their way.
        mark: The latest instant that was marked, in milliseconds of the epoch.
    """

    settled: int
    reserved: int
    mark: int


class CounterFile:
    """The counters of one worker.

    Args:
        path: Of the file.
        descriptor: Of the file; closed with it.
        memory: Its content.
    """

    def __init__(self, path: Path, descriptor: int, memory: mmap.mmap) -> None:
        self.path = path
        self.living = True
        self._descriptor = descriptor
        self._memory = memory
        self._words = memoryview(memory).cast("q")
        self._rows: dict[bytes, int] = {}
        self._seen = 0
        self._look()

    @classmethod
    def take(cls, folder: Path, now: float) -> CounterFile:
        """The first file that nobody is writing; what its last writer had settled goes on.

        Raises:
            OSError: None can be had.
        """
        for number in range(MOST_FILES):
            path = folder / f"{number:03d}.counts"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            if os.fstat(descriptor).st_ino != _inode(path):
                os.close(descriptor)
                continue
            return cls._taken(path, descriptor).kept(now)
        raise OSError(f"more than {MOST_FILES} workers write counters in {folder}")

    @classmethod
    def _taken(cls, path: Path, descriptor: int) -> CounterFile:
        size = os.fstat(descriptor).st_size
        if not _is_sound(descriptor, size):
            size = (_HEAD_WORDS + _ROWS * _ROW_WORDS) * _WORD
            os.ftruncate(descriptor, 0)
            # With its room on the disk: a page that cannot be had later would kill the process that writes it.
            os.posix_fallocate(descriptor, 0, size)
            os.pwrite(descriptor, struct.pack("q", _MAGIC), 0)
            _label_file(path).write_text("")
        return cls(path, descriptor, mmap.mmap(descriptor, size))

    @classmethod
    def see(cls, path: Path) -> CounterFile:
        """Another worker's file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no file of counters.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        if not _is_sound(descriptor, size):
            os.close(descriptor)
            raise ValueError(f"{path} holds no counters")
        return cls(path, descriptor, mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))

    @property
    def number(self) -> int:
        """Which of the workers writes it."""
        return int(self.path.stem)

    @property
    def moved(self) -> bool:
        """Whether its writer goes on in another file of the same name."""
        return self._words[_MOVED] != 0

    def every(self) -> list[bytes]:
        """The keys of all counters in it."""
        self._look()
        return list(self._rows)

    def row(self, key: bytes) -> Total:
        """What it has of a counter.

        A call that ends while this is being read may count twice, and never not at all: its writer settles it before it
        gives back what it held, so what is held has to be read first.
        """
        words = self._words
        if words[_COUNT] != self._seen:
            self._look()
        at = self._rows.get(key)
        if at is None:
            return _NONE
        reserved = words[at + _RESERVED]
        return Total(words[at + _SETTLED], reserved, words[at + _MARK])

    def add(self, key: bytes, settled: int, reserved: int) -> bool:
        """Change a counter; what is settled is there before what was reserved goes.

        Returns:
            Whether there is such a counter.
        """
        at = self._rows.get(key)
        if at is None:
            return False
        if settled:
            self._words[at + _SETTLED] = min(self._words[at + _SETTLED] + settled, _MOST)
        if reserved:
            self._words[at + _RESERVED] += reserved
        return True

    def mark(self, key: bytes, at_milliseconds: int) -> bool:
        """Set the instant of a counter.

        Returns:
            Whether there is such a counter.
        """
        at = self._rows.get(key)
        if at is None:
            return False
        self._words[at + _MARK] = at_milliseconds
        return True

    def begin(self, key: bytes, ends: float, label: tuple[str, ...]) -> None:
        """Add a counter, for which there has to be room.

        Args:
            key: Of 16 bytes.
            ends: When nobody asks for it any more, in seconds of the epoch.
            label: What it counts, for those who look at it from outside.
        """
        number = self._words[_COUNT]
        at = _HEAD_WORDS + number * _ROW_WORDS
        first, second = struct.unpack("qq", key)
        words = self._words
        words[at], words[at + 1], words[at + _ENDS] = first, second, int(ends)
        words[at + _SETTLED] = words[at + _RESERVED] = words[at + _MARK] = 0
        with contextlib.suppress(OSError), _label_file(self.path).open("a") as file:
            file.write(json.dumps([key.hex(), *label]) + "\n")
        # Only now is it there for the others.
        words[_COUNT] = number + 1
        self._rows[key] = at
        self._seen = number + 1

    @property
    def has_room(self) -> bool:
        """Whether a counter can be added."""
        return len(self._rows) < self._room

    @property
    def _room(self) -> int:
        return (len(self._words) - _HEAD_WORDS) // _ROW_WORDS

    def kept(self, now: float) -> CounterFile:
        """The same file without what has ended and without what was reserved by whoever wrote it before."""
        old = [(key, at) for key, at in self._rows.items() if self._words[at + _ENDS] > now]
        return self._copied(old, reserved=False) if self._rows else self

    def roomy(self, now: float) -> CounterFile:
        """This file, or a copy of it with more room where it is nearly full."""
        if len(self._rows) < self._room * 3 // 4:
            return self
        return self._copied([(k, at) for k, at in self._rows.items() if self._words[at + _ENDS] > now], reserved=True)

    def close(self) -> None:
        """Let it go."""
        self._words.release()
        self._memory.close()
        os.close(self._descriptor)

    def _copied(self, rows: list[tuple[bytes, int]], *, reserved: bool) -> CounterFile:
        """A file in place of this one, with some of its counters."""
        labels = labels_of(self.path)
        beside = self.path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        _label_file(beside).unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        room = max(_ROWS, len(rows) * 2)
        os.posix_fallocate(descriptor, 0, (_HEAD_WORDS + room * _ROW_WORDS) * _WORD)
        os.pwrite(descriptor, struct.pack("q", _MAGIC), 0)
        made = CounterFile(beside, descriptor, mmap.mmap(descriptor, os.fstat(descriptor).st_size))
        for key, at in rows:
            label = labels.get(key.hex(), ())
            held = self._words[at + _RESERVED] if reserved else 0
            made.begin(key, self._words[at + _ENDS], label)
            made.add(key, self._words[at + _SETTLED], held)
            made.mark(key, self._words[at + _MARK])
        if rows:
            _label_file(beside).replace(_label_file(self.path))
        else:
            _label_file(self.path).write_text("")
        beside.replace(self.path)
        made.path = self.path
        self._words[_MOVED] = 1
        self.close()
        return made

    def _look(self) -> None:
        """Learn which counters there are."""
        count = self._words[_COUNT]
        for number in range(self._seen, count):
            at = _HEAD_WORDS + number * _ROW_WORDS
            self._rows[struct.pack("qq", self._words[at], self._words[at + 1])] = at
        self._seen = count


_NONE: Final = Total(0, 0, 0)


def _is_sound(descriptor: int, size: int) -> bool:
    head = os.pread(descriptor, _HEAD_WORDS * _WORD, 0)
    if len(head) < _HEAD_WORDS * _WORD:
        return False
    magic, count, *_ = struct.unpack(f"{_HEAD_WORDS}q", head)
    return bool(magic == _MAGIC and 0 <= count <= (size // _WORD - _HEAD_WORDS) // _ROW_WORDS)


def is_free(path: Path) -> bool:
    """Whether nobody writes a file any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _label_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.labels")


def labels_of(path: Path) -> dict[str, tuple[str, ...]]:
    """What each counter of a file counts, by its key in hexadecimal digits."""
    found: dict[str, tuple[str, ...]] = {}
    try:
        lines = _label_file(path).read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        with contextlib.suppress(ValueError):
            key, *label = json.loads(line)
            found[key] = tuple(label)
    return found
