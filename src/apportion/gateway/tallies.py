"""What the processes of a gateway count, in memory that the supervisor holds and that outlives each of them.

Each process has a part of it to itself and is the only one that writes there, so that nothing waits for a lock. A sum
over the parts is what the gateway has counted; it is whole after a worker was killed, and the worker that takes its
place counts on from there, so that no sum ever goes down. The memory is no file: there is no disk for it to fill,
nothing is left behind, and replicas that share a folder do not add each other up. An integer is written in one step on
every machine that Linux runs on with 64 bits, so that nobody reads half of it.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from typing import Final, NamedTuple, Self

Series = tuple[str, ...]

# Pages of it that nobody writes take no memory.
PART_BYTES: Final = 1 << 20
_WORD: Final = 8
_WORDS: Final = PART_BYTES // _WORD
# The first word of a part says how many of its words are in use, the second how many series had no room in it.
_USED: Final = 0
_WITHOUT_ROOM: Final = 1
_FIRST: Final = 2
# Each series begins with the length of its name in bytes and the number of its values.
_HEAD_WORDS: Final = 2
# Where what has no room is counted, and never read.
_SCRAP_WORDS: Final = 64
WITHOUT_ROOM: Final[Series] = ("series_without_room",)
_MOST: Final = (1 << 62) - 1


class Row(NamedTuple):
    """Where the values of a series stand.

    Attributes:
        at: The index of the first.
        size: How many there are.
    """

    at: int
    size: int


class Tally:
    """The part of one process.

    Args:
        memory: Of all parts, or of this one alone.
        part: Which it is.
    """

    def __init__(self, memory: mmap.mmap, part: int = 0) -> None:
        self._words = memoryview(memory)[part * PART_BYTES : (part + 1) * PART_BYTES].cast("q")
        if not self._words[_USED]:
            self._words[_USED] = _FIRST
        self._rows: dict[Series, Row] = dict(_rows(self._words))

    @classmethod
    def alone(cls) -> Self:
        """One that nobody else looks into."""
        return cls(mmap.mmap(-1, PART_BYTES))

    @property
    def words(self) -> memoryview[int]:
        """All values; those of a series begin where its row says."""
        return self._words

    def row(self, series: Series, size: int = 1) -> int:
        """The index of the first value of a series, which is made if it is new.

        Args:
            series: What is counted, then the values of its labels.
            size: How many values it has.
        """
        found = self._rows.get(series)
        if found is not None:
            return found.at
        name = json.dumps(series).encode()
        padded = name + b" " * (-len(name) % _WORD)
        begin = self._words[_USED]
        at = begin + _HEAD_WORDS + len(padded) // _WORD
        if at + size > _WORDS - _SCRAP_WORDS:
            self._words[_WITHOUT_ROOM] += 1
            row = Row(_WORDS - _SCRAP_WORDS, size)
        else:
            self._words[begin], self._words[begin + 1] = len(name), size
            for number in range(0, len(padded), _WORD):
                word = int.from_bytes(padded[number : number + _WORD], "little", signed=True)
                self._words[begin + _HEAD_WORDS + number // _WORD] = word
            # Only now is it there for the others.
            self._words[_USED] = at + size
            row = Row(at, size)
        self._rows[series] = row
        return row.at

    def add(self, series: Series, number: int = 1) -> None:
        """Count more of a series of one value."""
        at = self.row(series)
        self._words[at] = min(self._words[at] + max(number, 0), _MOST)

    def set(self, series: Series, number: int) -> None:
        """Say what a series of one value is now."""
        self._words[self.row(series)] = max(-_MOST, min(number, _MOST))

    def values(self) -> dict[Series, list[int]]:
        """Every series with its values."""
        return values(self._words)

    def close(self) -> None:
        """Let the memory go."""
        self._words.release()


class Shared:
    """The memory of all parts, as the supervisor holds it.

    Args:
        parts: How many.

    Raises:
        OSError: There is no memory for it.
    """

    def __init__(self, parts: int) -> None:
        self.descriptor = _anonymous()
        os.ftruncate(self.descriptor, parts * PART_BYTES)
        self._memory = mmap.mmap(self.descriptor, parts * PART_BYTES)
        self.parts = parts

    def tally(self, part: int) -> Tally:
        """The part of a process."""
        return Tally(self._memory, part)

    def values(self, part: int) -> dict[Series, list[int]]:
        """What stands in a part."""
        words = memoryview(self._memory)[part * PART_BYTES : (part + 1) * PART_BYTES].cast("q")
        try:
            return values(words)
        finally:
            words.release()

    def close(self) -> None:
        """Let it go; processes that still run keep theirs."""
        os.close(self.descriptor)


def tally_of(descriptor: int, part: int) -> Tally:
    """The part of a process that was handed the memory.

    Args:
        descriptor: Of the memory of all parts.
        part: Which.

    Raises:
        OSError: It is no such memory.
        ValueError: It has no such part.
    """
    if os.fstat(descriptor).st_size < (part + 1) * PART_BYTES:
        raise ValueError(f"there is no part {part}")
    return Tally(mmap.mmap(descriptor, 0), part)


def values(words: memoryview[int]) -> dict[Series, list[int]]:
    """Every series of a part with its values."""
    found = {series: list(words[row.at : row.at + row.size]) for series, row in _rows(words)}
    return found | {WITHOUT_ROOM: [words[_WITHOUT_ROOM]]}


def _rows(words: memoryview[int]) -> list[tuple[Series, Row]]:
    found = []
    at, used = _FIRST, min(words[_USED], _WORDS)
    while at + _HEAD_WORDS < used:
        length, size = words[at], words[at + 1]
        first = at + _HEAD_WORDS + -(-length // _WORD)
        if length <= 0 or size <= 0 or first + size > used:
            break
        name = words[at + _HEAD_WORDS : first].tobytes()[:length]
        found.append((tuple(json.loads(name)), Row(first, size)))
        at = first + size
    return found


def _anonymous() -> int:
    """A file without a name: memory where the system has that, else one that is gone when it is let go."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("apportion-gateway")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
