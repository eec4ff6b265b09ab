"""Numbers out of a usage object, read once each, with what is wrong about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# More than any call has; a number behind it is a fault, and must not reach a sum.
_MOST: Final = 10**12
_LONGEST: Final = 13


class Counts:
    """The counts of one usage object.

    Attributes:
        flags: What contradicts itself or cannot be read.
        readable: Whether every count that was asked for could be read.
    """

    __slots__ = ("_usage", "flags", "readable")

    def __init__(self, usage: Mapping[str, Any]) -> None:
        self._usage = usage
        self.flags: list[str] = []
        self.readable = True

    def get(self, *names: str) -> int:
        """The first of these counts that is there; 0 where none is.

        Args:
            names: Keys, from the one that counts most; a dot leads into an object.
        """
        for name in names:
            value = self._usage.get(name)
            if value is None and "." in name:
                value = self._find(name)
            if value is not None:
                return value if type(value) is int and 0 <= value <= _MOST else self._whole(name, value)
        return 0

    def has(self, name: str) -> bool:
        """Whether a count is there."""
        return self._usage.get(name) is not None or ("." in name and self._find(name) is not None)

    def less(self, whole: int, *parts: int, said: str) -> int:
        """What is left of a count without the parts that it should hold; 0 and a flag where they are more.

        Args:
            whole: The count.
            parts: Of it.
            said: The flag.
        """
        rest = whole - sum(parts)
        if rest < 0:
            self.flags.append(said)
            return 0
        return rest

    def expect(self, *, holds: bool, said: str) -> None:
        """Flag what should hold and does not."""
        if not holds:
            self.flags.append(said)

    def _find(self, name: str) -> Any:
        found: Any = self._usage
        for key in name.split("."):
            if type(found) is not dict:
                return None
            found = found.get(key)
        return found

    def _whole(self, name: str, value: Any) -> int:
        number = _number(value)
        if number is None or not 0 <= number <= _MOST:
            self.readable = False
            self.flags.append(f"{name} is no count")
            return 0
        return number


def _number(value: Any) -> int | None:
    """A whole number, also where it is written as a fraction or as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST:
        return int(value)
    return None
