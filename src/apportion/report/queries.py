"""The stage's queries: SQL files beside the modules, with a dimension's quoted name put in by the parser."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import sqlglot
from duckdb import DuckDBPyConnection
from sqlglot import exp

from apportion.report.context import HIDDEN, PERSON_DIMENSION, UNALLOCATED, Context

Rows = list[tuple[Any, ...]]
Expression = exp.Expr

_ENGINE = "duckdb"


@cache
def _parsed(name: str) -> exp.Expr:
    text = files("apportion.report").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return sqlglot.parse_one(text, dialect=_ENGINE)


@cache
def _parameters(name: str) -> frozenset[str]:
    return frozenset(node.name for node in _parsed(name).find_all(exp.Parameter, exp.Placeholder))


def run(
    con: DuckDBPyConnection,
    name: str,
    parameters: Mapping[str, Any],
    names: Mapping[str, exp.Expr] | None = None,
) -> Rows:
    """Run one of the stage's SQL files.

    Args:
        con: A connection that has the tables.
        name: The file without `.sql`.
        parameters: Values for `$parameters`; those the file does not use are left out.
        names: What stands for columns of the alias `a` whose names are placeholders, such as `a.d`.

    Returns:
        The rows, in the file's own order.
    """
    query = _parsed(name)
    if names:
        query = query.transform(
            lambda node: (
                names[node.name].copy()
                if isinstance(node, exp.Column) and node.table == "a" and node.name in names
                else node
            )
        )
    wanted = {key: value for key, value in parameters.items() if key in _parameters(name)}
    return con.execute(query.sql(dialect=_ENGINE), wanted).fetchall()


def has(con: DuckDBPyConnection, relation: str) -> bool:
    """Whether a table or view is there; some are written only when there is something to write."""
    found = con.execute("SELECT 1 FROM duckdb_columns() WHERE table_name = $name LIMIT 1", {"name": relation})
    return found.fetchone() is not None


def has_column(con: DuckDBPyConnection, relation: str, column: str) -> bool:
    """Whether a table or view has a column; what an older version published lacks some."""
    asked = {"table": relation, "column": column}
    query = "SELECT 1 FROM duckdb_columns() WHERE table_name = $table AND column_name = $column LIMIT 1"
    return con.execute(query, asked).fetchone() is not None


def _of(column: str) -> exp.Column:
    return exp.column(exp.to_identifier(column, quoted=True), table="a")


def shown(context: Context, dimension: str, column: str | None = None) -> exp.Expr:
    """A dimension's value as a reader may see it, as an expression; the twin of `context.shown_value`."""
    value = exp.func("COALESCE", _of(column or dimension), exp.Literal.string(UNALLOCATED))
    if dimension != PERSON_DIMENSION or context.users == "name":
        return value
    if context.users == "hidden":
        other: exp.Expr = exp.Literal.string(HIDDEN)
    else:
        salted = exp.func("CONCAT", exp.Literal.string(f"{context.salt}:"), value.copy())
        digest = exp.Anonymous(this="SHA256", expressions=[salted])
        cut = exp.func("SUBSTRING", digest, exp.Literal.number(1), exp.Literal.number(8))
        other = exp.func("CONCAT", exp.Literal.string("u-"), cut)
    unowned = exp.EQ(this=value.copy(), expression=exp.Literal.string(UNALLOCATED))
    return exp.Case().when(unowned, exp.Literal.string(UNALLOCATED)).else_(other)


def value_of(context: Context, dimension: str) -> exp.Expr:
    """A dimension's value in `allocated_charges` as a reader may see it, `category` among the dimensions."""
    return shown(context, dimension, _column(context, dimension))


def cut_by(context: Context, dimension: str) -> dict[str, exp.Expr]:
    """What stands for the columns of a dimension: `a.raw` and `a.raw_via` in `allocated_charges`, `a.d` above them.

    The owner's own layer is that of its claim; any other dimension's layer is that of the way its value came.
    """
    column = _column(context, dimension)
    via = _of(f"{dimension}_via") if column == dimension != "category" else exp.null()
    return {"raw": _of(column), "raw_via": via, "d": shown(context, dimension, "raw")}


def _column(context: Context, dimension: str) -> str:
    return "owner" if context.known(dimension) == context.owner else dimension


def cut_by_columns(context: Context, dimension: str, key: str = "d") -> dict[str, exp.Expr]:
    """What stands for the placeholders of `usage_cells`, which has the owner dimension as a column too."""
    return {key: shown(context, dimension), f"{key}_via": _of(f"{dimension}_via")}
