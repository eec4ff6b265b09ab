"""What one SQL text does to which relation, read from its first words: enough to say where it has to run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

import sqlglot
from sqlglot import TokenType

_NAME = r'(?P<name>"(?:[^"]|"")+"|\w+)'
_COMMENT = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z))*")
_WORD = re.compile(r'"((?:[^"]|"")+)"|([A-Za-z_]\w*)')
_REMARK = re.compile(r"--[^\n]*")
_READ = re.compile(r'\b(?:FROM|JOIN)\s+(?:"((?:[^"]|"")+)"|([A-Za-z_]\w*))', re.IGNORECASE)


class Kind(Enum):
    """What a text does."""

    MAKE_TABLE = auto()
    MAKE_VIEW = auto()
    DECLARE = auto()
    INSERT = auto()
    DELETE = auto()
    DROP = auto()
    QUERY = auto()


_HEADS = (
    (Kind.MAKE_TABLE, re.compile(rf"CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+{_NAME}\s+AS\b", re.IGNORECASE)),
    (Kind.MAKE_VIEW, re.compile(rf"CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+{_NAME}\s+AS\b", re.IGNORECASE)),
    (
        Kind.DECLARE,
        re.compile(rf"CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s*\(", re.IGNORECASE),
    ),
    (Kind.INSERT, re.compile(rf"INSERT\s+INTO\s+{_NAME}\s*(?P<columns>\((?!\s*SELECT\b)[^()]*\))?", re.IGNORECASE)),
    (Kind.DELETE, re.compile(rf"DELETE\s+FROM\s+{_NAME}(?:\s+WHERE\b)?", re.IGNORECASE)),
    (Kind.DROP, re.compile(rf"DROP\s+(?:TABLE|VIEW)\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)),
)


@dataclass(frozen=True)
class Statement:
    """One SQL text.

    Attributes:
        kind: What it does.
        text: All of it.
        target: The relation that it makes or changes, in lower case; empty for a query.
        body: Its query, or the condition of a DELETE.
        columns: The columns that an INSERT names, in its order.
    """

    kind: Kind
    text: str
    target: str = ""
    body: str = ""
    columns: tuple[str, ...] = ()


def statements(text: str) -> list[Statement]:
    """Every statement of a text, in order."""
    return [_read(one) for one in _parts(text)]


def reads(text: str) -> set[str]:
    """Every relation that a text reads, in lower case; names of its own common table expressions are among them."""
    return {(quoted.replace('""', '"') or plain).lower() for quoted, plain in _READ.findall(_REMARK.sub("", text))}


def _parts(text: str) -> list[str]:
    if ";" not in text:
        return [text]
    ends = [token.start for token in sqlglot.tokenize(text, read="duckdb") if token.token_type == TokenType.SEMICOLON]
    starts = [0, *(end + 1 for end in ends)]
    found = [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True)]
    return [part for part in found if _COMMENT.sub("", part)]


def _read(text: str) -> Statement:
    said = _COMMENT.sub("", text, count=1)
    for kind, head in _HEADS:
        if found := head.match(said):
            name = found["name"].strip('"').replace('""', '"').lower()
            listed = found.groupdict().get("columns") or ""
            columns = tuple(quoted.replace('""', '"') or plain for quoted, plain in _WORD.findall(listed))
            return Statement(kind, text, name, said[found.end() :].strip(), columns)
    return Statement(Kind.QUERY, text, body=said)
