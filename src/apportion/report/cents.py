"""The posted cents of a period by one dimension: the figures that every report starts from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.errors import InvariantError
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context, is_rest

# Variances and shortfalls of a minimum belong to the usage they come from, so they stand in its layer.
USAGE_KINDS = frozenset({"usage", "variance", "shortfall"})

PARTS = {
    "direct": "Direct",
    "rule": "Rule",
    "default": "Default",
    "shared": "Shared",
    "unallocated": "Unallocated",
    "credits": "Credits",
    "tax": "Tax",
    "adjustments": "Adjustments",
}
_OTHER_PARTS = {"credit": "credits", "tax": "tax", "correction": "adjustments"}


@dataclass(frozen=True)
class Posted:
    """Whole minor units of one value of a dimension.

    Attributes:
        value: As a reader may see it.
        kind: Of the pools: usage, credit, tax, variance, shortfall or correction.
        category: Of the cells; empty where it was not asked for.
        layer: direct, rule, default, shared or unallocated.
        minor: In minor units of the ledger currency.
    """

    value: str
    kind: str
    category: str
    layer: str
    minor: int

    @property
    def part(self) -> str:
        """The column of a statement it stands in: a layer, or credits, tax or adjustments."""
        return _OTHER_PARTS.get(self.kind, self.layer)


@dataclass(frozen=True)
class Cents:
    """Everything posted in a period, by one dimension."""

    posted: tuple[Posted, ...]

    def __iter__(self) -> Iterator[Posted]:
        return iter(self.posted)

    @property
    def total(self) -> int:
        """All of it, in minor units."""
        return sum(p.minor for p in self.posted)

    @property
    def by_layer(self) -> dict[str, int]:
        """Minor units per layer, credits, tax and corrections in the layer of their claims."""
        return sums((p.layer, p.minor) for p in self.posted)

    @property
    def by_value(self) -> dict[str, int]:
        """Minor units per value."""
        return sums((p.value, p.minor) for p in self.posted)

    @property
    def by_part(self) -> dict[str, int]:
        """Minor units per part of a statement."""
        return sums((p.part, p.minor) for p in self.posted)

    @property
    def parts_by_value(self) -> dict[str, dict[str, int]]:
        """Minor units per part of each value's statement."""
        found: dict[str, dict[str, int]] = {}
        for p in self.posted:
            parts = found.setdefault(p.value, {})
            parts[p.part] = parts.get(p.part, 0) + p.minor
        return found

    def of(self, *, value: str | None = None, category: str | None = None, kinds: Iterable[str] | None = None) -> Cents:
        """Only one value, one category or some kinds of pool."""
        wanted = None if kinds is None else frozenset(kinds)
        return Cents(
            tuple(
                p
                for p in self.posted
                if (value is None or p.value == value)
                and (category is None or p.category == category)
                and (wanted is None or p.kind in wanted)
            )
        )


def sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Add up per key."""
    found: dict[str, int] = defaultdict(int)
    for key, number in pairs:
        found[key] += number
    return dict(found)


def ranked(totals: Mapping[str, int]) -> list[str]:
    """Values by size, the largest first; what is unallocated or unclassified comes last."""
    return sorted(totals, key=lambda value: (is_rest(value), -totals[value], value))


def cents(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    by: str | None = None,
    *,
    categories: bool = False,
) -> Cents:
    """The posted cents of a period by the owner, or apportioned over another dimension's values (D5).

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: A dimension, or `category`; the owner's if not given.
        categories: Also by category. A pool may hold cells of several categories, so this cuts the owner's
            cents again as well.

    Raises:
        ApportionError: There is no such dimension.
        InvariantError: The cells of a pool are not the cents that were posted for it (law L1).
    """
    dimension = context.known(by or context.owner)
    parameters = {"period": str(period), "dimension": dimension, "unit": context.unit}
    if dimension == context.owner and not categories:
        names = {"d": queries.shown(context, dimension, "owner")}
        rows = queries.run(con, "statements", parameters, names)
        return Cents(tuple(Posted(value, kind, "", layer, int(minor)) for value, kind, layer, minor in rows))
    found = tuple(
        Posted(value, kind, category, layer, int(nano) // context.unit)
        for value, kind, category, layer, nano in queries.run(
            con, "recut", parameters, queries.cut_by(context, dimension)
        )
    )
    posted, owned = Cents(found), cents(con, context, period)
    if posted.total != owned.total:
        raise InvariantError("L4", f"{period} by {dimension}", owned.total, posted.total)
    return posted


def compared(con: DuckDBPyConnection, context: Context, period: Period, by: str) -> tuple[Cents, Cents | None]:
    """The posted cents of a period by a dimension, and those of the month before; None if there is none."""
    known = has_period(con, period.previous)
    return cents(con, context, period, by), cents(con, context, period.previous, by) if known else None


def has_period(con: DuckDBPyConnection, period: Period) -> bool:
    """Whether anything at all was allocated in a period: without it a comparison is n/a, not 0."""
    found = con.execute("SELECT 1 FROM pools WHERE period = $period LIMIT 1", {"period": str(period)})
    return found.fetchone() is not None
