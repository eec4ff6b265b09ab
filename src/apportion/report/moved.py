"""What moved between two periods, read from the published tables: calls, and whatever has only an amount."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from duckdb import DuckDBPyConnection
from sqlglot import exp

from apportion.period import Period
from apportion.report import queries
from apportion.report.context import UNALLOCATED, Context
from apportion.report.decomposition import NOTHING, OUTPUT, Measured, Prices, Used
from apportion.report.price_reading import Day, ReadPrices, Unread, read_prices
from apportion.report.weights import Measure

ALL = "All AI cost"
# A line of work is what calls are made for; the first of these that a project has.
_LINES = ("feature", "product", "project")
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Line:
    """Calls of one kind that are made for one thing, whichever models they go to.

    Attributes:
        name: The feature; empty where the calls name none.
        operation: Such as chat or embeddings.
        models: What was called. A single one where the calls name no feature.
        estimate: Whether some of the money has no bill yet.
        several: Whether calls of other operations are made for the same thing.
    """

    name: str
    operation: str
    models: tuple[Measured, ...]
    estimate: bool
    several: bool


@dataclass(frozen=True)
class Amount:
    """Money that no usage of calls divides.

    Attributes:
        kind: Of its pools: usage, credit, tax, variance, shortfall or correction.
        rule: Of its pools; empty for the cost of a model whose calls are not known.
        item: Of its pools, or the line of work.
        role: Such as use, or idle.
        provider: Of its pools.
        model: Of its pools.
        issuer: Of the invoice.
        before: In nano-units of the ledger currency.
        now: The same a period later.
        estimate: Whether some of it has no bill yet.
    """

    kind: str
    rule: str
    item: str
    role: str
    provider: str
    model: str
    issuer: str
    before: int
    now: int
    estimate: bool


@dataclass
class Weighed:
    """A shared pool in one period.

    Attributes:
        amount: In minor units.
        measure: What it is divided by.
        total: The sum of its weights; None where several pools make it up, whose weights are not one number.
        weights: Of each owner and role.
    """

    amount: int = 0
    measure: Measure | None = None
    total: int | None = None
    pools: set[str] = field(default_factory=set)
    weights: dict[tuple[str, str], int] = field(default_factory=dict)


PoolKey = tuple[str, str, str]


@dataclass(frozen=True)
class Moved:
    """Everything that a value received in two periods.

    Attributes:
        lines: Calls.
        amounts: The rest.
    """

    lines: tuple[Line, ...]
    amounts: tuple[Amount, ...]


@dataclass(frozen=True)
class Asked:
    """What is asked of the tables.

    Attributes:
        con: A connection that has them.
        context: The project's settings.
        period: The later one.
        dimension: Whose values; None for all of it together, as one value called `ALL`.
        values: As a reader may see them; None for every one.
        most: How many of the largest amounts of each value are looked at.
    """

    con: DuckDBPyConnection
    context: Context
    period: Period
    dimension: str | None
    values: tuple[str, ...] | None
    most: int

    @property
    def line(self) -> str | None:
        """The dimension of the lines of work: the asked one, if it is one; None where the project has none."""
        known = [name for name in _LINES if name in self.context.dimensions]
        return self.dimension if self.dimension in known else next(iter(known), None)

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the queries."""
        earlier = self.period.previous
        return {
            "period": str(self.period),
            "earlier": str(earlier),
            "start": self.period.start,
            "end": self.period.end,
            "earliest": earlier.start,
            "values": None if self.values is None else list(self.values),
            "most": self.most,
        }

    def names(self, *, cells: bool = False) -> dict[str, exp.Expr]:
        """What stands for the value and the line, in `allocated_charges` or in `usage_cells`."""
        context, line = self.context, self.line
        value: exp.Expr = exp.Literal.string(ALL)
        if self.dimension is not None:
            of = queries.shown if cells else queries.value_of
            value = of(context, self.dimension)
        return {"d": value, "e": queries.shown(context, line) if line else exp.Literal.string(UNALLOCATED)}

    @property
    def by_owner(self) -> bool:
        """Whether the values are those that pools have claims of."""
        return self.dimension == self.context.owner

    @property
    def has_usage(self) -> bool:
        """Whether calls have such values; a category belongs to charges."""
        return self.dimension != "category"


def read_moved(asked: Asked) -> dict[str, Moved]:
    """What each value received in two periods, by value."""
    rows = queries.run(asked.con, "moved_costs", asked.parameters, asked.names())
    kept = sorted({f"{value}{SEPARATOR}{line}" for value, metered, *_, line in (row[:7] for row in rows) if metered})
    used = _Usage.read(asked, kept) if asked.has_usage else _Usage({}, {})
    costs: dict[str, dict[_Key, list[int]]] = defaultdict(dict)
    amounts: dict[str, list[Amount]] = defaultdict(list)
    for cost in (_Cost(*row) for row in rows):
        if cost.metered:
            key = _Key(cost.line, cost.provider, cost.pool_model or used.canonical.get(cost.model, cost.model))
            before, now, estimate = costs[cost.value].get(key, (0, 0, 0))
            costs[cost.value][key] = [before + int(cost.before), now + int(cost.now), estimate | cost.estimate]
        else:
            amounts[cost.value].append(cost.amount(role=cost.role if asked.by_owner else ""))
    return {
        value: _sorted(costs.get(value, {}), used.ways.get(value, {}), amounts.get(value, []))
        for value in {*costs, *amounts}
    }


@dataclass(frozen=True)
class _Cost:
    """A row of moved_costs.sql."""

    value: str
    metered: bool
    kind: str
    rule: str
    item: str
    role: str
    line: str
    provider: str
    model: str
    pool_model: str
    invoice: str | None
    now: int
    before: int
    estimate: int

    def amount(self, *, role: str) -> Amount:
        issuer = (self.invoice or "").split("|")[0] or self.provider
        money = int(self.before), int(self.now)
        known = (self.kind, self.rule, self.item, role, self.provider, self.pool_model, issuer)
        return Amount(*known, *money, bool(self.estimate))


@dataclass(frozen=True, order=True)
class _Key:
    line: str
    provider: str
    model: str


@dataclass(frozen=True)
class _Calls:
    """The usage of a key: by way of processing the two periods, how often each operation, calls without a price."""

    ways: dict[str, tuple[Used, Used]]
    operations: dict[str, int]
    unpriced: int

    @property
    def operation(self) -> str:
        """The one of most calls."""
        return min(self.operations, key=lambda name: (-self.operations[name], name))

    def calls(self, at: int) -> int:
        return sum(periods[at].calls for periods in self.ways.values())


def _sorted(costs: Mapping[_Key, Sequence[int]], used: Mapping[_Key, _Calls], amounts: Sequence[Amount]) -> Moved:
    """Calls whose money can be taken apart, by line of work; the rest is an amount."""
    lines: dict[tuple[str, str, str, str], list[Measured]] = defaultdict(list)
    estimates: dict[tuple[str, str, str, str], bool] = defaultdict(bool)
    others = list(amounts)
    for key, (before, now, estimate) in sorted(costs.items()):
        calls = used.get(key)
        if calls is None or (before and not calls.calls(0)) or (now and not calls.calls(1)):
            others.append(
                Amount("usage", "", key.line, "", key.provider, key.model, key.provider, before, now, bool(estimate))
            )
            continue
        named = key.line not in ("", UNALLOCATED)
        # Without a feature, calls of two models have nothing to do with each other.
        group = (key.line, calls.operation, "", "") if named else ("", calls.operation, key.provider, key.model)
        lines[group].append(Measured(key.provider, key.model, before, now, calls.ways, priced=not calls.unpriced))
        estimates[group] |= bool(estimate)
    names = Counter(name for name, *_ in lines)
    found = tuple(
        Line(g[0], g[1], tuple(models), estimates[g], several=bool(g[0]) and names[g[0]] > 1)
        for g, models in sorted(lines.items())
    )
    return Moved(found, tuple(others))


@dataclass(frozen=True)
class _Usage:
    """The usage of every value: its keys, and the canonical name of each model as calls name it."""

    ways: dict[str, dict[_Key, _Calls]]
    canonical: dict[str, str]

    @classmethod
    def read(cls, asked: Asked, kept: Sequence[str]) -> _Usage:
        if not kept:
            return cls({}, {})
        parameters = {**asked.parameters, "kept": kept}
        rows = queries.run(asked.con, "moved_usage", parameters, asked.names(cells=True))
        prices = _prices(asked)
        canonical = {row[3]: row[4] or row[3] for row in rows}
        pieces: dict[tuple[str, _Key], dict[str, tuple[list[_Piece], list[_Piece]]]] = defaultdict(dict)
        operations: dict[tuple[str, _Key], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        unpriced: dict[tuple[str, _Key], int] = defaultdict(int)
        for row in rows:
            value, line, provider, model, _, operation = row[:6]
            key = value, _Key(line, provider, canonical[model])
            numbers = [int(number) for number in row[14:]]
            bracket, rated = prices.of((provider, model, *row[6:10]), row[10], row[11])
            piece = _Piece(numbers[0], tuple(numbers[1:-1]), numbers[-1], rated)
            pieces[key].setdefault(_way(row[6:10], bracket), ([], []))[row[12]].append(piece)
            operations[key][operation] += piece.calls
            unpriced[key] += int(row[13])
        found: dict[str, dict[_Key, _Calls]] = defaultdict(dict)
        for (value, k), ways in pieces.items():
            usage = {way: (_used(before), _used(now)) for way, (before, now) in ways.items()}
            found[value][k] = _Calls(usage, operations[value, k], unpriced[value, k])
        return cls(found, canonical)


@dataclass(frozen=True)
class _Piece:
    calls: int
    tokens: tuple[int, ...]
    picos: int
    prices: ReadPrices


def _used(pieces: Sequence[_Piece]) -> Used:
    """Calls that were rated with several prices, as of a change in the middle of a month, at their average."""
    if not pieces:
        return NOTHING
    calls = sum(p.calls for p in pieces)
    tokens = tuple(map(sum, zip(*(p.tokens for p in pieces), strict=True)))
    return Used(calls, tokens, sum(p.picos for p in pieces), _average(pieces))


def _average(pieces: Sequence[_Piece]) -> Prices | None:
    rated = [(piece, piece.prices) for piece in pieces if not isinstance(piece.prices, Unread)]
    if len(rated) < len(pieces):
        return None
    found: list[Fraction | None] = []
    for at in range(OUTPUT + 2):
        counted = [(p.calls if at > OUTPUT else p.tokens[at], p.calls, prices[at]) for p, prices in rated]
        # A kind without tokens costs what its price was while calls were made.
        own = any(count for count, _, _ in counted)
        known = [(count if own else calls, price) for count, calls, price in counted if price is not None]
        whole = sum(count for count, _ in known)
        found.append(Fraction(sum(count * price for count, price in known), whole) if whole else None)
    return tuple(found)


@dataclass(frozen=True)
class _ListPrices:
    """Read off the cells, by context, bracket of context length and price id; a bracket is empty where none matters."""

    read: Mapping[tuple[str, ...], ReadPrices]
    bracketed: frozenset[tuple[str, ...]]

    def of(self, context: tuple[str, ...], bracket: str, price_id: str) -> tuple[str, ReadPrices]:
        """The bracket, where it matters, and the prices."""
        told = bracket if context in self.bracketed else ""
        return told, self.read.get((*context, told, price_id), Unread.NONE)


def _prices(asked: Asked) -> _ListPrices:
    days: dict[tuple[str, ...], list[Day]] = defaultdict(list)
    for row in queries.run(asked.con, "moved_prices", asked.parameters):
        calls, *tokens, picos = (int(number) for number in row[8:])
        for bracket in dict.fromkeys(("", row[6])):
            days[*row[:6], bracket, row[7]].append(((*tokens, calls), picos))
    read = {key: read_prices(found) for key, found in days.items()}
    # Where one price explains the calls of every length, their length is no way of processing.
    told = frozenset(key[:6] for key, prices in read.items() if not key[6] and prices is Unread.NONE)
    return _ListPrices(read, told)


def _way(parts: Sequence[str], bracket: str) -> str:
    """A way of processing in words; nothing where calls say nothing of it."""
    tier, processing, region, speed = parts
    long = f"context bracket {bracket}" if bracket not in ("", "0") else ""
    return ", ".join(part for part in (processing, tier, speed, region, long) if part)


def read_pools(asked: Asked) -> dict[PoolKey, tuple[Weighed, Weighed]]:
    """The shared pools of both periods, the one before first, by rule, item and provider."""
    found: dict[PoolKey, tuple[Weighed, Weighed]] = {}
    names = {"d": queries.shown(asked.context, asked.context.owner, "owner")}
    parameters = asked.parameters if asked.by_owner else {**asked.parameters, "values": []}
    for row in queries.run(asked.con, "moved_pools", parameters, names):
        _, rule, item, provider, period, method, basis, fallback, pool, amount, total, owner, role, weight = row
        pool_now = found.setdefault((rule, item, provider), (Weighed(), Weighed()))[period == str(asked.period)]
        if pool not in pool_now.pools:
            pool_now.amount += int(amount)
            pool_now.pools.add(pool)
        pool_now.measure = Measure(method, basis, fallback, asked.context.currency)
        pool_now.total = int(total) if total is not None and len(pool_now.pools) == 1 else None
        if role is not None:
            pool_now.weights[owner, role] = pool_now.weights.get((owner, role), 0) + int(weight or 0)
    return found
