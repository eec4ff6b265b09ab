"""Reasons: why a value's cost is not what it was a month before, each with its money in whole cents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import Cents
from apportion.report.context import UNALLOCATED, Context
from apportion.report.decomposition import Effect, Kind, effects
from apportion.report.moved import ALL, SEPARATOR, Amount, Asked, Line, Moved, PoolKey, Weighed, read_moved, read_pools
from apportion.report.reason_words import Told, amount_changed, calls_changed, pool_changed, share_changed
from apportion.report.steps import DayOfCalls

# The largest amounts of a value are looked at one by one; beyond these, they are part of everything else.
MOST_KEYS = 500
_OF_LINE: frozenset[Kind] = frozenset({"volume", "models", "new", "ended"})
_WITH_DAYS = frozenset({"volume", "cache"})

Key = tuple[str, ...]
_Pools = Mapping[PoolKey, tuple[Weighed, Weighed]]
_Days = Mapping[tuple[str, str, str, str], list[DayOfCalls]]


@dataclass(frozen=True)
class Reason:
    """One reason for a change.

    Attributes:
        kind: Which step of the decomposition; `pool` or `share` of one; else what kind of amount.
        says: A sentence.
        minor: Its money, in minor units of the ledger currency.
    """

    kind: str
    says: str
    minor: int


@dataclass(frozen=True)
class Change:
    """The change of one value, and why.

    Attributes:
        minor: In minor units of the ledger currency.
        reasons: The largest first, none of them 0. What they do not add up to is everything else.
        nano: What all reasons come to before they are rounded, in nano-units.
    """

    minor: int
    reasons: tuple[Reason, ...]
    nano: int = 0


@dataclass
class _Found:
    """What a reason is made of: steps of calls, or an amount; and its money in nano-units."""

    nano: int = 0
    parts: list[tuple[Line, Effect]] = field(default_factory=list)
    amount: Amount | None = None


def changes(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    by: str | None,
    now: Cents,
    before: Cents,
    *,
    values: Sequence[str] | None = None,
    most: int | None = None,
    most_keys: int = MOST_KEYS,
) -> dict[str, Change]:
    """Why the statements of a period are not those of the one before.

    Args:
        con: A connection that has the tables of both.
        context: The project's settings.
        period: The later one.
        by: A dimension; None for all AI cost taken as one value, which is called `ALL`.
        now: What was posted, by that dimension.
        before: The same of the period before.
        values: Only these, as a reader may see them; every one if not given.
        most: How many reasons of each value are told, the largest; all if not given.
        most_keys: How many of the largest amounts of each value are looked at one by one.

    Returns:
        By value its change, with the reasons for it.
    """
    asked = Asked(con, context, period, by, None if by is None or values is None else tuple(values), most_keys)
    totals = [{ALL: c.total} if by is None else c.by_value for c in (before, now)]
    names = sorted({*totals[0], *totals[1]}) if asked.values is None else asked.values
    moved, pools = read_moved(asked), read_pools(asked)
    found = {name: _found(moved.get(name, Moved((), ())), pools) for name in names}
    minors = {name: totals[1].get(name, 0) - totals[0].get(name, 0) for name in names}
    cents = {name: _in_cents(found[name], context.unit, most) for name in names}
    days = _days_of(asked, {name: [found[name][key] for key in cents[name]] for name in names})
    return {
        name: Change(
            minors[name],
            tuple(
                Reason(key[0], _says(asked, name, key, found[name], pools, days), minor)
                for key, minor in cents[name].items()
            ),
            sum(reason.nano for reason in found[name].values()),
        )
        for name in names
    }


def _found(moved: Moved, pools: _Pools) -> dict[Key, _Found]:
    """Every reason of a value, with its nano-units."""
    found: dict[Key, _Found] = defaultdict(_Found)
    for line in moved.lines:
        for effect in effects(line.models):
            reason = found[_key(line, effect)]
            reason.nano += effect.nano
            reason.parts.append((line, effect))
    for amount in moved.amounts:
        for key, nano in _of_amount(amount, pools):
            reason = found[key]
            reason.nano += nano
            reason.amount = amount if reason.amount is None else _together(reason.amount, amount)
    return dict(found)


def _key(line: Line, effect: Effect) -> Key:
    m = effect.measured
    if effect.kind in _OF_LINE or m is None:
        only = line.models[0]
        of = (line.name, line.operation) if line.name else ("", line.operation, only.provider, only.model)
        return (effect.kind, *of)
    if effect.kind == "billed":
        return (effect.kind, m.provider)
    if effect.kind == "price":
        return (effect.kind, m.provider, m.model)
    return (effect.kind, line.name, line.operation, m.provider, m.model)


def _of_amount(amount: Amount, pools: _Pools) -> Iterator[tuple[Key, int]]:
    """A shared pool's own change at the share before, and the share's change; all of any other amount."""
    moved = amount.now - amount.before
    pool = (amount.rule, amount.item, amount.provider)
    was, now = pools.get(pool, (Weighed(), Weighed()))
    if amount.kind == "usage" and was.amount and now.amount:
        grown = Fraction(amount.before * (now.amount - was.amount), was.amount)
        nano = half_up_div(grown.numerator, grown.denominator)
        yield ("pool", *pool), nano
        yield ("share", *pool, amount.role), moved - nano
    elif amount.kind == "usage":
        yield ("amount", amount.rule, amount.item, amount.provider, amount.model), moved
    else:
        of = amount.issuer if amount.kind in ("credit", "tax", "correction") else amount.rule
        yield (amount.kind, of, amount.provider), moved


def _together(one: Amount, other: Amount) -> Amount:
    """Two amounts of one reason, such as use and idle of a pool that became dearer."""
    return Amount(
        one.kind, one.rule, one.item, one.role, one.provider, one.model, one.issuer,
        one.before + other.before, one.now + other.now, one.estimate or other.estimate,
    )  # fmt: skip


def _in_cents(found: Mapping[Key, _Found], unit: int, most: int | None) -> dict[Key, int]:
    """The reasons in whole minor units, each rounded once, the largest first; those of 0 are left out.

    The rest of the change is everything else: what was rounded, amounts that were not looked at one by one, and
    the cents of a statement by another dimension than the owner's.
    """
    cents = {key: half_up_div(reason.nano, unit) for key, reason in found.items()}
    ordered = sorted((key for key, minor in cents.items() if minor), key=lambda key: (-abs(cents[key]), key))
    return {key: cents[key] for key in ordered[:most]}


def _days_of(asked: Asked, found: Mapping[str, list[_Found]]) -> _Days:
    """The days of the calls that a step may have happened to."""
    wanted = {
        SEPARATOR.join((name, line.name or UNALLOCATED))
        for name, reasons in found.items()
        for reason in reasons
        for line, effect in reason.parts
        if effect.kind in _WITH_DAYS
    }
    days: dict[tuple[str, str, str, str], list[DayOfCalls]] = defaultdict(list)
    if wanted:
        parameters = {**asked.parameters, "kept": sorted(wanted)}
        for value, line, provider, model, day, *counts in queries.run(
            asked.con, "moved_days", parameters, asked.names(cells=True)
        ):
            days[value, line, provider, model].append(DayOfCalls(day, *(int(count) for count in counts)))
    return days


def _says(asked: Asked, value: str, key: Key, found: Mapping[Key, _Found], pools: _Pools, days: _Days) -> str:
    reason, currency, unit = found[key], asked.context.currency, asked.context.unit
    if reason.parts:
        days_of = _added_up(value, reason, days) if key[0] in _WITH_DAYS else ()
        return calls_changed(key[0], Told(reason.parts, days_of), currency)
    amount = reason.amount
    if amount is None:
        return ""
    if key[0] in ("pool", "share"):
        both = pools[key[1], key[2], key[3]]
        return pool_changed(amount, both, currency) if key[0] == "pool" else share_changed(amount, both, value, unit)
    return amount_changed(amount, f"{asked.period.previous.start:%B}", currency, unit)


def _added_up(value: str, reason: _Found, days: _Days) -> list[DayOfCalls]:
    """The days of all calls that a reason is about."""
    line, effect = reason.parts[0]
    models = [effect.measured] if effect.measured else line.models
    sums: dict[object, DayOfCalls] = {}
    for m in models:
        for day in days.get((value, line.name or UNALLOCATED, m.provider, m.model), ()):
            other = sums.get(day.day, DayOfCalls(day.day, 0, 0, 0))
            sums[day.day] = DayOfCalls(
                day.day,
                other.calls + day.calls,
                other.input_tokens + day.input_tokens,
                other.cached_tokens + day.cached_tokens,
            )
    return sorted(sums.values(), key=lambda day: day.day)
