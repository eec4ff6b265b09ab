"""The sentences that go with the numbers: estimates, fallbacks, weights of 0, what was set aside."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal, InvalidOperation

from duckdb import DuckDBPyConnection

from apportion.money import show
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context

_MOST_NAMES = 8


def _names(values: Collection[str]) -> str:
    listed = list(values)
    rest = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def pool_notes(
    con: DuckDBPyConnection, context: Context, period: Period, only: Collection[str] | None = None
) -> list[str]:
    """Fallbacks, notes and weights of 0, a sentence each, and the estimates in one.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        only: The pools concerned; all if not given.
    """
    names = {"d": queries.shown(context, context.owner, "owner")}
    rows = queries.run(con, "notes", {"period": str(period)}, names)
    found: list[str] = []
    estimated = estimates = 0
    for pool, rule, version, item, method, basis, status, fallback, note, minor, weightless in rows:
        if only is not None and pool not in only:
            continue
        name = f"{rule} v{version}" + (f", {item.strip('/')}" if (item or "").strip("/") not in ("", rule) else "")
        if status == "estimate":
            estimated, estimates = estimated + minor, estimates + 1
        if fallback:
            found.append(f"{name}: {fallback} (fallback), {show(minor, context.currency)}")
        if note:
            found.append(f"{name}: {note}")
        if weightless:
            found.append(f"{name}: weight 0 in {basis or method}: {_names(weightless)}")
    if estimates:
        money = f"{show(estimated, context.currency)} {context.currency}"
        found.append(f"Estimate: {money} in {estimates} pools has no bill yet; it is list price, not an invoice")
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


def standing_notes(con: DuckDBPyConnection, context: Context, period: Period) -> list[str]:
    """What stays in every report until it is dealt with (law L3): quarantine, usage without a price."""
    found = []
    if queries.has(con, "quarantine"):
        rows = con.execute("SELECT amount, currency FROM quarantine").fetchall()
        if rows:
            money = _money_set_aside(rows)
            found.append(f"{len(rows):,} rows in quarantine" + (f", {money} not in this report" if money else ""))
    unpriced = con.execute(
        "SELECT SUM(calls), COUNT(DISTINCT model) FROM usage_cells"
        " WHERE price_state = 'unpriced' AND strftime(day, '%Y-%m') = $period",
        {"period": str(period)},
    ).fetchone()
    if unpriced and unpriced[0]:
        found.append(f"{int(unpriced[0]):,} calls of {unpriced[1]} models have no price; they weigh by tokens")
    if context.users == "pseudonym":
        found.append("Users are shown by pseudonym")
    elif context.users == "hidden":
        found.append("Users are not shown")
    return found
