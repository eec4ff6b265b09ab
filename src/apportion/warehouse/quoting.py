"""Names and values made safe for a query, always through the parser's own nodes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from sqlglot import exp

from apportion.errors import InvariantError


@lru_cache(maxsize=4096)
def name(text: str) -> str:
    """An identifier in double quotes, whatever is in it."""
    return exp.to_identifier(text, quoted=True).sql(dialect="duckdb")


def names(texts: Iterable[str], *, of: str = "") -> str:
    """A list of identifiers, each qualified by the relation `of` if one is given."""
    prefix = f"{name(of)}." if of else ""
    return ", ".join(prefix + name(text) for text in texts)


def query_of(text: str) -> str:
    """The query that reads a relation, given by its name; any other query as it is.

    No relation that a step makes has a blank in its name, and there is no query without one.
    """
    return text if any(character.isspace() for character in text) else f"SELECT * FROM {name(text)}"


def literal(value: object) -> str:
    """A value as a literal: text quoted, dates typed, decimals exact; None as a typed NULL.

    Raises:
        InvariantError: A float, which never stands for money or a weight here.
    """
    if value is None:
        return "CAST(NULL AS VARCHAR)"
    if isinstance(value, float):
        raise InvariantError("L5", "a value put into a query", "no float", value)
    if isinstance(value, Decimal):
        return f"CAST('{value:f}' AS DECIMAL(38, 18))"
    return exp.convert(value).sql(dialect="duckdb")
