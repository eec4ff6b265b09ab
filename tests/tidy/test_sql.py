"""The SQL is a subset that two engines run alike, and every file says what it does (design section 6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tidy.source_tree import queries, shown

COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
TEXT = re.compile(r"'(?:[^']|'')*'")
# Each of these turns exact money into DOUBLE on one engine or the other, without a word.
BANNED = {
    "a division": re.compile(r"/"),
    "avg()": re.compile(r"\bavg\s*\(", re.IGNORECASE),
    "SIGN()": re.compile(r"\bsign\s*\(", re.IGNORECASE),
    "a floating-point type": re.compile(r"\b(double|float[48]?|real)\b", re.IGNORECASE),
}
HEADINGS = ("Reads", "Writes", "Grain")


def code_of(text: str) -> str:
    """The query without its comments and text literals."""
    return TEXT.sub("''", COMMENT.sub(" ", text))


def header_of(text: str) -> str:
    """The comment that a file starts with."""
    lines = []
    for line in text.lstrip().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines)


@pytest.mark.parametrize("path", queries(), ids=shown)
def test_no_construct_that_leaves_exact_arithmetic(path: Path) -> None:
    code = code_of(path.read_text(encoding="utf-8"))
    assert [name for name, pattern in BANNED.items() if pattern.search(code)] == []


@pytest.mark.parametrize("path", queries(), ids=shown)
def test_the_header_names_what_is_read_written_and_at_which_grain(path: Path) -> None:
    header = header_of(path.read_text(encoding="utf-8"))
    missing = [word for word in HEADINGS if not re.search(rf"\b{word}\b", header, re.IGNORECASE)]
    assert missing == [], f"{shown(path)} starts with no comment that names {', '.join(missing)}"


@pytest.mark.parametrize(
    "bad", ["SELECT a / b", "SELECT a // b", "SELECT AVG (a)", "SELECT sign(a)", "CAST(a AS DOUBLE)"]
)
def test_the_ban_sees_what_it_bans(bad: str) -> None:
    assert any(pattern.search(code_of(bad)) for pattern in BANNED.values())


def test_the_ban_does_not_read_comments_and_texts() -> None:
    code = code_of("SELECT 'a/b' -- never a / b\n/* AVG( */ FROM t")
    assert not any(pattern.search(code) for pattern in BANNED.values())
