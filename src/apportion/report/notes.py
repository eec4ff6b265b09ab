"""The sentences that go with the numbers: estimates, fallbacks, weights of 0, what was set aside."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation

from duckdb import DuckDBPyConnection

from apportion.money import show
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.usage_doubts import doubt_notes

_MOST_NAMES = 8


def _names(values: Collection[str]) -> str:
    listed = list(values)
    rest = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def pool_notes(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    only: Collection[str] | None = None,
    *,
    told: bool = False,
) -> list[str]:
    """Fallbacks, notes and weights of 0, a sentence each, and the estimates in one.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        only: The pools concerned; all if not given.
        told: The standing notes stand beside these, so that models without a price are not named twice.
    """
    known = {model for model, _ in _unpriced(con, period)} if told else set()
    names = {"d": queries.shown(context, context.owner, "owner")}
    rows = queries.run(con, "notes", {"period": str(period)}, names)
    found: list[str] = []
    estimated = estimates = 0
    for pool, rule, version, item, method, basis, status, fallback, note, minor, usage, model, weightless in rows:
        if only is not None and pool not in only:
            continue
        name = f"{rule} v{version}" + (f", {item.strip('/')}" if (item or "").strip("/") not in ("", rule) else "")
        if status == "estimate":
            estimated, estimates = estimated + minor, estimates + 1
        if fallback:
            found.append(f"{name}: {fallback} (fallback), {show(minor, context.currency)}")
        if note and not (usage == "unpriced" and model in known):
            found.append(f"{name}: {note}")
        if weightless:
            found.append(f"{name}: weight 0 in {basis or method}: {_names(weightless)}")
    if estimates:
        money = f"{show(estimated, context.currency)} {context.currency}"
        pools = "1 pool" if estimates == 1 else f"{estimates:,} pools"
        found.append(f"Estimate: {money} in {pools} has no bill yet; it is list price, not an invoice")
    return list(dict.fromkeys(found))


def _money_set_aside(rows: queries.Rows) -> str:
    sums: dict[str, Decimal] = {}
    for amount, currency in rows:
        try:
            number = Decimal(amount)
        except (InvalidOperation, TypeError):
            continue
        if number.is_finite():
            sums[currency or "?"] = sums.get(currency or "?", Decimal(0)) + number
    return ", ".join(f"{total:,f} {currency}" for currency, total in sorted(sums.items()))


def _unpriced(con: DuckDBPyConnection, period: Period) -> list[tuple[str, int]]:
    """Calls without a price per model, the most first."""
    if not queries.has(con, "usage_cells"):
        return []
    rows = con.execute(
        "SELECT COALESCE(NULLIF(model, 'unallocated'), ''), SUM(calls) FROM usage_cells"
        " WHERE price_state = 'unpriced' AND day >= $start AND day < $end GROUP BY 1 ORDER BY 2 DESC, 1",
        {"start": period.start, "end": period.end},
    ).fetchall()
    return [(str(model), int(calls)) for model, calls in rows if calls]


def unknown_calls(con: DuckDBPyConnection, period: Period) -> int:
    """How many calls make up a period of which nothing has a price or a bill: no data, which is not 0.00 (law L3)."""
    pools = con.execute("SELECT COUNT(*) FROM pools WHERE period = $period", {"period": str(period)}).fetchall()
    return 0 if pools[0][0] else sum(calls for _, calls in _unpriced(con, period))


def _divided_by_tokens(con: DuckDBPyConnection, period: Period) -> dict[str, int]:
    """What was billed for each model that has no price, in minor units."""
    rows = con.execute(
        "SELECT COALESCE(model, ''), SUM(amount_minor) FROM pools"
        " WHERE period = $period AND usage = 'unpriced' AND basis = 'tokens' AND kind = 'usage' GROUP BY 1",
        {"period": str(period)},
    ).fetchall()
    return {str(model): int(minor) for model, minor in rows if model}


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def standing_notes(con: DuckDBPyConnection, context: Context, period: Period) -> list[str]:
    """What stays in every report until it is dealt with (law L3): quarantine, usage without a price."""
    found = []
    if queries.has(con, "quarantine"):
        rows = con.execute("SELECT amount, currency FROM quarantine").fetchall()
        if rows:
            money = _money_set_aside(rows)
            found.append(
                f"{counted(len(rows), 'row')} in quarantine" + (f", {money} not in this report" if money else "")
            )
    found += doubt_notes(con, period)
    unpriced, unknown = _unpriced(con, period), unknown_calls(con, period)
    divided = _divided_by_tokens(con, period)
    for model, calls in unpriced[:_MOST_NAMES]:
        verb = "has" if calls == 1 else "have"
        weighs = "it weighs" if calls == 1 else "they weigh"
        money = f"{show(divided[model], context.currency)} {context.currency}" if model in divided else ""
        means = f"the {money} billed for it is divided by tokens" if money else f"{weighs} by tokens"
        means = "there is no bill, so its cost is not known" if unknown else means
        found.append(f"{model or 'No model named'}: {counted(calls, 'call')} {verb} no price; {means}")
    if rest := sum(calls for _, calls in unpriced[_MOST_NAMES:]):
        found.append(f"{counted(rest, 'call')} of {len(unpriced) - _MOST_NAMES:,} other models without a price")
    if context.users == "pseudonym":
        found.append("Users are shown by pseudonym")
    elif context.users == "hidden":
        found.append("Users are not shown")
    return found
