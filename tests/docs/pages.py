"""The pages a reader sees, and the console blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Its commands run on Larkspur, in the order of the page.
TOUR = DOCS / "tour.md"
_FENCE = re.compile(r"^```console(?: exit=(?P<exit>\d+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One command of a console block and what the page says it prints.

    Attributes:
        page: Relative to the repository.
        line: Where the command stands on the page, counted from 1.
        command: Without the prompt.
        shown: The lines under it.
        exit_code: What the block's fence says after `exit=`; 0 if it says nothing.
    """

    page: str
    line: int
    command: str
    shown: tuple[str, ...]
    exit_code: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README, CONTRIBUTING, the examples' page and everything under docs."""
    top = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
    return [*top, *sorted(DOCS.rglob("*.md"))]


def examples_of(text: str, page: str) -> Iterator[Example]:
    """Every command of every console block, in the order of the page."""
    for block in _FENCE.finditer(text):
        first = text.count("\n", 0, block.start("body")) + 1
        lines = block["body"].splitlines()
        starts = [n for n, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            yield Example(page, first + start, lines[start][2:], tuple(lines[start + 1 : end]), int(block["exit"] or 0))


def examples() -> list[Example]:
    """The examples of all pages that run the product's own command."""
    return [
        example
        for path in pages()
        if path != TOUR
        for example in examples_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
        if example.command.startswith("apportion ")
    ]
