"""The one conversion of each invoice into the ledger currency, at the policy's rate (decision D10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from apportion.allocate.ledger import conversion
from apportion.errors import Place, Problem
from apportion.money import half_up, minor_digits, show
from apportion.period import Period
from apportion.warehouse.engine import Engine

# List prices are in dollars (genai-prices and every provider's page, read 2026-11-23).
LIST_CURRENCY = "USD"


@dataclass(frozen=True)
class _Rate:
    valid_from: date
    valid_to: date
    rate: Decimal
    policy: str | None


def convert_invoices(engine: Engine, currency: str, policy: str) -> list[Problem]:
    """Write `invoice_rates` and `invoices_printed_minor`.

    An invoice without a rate gets no row: it is not converted, its charges are not allocated, and it is
    shown in its own currency. It is never converted at 1.

    Args:
        engine: Holds charges_all, fx_rates and invoices_printed.
        currency: The ledger's.
        policy: month_average or invoice_date.
    """
    rates = _rates(engine, policy)
    problems: list[Problem] = []
    rows = []
    for row in engine.records(
        """SELECT c.invoice_key, c.period, MIN(c.billing_currency) AS currency, SUM(c.billed_cost) AS billed,
          MIN(p.invoice_date) AS invoice_date, COUNT(*) AS charges,
          MIN(c.source_file || chr(1) || LPAD(CAST(c.source_row AS VARCHAR), 19, '0')) AS first_row
        FROM charges_all AS c LEFT JOIN invoices_printed AS p ON p.invoice_key = c.invoice_key
        GROUP BY ALL ORDER BY ALL"""
    ):
        rate = _rate(rates, row, currency, policy)
        if rate is None:
            problems.append(_missing(row, currency, policy))
            continue
        rows.append((row["invoice_key"], row["period"], rate, *conversion(row["currency"], currency, rate)))
    _register(engine, rows)
    _printed(engine)
    return problems


def list_rate(engine: Engine, currency: str, period: Period, policy: str) -> bool:
    """Write `list_rate`: what turns list cost into the ledger currency in one period; empty if no rate is known."""
    rate = Decimal(1)
    if currency != LIST_CURRENCY:
        found = [r for r in _rates(engine, policy).get(LIST_CURRENCY, []) if r.valid_from <= period.start < r.valid_to]
        if not found:
            engine.register(
                "list_rate",
                pa.table({"fine_num": pa.array([], pa.int64()), "fine_den": pa.array([], pa.int64())}),
            )
            return False
        rate = found[0].rate
    num, den, _, _ = conversion(LIST_CURRENCY, currency, rate)
    engine.register(
        "list_rate",
        pa.table({"fine_num": pa.array([num], pa.int64()), "fine_den": pa.array([den], pa.int64())}),
    )
    return True


def _rates(engine: Engine, policy: str) -> dict[str, list[_Rate]]:
    found: dict[str, list[_Rate]] = {}
    for currency, start, end, rate, kind in engine.fetch(
        "SELECT currency, valid_from, valid_to, rate, policy FROM fx_rates"
        " ORDER BY currency, policy NULLS LAST, valid_from"
    ):
        if kind in (policy, None):
            found.setdefault(currency, []).append(_Rate(start, end, rate, kind))
    return found


def _rate(rates: Mapping[str, Sequence[_Rate]], row: Mapping[str, Any], currency: str, policy: str) -> Decimal | None:
    if row["currency"] == currency:
        return Decimal(1)
    day = Period.parse(row["period"]).start
    if policy == "invoice_date" and row["invoice_date"]:
        day = row["invoice_date"]
    for rate in rates.get(row["currency"], ()):
        if rate.valid_from <= day < rate.valid_to:
            return rate.rate
    return None


def _register(engine: Engine, rows: Sequence[tuple[Any, ...]]) -> None:
    schema = pa.schema(
        [("invoice_key", pa.string()), ("period", pa.string()), ("rate", pa.decimal128(18, 9))]
        + [(name, pa.int64()) for name in ("fine_num", "fine_den", "minor_num", "minor_den")]
    )
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    engine.register("invoice_rates", pa.table(arrays, schema=schema))


def _printed(engine: Engine) -> None:
    """Printed totals in minor units of their own currency, and converted like their invoice."""
    rows = []
    for key, total, currency, num, den in engine.fetch(
        """SELECT p.invoice_key, p.total, p.currency, r.minor_num, r.minor_den
        FROM invoices_printed AS p LEFT JOIN invoice_rates AS r ON r.invoice_key = p.invoice_key
        QUALIFY ROW_NUMBER() OVER (PARTITION BY p.invoice_key ORDER BY p.source_file, p.source_row) = 1
        ORDER BY 1"""
    ):
        minor = half_up(total.scaleb(minor_digits(currency)))
        rows.append((key, minor, half_up(Decimal(minor) * num / den) if num else None))
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    names = ("invoice_key", "printed_minor", "printed_ledger_minor")
    kinds = (pa.string(), pa.int64(), pa.int64())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    engine.register("invoices_printed_minor", pa.table(dict(zip(names, arrays, strict=True))))


def _missing(row: Mapping[str, Any], currency: str, policy: str) -> Problem:
    billed = half_up(row["billed"].scaleb(minor_digits(row["currency"])))
    amount = f"{show(billed, row['currency'])} {row['currency']}"
    file, _, number = row["first_row"].rpartition("\x01")
    rows = "1 row" if row["charges"] == 1 else f"{row['charges']:,} rows"
    return Problem(
        "missing-rate",
        f"Invoice {row['invoice_key']} ({rows}) is in {row['currency']}, and there is no"
        f" {policy.replace('_', ' ')} rate to {currency} for {row['period']}: it is not converted and not allocated.",
        Place(file, row=int(number)),
        amount=amount,
        cure=f"Add the {row['currency']} rate for {row['period']} to the file under `fx:`.",
        held=True,
    )
