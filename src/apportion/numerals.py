"""Numbers as a country writes them, told by an example: `1.234,56`, `1 234,56`, `1'234.56`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_EXAMPLE = re.compile(r"1(?P<group>[.,' \u00a0\u202f\u2019]?)234(?P<point>[.,])56")
# What looks like a blank, or like an apostrophe, is meant by any of its kind.
_BLANKS, _APOSTROPHES = " \u00a0\u202f", "'\u2019"


@dataclass(frozen=True)
class NumberForm:
    """How a source writes its numbers.

    Attributes:
        example: As `set: {number_format: …}` says it.
        groups: Signs that may stand between thousands; empty where none does.
        point: What stands before the fraction.
    """

    example: str
    groups: str
    point: str

    @classmethod
    def of(cls, example: str) -> NumberForm | None:
        """Read an example of how 1234.56 is written; None where it is none."""
        found = _EXAMPLE.fullmatch(example)
        if found is None or found["group"] == found["point"]:
            return None
        groups = next((kind for kind in (_BLANKS, _APOSTROPHES) if found["group"] and found["group"] in kind), None)
        return cls(example, groups or found["group"], found["point"])

    @property
    def pattern(self) -> str:
        """A regular expression for a whole number or fraction in this form."""
        point = re.escape(self.point)
        plain = rf"[+-]?[0-9]+({point}[0-9]+)?"
        if not self.groups:
            return plain
        return rf"{plain}|[+-]?[0-9]{{1,3}}([{re.escape(self.groups)}][0-9]{{3}})+({point}[0-9]+)?"

    def reads(self, text: str) -> bool:
        """Whether a text is a number in this form."""
        return bool(re.fullmatch(self.pattern, text.strip()))
