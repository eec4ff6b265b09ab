"""Step texts: one `.sql` file per step, and the few functions that each engine spells in its own way.

DuckDB runs a step as its author wrote it: the exact functions are macros there, and only lists (`columns_of`,
`sums_of`) and `$name` values are put in, at the places where SQLGlot's tokens say they stand. Every other
engine gets the same text through SQLGlot's parse tree, with its own definitions swapped in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypeVar

import sqlglot
from sqlglot import Token, TokenType, exp

from apportion.errors import InvariantError
from apportion.warehouse import quoting as quote

COLUMN_LIST = "columns_of"
SUM_LIST = "sums_of"

_Value = TypeVar("_Value")

_HUGE = "CAST(ABS(CAST({0} AS HUGEINT)) AS HUGEINT)"
_TIMES = f"{_HUGE.format('b')} * CAST(w AS HUGEINT)"
_SIDE = "CASE WHEN (a < 0) = (b < 0) THEN 1 ELSE -1 END"
_DEC = "CAST(ABS({0}) AS DECIMAL(38, 0))"
_DEC_TIMES = "CAST(ABS(b) AS DECIMAL(19, 0)) * CAST(w AS DECIMAL(19, 0))"
# A difference of decimals keeps 16 digits on Spark, a remainder all 18.
_FRACTION = "CAST(ABS(x) % CAST(1 AS DECIMAL(1, 0)) AS DECIMAL(18, 18))"
_SPARK_UNITS = (
    "CASE WHEN x < 0 THEN -1 ELSE 1 END * (CAST(FLOOR(ABS(x)) AS BIGINT) * CAST(per_one AS BIGINT)"
    f" + CAST(FLOOR({_FRACTION} * CAST(per_one AS DECIMAL(10, 0))) AS BIGINT))"
)
_DUCKDB_UNITS = "CAST(TRUNC(CAST(x AS DECIMAL(38, 18)) * CAST(per_one AS BIGINT)) AS BIGINT)"


@dataclass(frozen=True)
class Exact:
    """One exact function: whole numbers in, whole numbers out, no float between.

    Attributes:
        parameters: Its names for what it is given.
        body: An expression over them, in the engine's own SQL.
    """

    parameters: tuple[str, ...]
    body: str


EXACT: dict[str, dict[str, Exact]] = {
    "duckdb": {
        # |b| * w / t without its rest: at most 2^126, which 128 bits hold.
        "share_floor": Exact(("b", "w", "t"), f"CAST({_TIMES} // CAST(t AS HUGEINT) AS BIGINT)"),
        "share_rest": Exact(("b", "w", "t"), f"CAST({_TIMES} % CAST(t AS HUGEINT) AS BIGINT)"),
        # A decimal amount in whole units of which per_one make 1, the magnitude truncated (D11).
        "to_units": Exact(("x", "per_one"), _DUCKDB_UNITS),
        "to_nano": Exact(("x",), _DUCKDB_UNITS.replace("per_one", "1000000000")),
        # Tells texts apart, nothing more: two that differ may share one, and no two engines agree on it.
        "text_hash": Exact(("x",), "HASH(x)"),
        # Ties away from zero; the rest is doubled instead of the numerator, which may be near the cap.
        "half_up_div": Exact(
            ("a", "b"),
            f"CAST({_SIDE} * ({_HUGE.format('a')} // {_HUGE.format('b')} + CASE WHEN 2 * ({_HUGE.format('a')}"
            f" % {_HUGE.format('b')}) >= {_HUGE.format('b')} THEN 1 ELSE 0 END) AS BIGINT)",
        ),
    },
    "spark": {
        "share_floor": Exact(("b", "w", "t"), f"({_DEC_TIMES}) DIV CAST(t AS DECIMAL(19, 0))"),
        "share_rest": Exact(("b", "w", "t"), f"CAST(({_DEC_TIMES}) % CAST(t AS DECIMAL(19, 0)) AS BIGINT)"),
        "to_units": Exact(("x", "per_one"), _SPARK_UNITS),
        "to_nano": Exact(("x",), _SPARK_UNITS.replace("per_one", "1000000000")),
        "text_hash": Exact(("x",), "XXHASH64(x)"),
        "half_up_div": Exact(
            ("a", "b"),
            f"{_SIDE} * ({_DEC.format('a')} DIV {_DEC.format('b')} + CASE WHEN 2 * ({_DEC.format('a')}"
            f" % {_DEC.format('b')}) >= {_DEC.format('b')} THEN 1 ELSE 0 END)",
        ),
    },
}


@cache
def step_text(name: str, beside: str) -> str:
    """The text of a `.sql` file that lies beside the modules of a package.

    Args:
        name: The file, such as `split.sql`, or `sql/split.sql`.
        beside: The package, as `__package__` says it.
    """
    return files(beside).joinpath(name).read_text(encoding="utf-8")


def macros(engine: str = "duckdb") -> list[str]:
    """The queries that define the exact functions in an engine that has macros."""
    return [
        f"CREATE OR REPLACE MACRO {name}({', '.join(exact.parameters)}) AS ({exact.body})"
        for name, exact in EXACT[engine].items()
    ]


def fill(
    text: str,
    columns: Mapping[str, Sequence[str]] | None = None,
    bindings: Mapping[str, object] | None = None,
) -> str:
    """Put column lists and values into a step's text; every other character stays as it was written.

    `columns_of('evidence')` in a list becomes `"tag_team", "tag_env"`; `columns_of('evidence', 'c')` becomes
    `c."tag_team", c."tag_env"`; an empty list takes one comma with it. `sums_of('counts')`
    becomes `CAST(SUM("calls") AS BIGINT) AS "calls"` and so on. `$name` becomes the value bound to it.

    Args:
        text: SQL in the dialect of DuckDB.
        columns: The column names of each list.
        bindings: The value of each `$name`.

    Raises:
        InvariantError: The text names a list or a value that was not given.
    """
    if not any(mark in text.lower() for mark in ("$", COLUMN_LIST, SUM_LIST)):
        return text
    tokens = sqlglot.tokenize(text, read="duckdb")
    edits: list[tuple[int, int, str]] = []
    for i, token in enumerate(tokens):
        if token.token_type == TokenType.PARAMETER and i + 1 < len(tokens):
            name = tokens[i + 1]
            if name.start == token.end + 1 and bindings:
                edits.append((token.start, name.end + 1, quote.literal(_given(bindings, name.text, "value"))))
        elif token.text.lower() in (COLUMN_LIST, SUM_LIST) and token.token_type == TokenType.VAR:
            edits.append(_column_list(tokens, i, columns or {}))
    for start, end, put in reversed(edits):
        text = text[:start] + put + text[end:]
    return text


def translate(text: str, engine: str, columns: Mapping[str, Sequence[str]] | None = None) -> str:
    """A step's one query for another engine, by way of SQLGlot's parse tree.

    Args:
        text: One query in the dialect of DuckDB.
        engine: A key of `EXACT`.
        columns: As for `fill`.
    """
    tree = sqlglot.parse_one(fill(text, columns), read="duckdb")
    return str(swap_exact(tree, engine).sql(dialect=engine))


def swap_exact(tree: exp.Expr, engine: str) -> exp.Expr:
    """A parse tree with an engine's own definitions in place of the exact functions."""
    return tree.transform(_swapper(engine))


@cache
def _swapper(engine: str) -> Callable[[exp.Expr], exp.Expr]:
    bodies = {
        name: (exact.parameters, sqlglot.parse_one(exact.body, read=engine)) for name, exact in EXACT[engine].items()
    }

    def swap(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Anonymous) or str(node.this).lower() not in bodies:
            return node
        parameters, body = bodies[str(node.this).lower()]
        # An argument may hold an exact function itself; its own swap comes first.
        given = [argument.transform(swap) for argument in node.expressions]
        if len(given) != len(parameters):
            raise InvariantError("L5", f"arguments of {node.this}", len(parameters), len(given))
        by_name = dict(zip(parameters, given, strict=True))

        def place(part: exp.Expr) -> exp.Expr:
            if isinstance(part, exp.Column) and part.name in by_name:
                return exp.Paren(this=by_name[part.name].copy())
            return part

        return exp.Paren(this=body.copy().transform(place))

    return swap


def _column_list(tokens: Sequence[Token], at: int, columns: Mapping[str, Sequence[str]]) -> tuple[int, int, str]:
    close = next(i for i in range(at, len(tokens)) if tokens[i].token_type == TokenType.R_PAREN)
    said = [token.text for token in tokens[at + 1 : close] if token.token_type == TokenType.STRING]
    names = _given(columns, said[0], "column list")
    before = f"{said[1]}." if len(said) > 1 else ""
    start, end = tokens[at].start, tokens[close].end + 1
    if not names:
        if close + 1 < len(tokens) and tokens[close + 1].token_type == TokenType.COMMA:
            end = tokens[close + 1].end + 1
        elif tokens[at - 1].token_type == TokenType.COMMA:
            start = tokens[at - 1].start
    listed = [before + quote.name(name) for name in names]
    if tokens[at].text.lower() == SUM_LIST:
        listed = [
            f"CAST(SUM({column}) AS BIGINT) AS {quote.name(name)}" for name, column in zip(names, listed, strict=True)
        ]
    return start, end, ", ".join(listed)


def _given(values: Mapping[str, _Value], name: str, what: str) -> _Value:
    if name not in values:
        raise InvariantError("L3", f"a {what} that a step names", name, sorted(values))
    return values[name]
