"""A query in DuckDB's dialect as Spark runs it: exact functions swapped in, every relation where the session has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import count

import sqlglot
from sqlglot import exp

from apportion.warehouse.steps import swap_exact

# A common table expression that has a name of its own already.
_SINGLE = re.compile(r"__\d+\Z")


class Translator:
    """Translates the queries of one session.

    Args:
        inlined: The text of a view that is put in where it is read; None for what is no such view.
        placed: The name in the session of any other relation.
        scanned: The name in the session of some Parquet files.
    """

    def __init__(
        self,
        inlined: Callable[[str], str | None],
        placed: Callable[[str], str],
        scanned: Callable[[tuple[str, ...]], str],
    ) -> None:
        self._inlined = inlined
        self._placed = placed
        self._scanned = scanned
        self._numbers = count(1)

    def translate(self, text: str) -> str:
        """A query in Spark's dialect."""
        return str(self._tree(text).sql(dialect="spark", comments=False))

    def _tree(self, text: str) -> exp.Expr:
        tree = swap_exact(_parsed(text).copy(), "spark").transform(_spelled)
        own = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Func):
                _replace(table, self._scanned(_files(table.this)), table.alias)
            elif table.name.lower() not in own:
                self._place(table)
        return tree

    def _place(self, table: exp.Table) -> None:
        name, alias = table.name.lower(), table.alias or table.name
        inlined = self._inlined(name)
        if inlined is None:
            _replace(table, self._placed(name), alias)
            return
        query = self._tree(inlined)
        self._tell_apart(query)
        inner = exp.Subquery(this=query, alias=exp.to_identifier(alias, quoted=True))
        if table.args.get("joins"):
            inner.set("joins", table.args["joins"])
        table.replace(inner)

    def _tell_apart(self, query: exp.Expr) -> None:
        """Give the common table expressions of a view names of their own: all of them are lifted to the top."""
        fresh = {
            cte.alias_or_name: f"{cte.alias_or_name}__{next(self._numbers)}"
            for cte in query.find_all(exp.CTE)
            if not _SINGLE.search(cte.alias_or_name)
        }
        for table in query.find_all(exp.Table):
            if table.name in fresh:
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("this", exp.to_identifier(fresh[table.name]))
        for cte in query.find_all(exp.CTE):
            if cte.alias_or_name in fresh:
                cte.args["alias"].set("this", exp.to_identifier(fresh[cte.alias_or_name]))


@lru_cache(maxsize=1024)
def _parsed(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="duckdb")


def _spelled(node: exp.Expr) -> exp.Expr:
    """What DuckDB spells in a way of its own and SQLGlot does not know."""
    if isinstance(node, exp.ToMap) and isinstance(node.this, exp.Struct):
        pairs = [part for pair in node.this.expressions for part in (pair.this, pair.expression)]
        return exp.Anonymous(this="MAP", expressions=pairs)
    if isinstance(node, exp.UnixToTime) and node.this.name == "epoch_us":
        # The session's zone is UTC, so that an instant without its zone is the instant in UTC.
        return exp.cast(node.this.expressions[0], "TIMESTAMP_NTZ")
    if isinstance(node, exp.Anonymous) and node.name.lower() == "list_extract":
        values, position = node.expressions
        keys, sought = (one.transform(_spelled) for one in position.expressions)
        return _looked_up(keys, values, sought)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "map_extract_value":
        # Changed in place: what is in a node that is replaced would not be looked at.
        node.set("this", "ELEMENT_AT")
    if isinstance(node, exp.DataType) and node.is_type("INT128"):
        return exp.DataType.build("DECIMAL(38, 0)")
    return node


def _looked_up(keys: exp.Expr, values: exp.Expr, sought: exp.Expr) -> exp.Expr:
    """A look-up in two lists; Spark searches a map from its start, a set of texts by their hash."""
    pairs = exp.Anonymous(this="MAP_FROM_ARRAYS", expressions=[keys, values])
    found = exp.Anonymous(this="ELEMENT_AT", expressions=[pairs, sought])
    same = [key.copy() for key, value in zip(keys.expressions, values.expressions, strict=True) if key == value]
    if not same:
        return found
    return exp.Case(ifs=[exp.If(this=exp.In(this=sought.copy(), expressions=same), true=sought.copy())], default=found)


def _files(function: exp.Expr) -> tuple[str, ...]:
    """The files of a `read_parquet`."""
    return tuple(str(found.this) for found in function.find_all(exp.Literal) if found.is_string)


def _replace(table: exp.Table, name: str, alias: str) -> None:
    """Another relation in a table's place, under the name that the query calls it by."""
    by = exp.to_table(name)
    if alias:
        by.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    if table.args.get("joins"):
        by.set("joins", table.args["joins"])
    table.replace(by)
