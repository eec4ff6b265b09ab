"""What a condition means: a tree with two readings, SQL for the engine and Python for one row.

Both readings are two-valued: a comparison is true or false, never unknown. A missing value (NULL or an empty
text) differs from any value, so `tags.team != 'a'` is true for a row without the tag. The two readings are
held together by a test that runs random rows through both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal, TypeVar

from sqlglot import exp

from apportion.config.instants import holds_instant, is_day, moment, moment_sql, written_sql

NUMBER_DIGITS = 29
NUMBER_DECIMALS = 9

_DECIMAL = f"DECIMAL({NUMBER_DIGITS + NUMBER_DECIMALS}, {NUMBER_DECIMALS})"
# What counts as a number in a field. It is spelt out because engines disagree on exponents, spaces and "_".
# `\z` is the very end in RE2 and in Java, where `$` would let a last line break pass.
_NUMBER = rf"[+-]?[0-9]{{1,{NUMBER_DIGITS}}}([.][0-9]{{1,18}})?"
_NUMBER_IN_SQL = rf"^{_NUMBER}\z"
_NUMBER_FORM = re.compile(_NUMBER)

Operator = Literal["=", "<", "<=", ">", ">="]
Value = str | Decimal
T = TypeVar("T", str, Decimal, date)


@dataclass(frozen=True, order=True)
class Name:
    """Something that a condition reads from a row.

    Attributes:
        kind: A tag of the row, or a field: a column, a dimension or `category`.
        key: The tag's key as received, or the field in snake case.
    """

    kind: Literal["tag", "field"]
    key: str

    def __str__(self) -> str:
        if self.kind == "field":
            return self.key
        plain = re.fullmatch(r"\w[\w.:/@-]*", self.key)
        return f"tags.{self.key}" if plain else 'tags."' + self.key.replace('"', '""') + '"'


Resolve = Callable[[Name], exp.Expr]
Row = Mapping[Name, str | None]


@dataclass(frozen=True)
class Truth:
    """`true` or `false`, written out."""

    value: bool

    def names(self) -> Iterator[Name]:
        """It reads nothing."""
        return iter(())

    def matches(self, row: Row) -> bool:
        """The written value."""
        del row
        return self.value

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """The written value."""
        del resolve
        return exp.Boolean(this=self.value)


@dataclass(frozen=True)
class Present:
    """A bare name: the row has a non-empty value."""

    name: Name

    def names(self) -> Iterator[Name]:
        """The one name."""
        yield self.name

    def matches(self, row: Row) -> bool:
        """Whether the row has a value."""
        return bool(row.get(self.name))

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """A test for a non-empty text."""
        return exp.NEQ(this=_text(self.name, resolve), expression=exp.Literal.string(""))


@dataclass(frozen=True)
class Compare:
    """A name against a written value; texts by code point, numbers as exact decimals.

    A field that holds an instant (`charge_period_start`, `called_at`) compares as an instant in UTC, however
    the written one is spelled; a day ('2026-11-01') against it compares days.
    """

    name: Name
    operator: Operator
    value: Value

    def names(self) -> Iterator[Name]:
        """The one name."""
        yield self.name

    def matches(self, row: Row) -> bool:
        """Whether the comparison holds; an order never does for a missing value."""
        text = row.get(self.name) or ""
        if isinstance(self.value, Decimal):
            number = _number(text)
            return number is not None and _ordered(self.operator, number, self.value)
        if (instant := self._instant) is not None:
            found = moment(text)
            if found is None:
                return False
            by_day = is_day(self.value)
            return _ordered(self.operator, *((found.date(), instant.date()) if by_day else (found, instant)))
        if self.operator == "=":
            return text == self.value
        return bool(text) and _ordered(self.operator, text, self.value)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """The comparison, closed with FALSE where SQL would say NULL."""
        kind = _OPERATORS[self.operator]
        if isinstance(self.value, Decimal):
            compared = kind(this=_decimal(self.name, resolve), expression=_decimal_literal(self.value))
            return exp.Coalesce(this=compared, expressions=[exp.false()])
        if (instant := self._instant) is not None:
            unit = "DATE" if is_day(self.value) else "TIMESTAMP"
            found = moment_sql(resolve(self.name))
            found = exp.cast(found, unit, copy=False) if unit == "DATE" else found
            compared = kind(this=found, expression=written_sql(instant, unit))
            return exp.Coalesce(this=compared, expressions=[exp.false()])
        compared = kind(this=_text(self.name, resolve), expression=exp.Literal.string(self.value))
        if self.operator == "=":
            return compared
        return exp.and_(Present(self.name).to_sql(resolve), compared, copy=False)

    @property
    def plain(self) -> bool:
        """Whether texts are compared as they are written."""
        return isinstance(self.value, str) and self._instant is None

    @property
    def _instant(self) -> datetime | None:
        if self.name.kind != "field" or not holds_instant(self.name.key) or not isinstance(self.value, str):
            return None
        return moment(self.value)


@dataclass(frozen=True)
class Like:
    """A name against a pattern with `%` (any text) and `_` (one character); case counts."""

    name: Name
    pattern: str

    def names(self) -> Iterator[Name]:
        """The one name."""
        yield self.name

    def matches(self, row: Row) -> bool:
        """Whether the value has the form; a missing one has none."""
        text = row.get(self.name) or ""
        if not text:
            return False
        # Runs of % are folded, because a pattern of hundreds of them would make the search explode.
        folded = re.sub("%+", "%", self.pattern)
        parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in folded)
        return re.fullmatch("".join(parts), text, re.DOTALL) is not None

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """LIKE, with the two patterns that a missing value would pass put right."""
        if not self.pattern.strip("%"):
            return Present(self.name).to_sql(resolve) if self.pattern else exp.false()
        text = _text(self.name, resolve)
        if "\\" not in self.pattern:
            return exp.Like(this=text, expression=exp.Literal.string(self.pattern))
        # A backslash escapes in Spark's LIKE and not in DuckDB's; naming another escape makes them agree.
        pattern = exp.Literal.string(self.pattern.replace("!", "!!"))
        like = exp.Like(this=text, expression=pattern)
        return exp.Escape(this=like, expression=exp.Literal.string("!"))


@dataclass(frozen=True)
class Not:
    """What is false of its part."""

    part: Node

    def names(self) -> Iterator[Name]:
        """Those of the part."""
        return self.part.names()

    def matches(self, row: Row) -> bool:
        """Whether the part does not hold."""
        return not self.part.matches(row)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """NOT, which is safe because the part is never NULL."""
        return exp.not_(exp.paren(self.part.to_sql(resolve), copy=False), copy=False)


@dataclass(frozen=True)
class All:
    """Several parts joined by `and`."""

    parts: tuple[Node, ...]

    def names(self) -> Iterator[Name]:
        """Those of every part."""
        return (name for part in self.parts for name in part.names())

    def matches(self, row: Row) -> bool:
        """Whether every part holds."""
        return all(part.matches(row) for part in self.parts)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """AND of the parts."""
        return exp.paren(exp.and_(*(part.to_sql(resolve) for part in self.parts), copy=False), copy=False)


@dataclass(frozen=True)
class AnyOf:
    """Several parts joined by `or`."""

    parts: tuple[Node, ...]

    def names(self) -> Iterator[Name]:
        """Those of every part."""
        return (name for part in self.parts for name in part.names())

    def matches(self, row: Row) -> bool:
        """Whether at least one part holds."""
        return any(part.matches(row) for part in self.parts)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """OR of the parts."""
        return exp.paren(exp.or_(*(part.to_sql(resolve) for part in self.parts), copy=False), copy=False)


@dataclass(frozen=True)
class OneOf:
    """A name against a list of written values."""

    name: Name
    values: tuple[Value, ...]

    def names(self) -> Iterator[Name]:
        """The one name."""
        yield self.name

    def matches(self, row: Row) -> bool:
        """Whether the value is in the list."""
        return any(part.matches(row) for part in self._parts)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """IN for plain texts, else one comparison for each value."""
        if not all(part.plain for part in self._parts):
            return AnyOf(tuple(self._parts)).to_sql(resolve)
        texts: list[exp.Expr] = [exp.Literal.string(str(value)) for value in self.values]
        return exp.In(this=_text(self.name, resolve), expressions=texts)

    @property
    def _parts(self) -> tuple[Compare, ...]:
        return tuple(Compare(self.name, "=", value) for value in self.values)


Node = Truth | Present | Compare | OneOf | Like | Not | All | AnyOf


@dataclass(frozen=True)
class Condition:
    """A condition that a user wrote, understood.

    Attributes:
        text: As written.
        root: Its tree.
    """

    text: str
    root: Node

    @property
    def names(self) -> frozenset[Name]:
        """Every tag and field it reads."""
        return frozenset(self.root.names())

    def matches(self, row: Row) -> bool:
        """Whether one row fulfils it; a name that the row lacks is missing."""
        return self.root.matches(row)

    def to_sql(self, resolve: Resolve) -> exp.Expr:
        """The same as a parse tree, for DuckDB and Spark.

        Args:
            resolve: Gives the expression that holds a name's value. Tags must be text; fields may have any
                type and are read as text.

        Returns:
            A boolean expression that is never NULL, in parentheses where it joins parts.
        """
        return self.root.to_sql(resolve)

    def and_also(self, other: Condition) -> Condition:
        """Both conditions together."""
        return Condition(f"({self.text}) and ({other.text})", All((self.root, other.root)))


_OPERATORS: Mapping[Operator, type[exp.Binary]] = {
    "=": exp.EQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


def _ordered(operator: Operator, left: T, right: T) -> bool:
    if operator == "=":
        return left == right
    if operator in {"<", ">"}:
        return left < right if operator == "<" else left > right
    return left <= right if operator == "<=" else left >= right


def _number(text: str) -> Decimal | None:
    if not _NUMBER_FORM.fullmatch(text):
        return None
    with localcontext() as context:
        context.prec = 80
        number = Decimal(text).quantize(Decimal(1).scaleb(-NUMBER_DECIMALS), rounding=ROUND_HALF_UP)
        return number if abs(number) < Decimal(1).scaleb(NUMBER_DIGITS) else None


def _text(name: Name, resolve: Resolve) -> exp.Expr:
    column = resolve(name).copy()
    if name.kind == "field":
        column = exp.cast(column, "VARCHAR", copy=False)
    return exp.Coalesce(this=column, expressions=[exp.Literal.string("")])


def _decimal(name: Name, resolve: Resolve) -> exp.Expr:
    form = exp.RegexpLike(this=_text(name, resolve), expression=exp.Literal.string(_NUMBER_IN_SQL))
    number = exp.TryCast(this=_text(name, resolve), to=exp.DataType.build(_DECIMAL), safe=True)
    return exp.Case(ifs=[exp.If(this=form, true=number)])


def _decimal_literal(value: Decimal) -> exp.Expr:
    return exp.cast(exp.Literal.string(f"{value:f}"), _DECIMAL)
