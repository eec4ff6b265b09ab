"""Meters, seats, printed invoices and rates become tables of whole or exact numbers."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from apportion.errors import Place, Problem
from apportion.money import is_currency
from apportion.normalize.currencies import declare_currencies
from apportion.normalize.intake import Intake, Target, overlapping, take_in
from apportion.normalize.providers import provider_sql
from apportion.normalize.reading import RecordFile
from apportion.normalize.sources import ALIGNED, SourceColumns
from apportion.units import spelled
from apportion.warehouse.quoting import literal

_MAP = "MAP(VARCHAR, VARCHAR)"
_ORIGIN = {"source_file": "VARCHAR", "source_row": "BIGINT"}
METERS = Target(
    "meter_rows",
    "meters.sql",
    {
        "meter": "VARCHAR",
        "item": "VARCHAR",
        "day": "DATE",
        "day_end": "DATE",
        "quantity_micro": "BIGINT",
        "capacity_micro": "BIGINT",
        "reservation_micro": "BIGINT",
        "unit": "VARCHAR",
        "user_id": "VARCHAR",
        "model": "VARCHAR",
        "provider": "VARCHAR",
        "api_key_id": "VARCHAR",
        "tags": _MAP,
        **_ORIGIN,
    },
)
SEATS = Target(
    "seat_rows",
    "seats.sql",
    {
        "seats": "VARCHAR",
        "tool": "VARCHAR",
        "seat_id": "VARCHAR",
        "assigned_to": "VARCHAR",
        "team": "VARCHAR",
        "price": "DECIMAL(38, 18)",
        "valid_from": "DATE",
        "valid_to": "DATE",
        "last_active_at": "TIMESTAMP",
        "tags": _MAP,
        **_ORIGIN,
    },
)
INVOICES = Target(
    "invoices_printed",
    "invoices.sql",
    {
        "issuer": "VARCHAR",
        "invoice_id": "VARCHAR",
        "billing_account_id": "VARCHAR",
        "period": "VARCHAR",
        "currency": "VARCHAR",
        "total": "DECIMAL(38, 18)",
        "invoice_date": "DATE",
        "invoice_key": "VARCHAR",
        "source": "VARCHAR",
        **_ORIGIN,
    },
)
FX = Target(
    "fx_rates",
    "fx.sql",
    {
        "currency": "VARCHAR",
        "period": "VARCHAR",
        "valid_from": "DATE",
        "valid_to": "DATE",
        "rate": "DECIMAL(18, 9)",
        "policy": "VARCHAR",
        "source": "VARCHAR",
        **_ORIGIN,
    },
)


def take_meter(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add a meter to `meter_rows`.

    A quantity below zero is set aside, unless the meter counts money: revenue may fall below zero when
    refunds exceed sales. Such rows are kept, counted in a warning, and floored where they become weights.
    """
    unit = spelled(spec.unit or "")
    in_currency = is_currency(unit.upper())

    def ready(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(
            f"CREATE OR REPLACE VIEW _measured AS SELECT *, {provider_sql('provider')} AS provider_name FROM {ALIGNED}"
        )

    bindings = {"unit": unit or None, "in_currency": in_currency}
    taken = take_in(con, objects, spec, METERS, bindings, ready=ready)
    con.execute("DROP VIEW IF EXISTS _measured")
    below = con.execute(
        "SELECT source_file, min(source_row), count(*) FROM meter_rows"
        f" WHERE meter = {literal(spec.source)} AND quantity_micro < 0 GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    doubts = [
        Problem(
            "meter-below-zero",
            f"meter {spec.source!r}: {count:,} rows are below zero; they are kept, and weigh nothing",
            place=Place(file, row=row),
            cure="nothing, if refunds exceed sales there; else correct the rows",
            severity="warning",
        )
        for file, row, count in below
    ]
    return Intake(taken.control, (*taken.problems, *doubts))


def take_seats(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add seats to `seat_rows`; a seat that two rows give out on one day is a problem."""
    taken = take_in(con, objects, spec, SEATS, {})
    found = overlapping(
        con,
        f"(SELECT * FROM seat_rows WHERE seats = {literal(spec.source)})",
        ["tool", "seat_id"],
        "seat",
        "end the earlier row (`valid_to` is the first day that no longer counts) or delete one of them",
    )
    return Intake(taken.control, (*taken.problems, *found))


def take_invoices(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add printed totals to `invoices_printed`; an invoice that stands twice is a problem."""
    taken = take_in(con, objects, spec, INVOICES, {}, ready=lambda con: declare_currencies(con, "currency"))
    found = overlapping(
        con,
        "(SELECT *, DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to FROM invoices_printed"
        f" WHERE source = {literal(spec.source)})",
        ["invoice_key"],
        "invoice",
        "keep the row with the printed total",
    )
    return Intake(taken.control, (*taken.problems, *found))


def take_fx(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], spec: SourceColumns) -> Intake:
    """Add rates to `fx_rates`; two rates of one policy for one currency and day are a problem."""
    taken = take_in(con, objects, spec, FX, {}, ready=lambda con: declare_currencies(con, "currency"))
    found = overlapping(
        con,
        f"(SELECT *, coalesce(policy, 'any policy') AS kind FROM fx_rates WHERE source = {literal(spec.source)})",
        ["currency", "kind"],
        "rate",
        "keep one rate per currency, policy and day",
    )
    return Intake(taken.control, (*taken.problems, *found))
