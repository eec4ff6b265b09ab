"""What a run publishes of each period, and the control total of every stage beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from apportion.books.records import Control, Entry
from apportion.config.settings import Settings
from apportion.money import minor_digits, nano_per_minor, show
from apportion.period import Period
from apportion.pipeline.inputs import Inputs
from apportion.pipeline.usage import Folded
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal
from apportion.warehouse.tables import content_hash


def published(period: str) -> dict[str, str]:
    """The tables of a period besides usage_cells and allocated_charges, and the query of each."""
    said = literal(period)
    return {
        "pools": "pools",
        "claims": _CLAIMS,
        "invoices": "invoices",
        "charges": f"SELECT * FROM charge_dimensions WHERE period = {said}",
        "allocation_steps": "SELECT pool_id, charge_id, source, source_file, source_row, effective_nano"
        " FROM pool_charges",
        "meter_rows": "SELECT m.* FROM meter_rows AS m CROSS JOIN ledger AS l"
        " WHERE m.day < l.period_end AND m.day_end > l.period_start",
        "seat_rows": "SELECT s.* FROM seat_rows AS s CROSS JOIN ledger AS l"
        " WHERE s.valid_from < l.period_end AND s.valid_to > l.period_start",
        "codes": "codes",
        "dimension_ways": "dimension_ways",
        "quarantine": "quarantine",
    }


# The evidence of a claim for people: the ways by which the owner was found, or what its weight is.
_CLAIMS = """SELECT c.pool_id, c.owner, c.layer, c.role, c.weight, c.amount_minor,
  CASE
    WHEN c.role IN ('idle', 'own_idle') THEN 'idle capacity'
    WHEN c.role = 'moved' THEN 'moved to other owners'
    WHEN c.layer = 'unallocated' THEN 'no evidence'
    ELSE COALESCE(p.fallback, p.basis)
  END AS evidence
FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id"""


def totals(
    engine: Engine,
    settings: Settings,
    period: Period,
    inputs: Inputs,
    folded: Folded,
    entries: Sequence[Entry],
) -> list[Control]:
    """The control total of every stage for one period, as the certificate prints them."""
    text, currency = str(period), settings.currency
    unit = nano_per_minor(currency)

    def money(minor: int) -> str:
        return f"{show(minor, currency)} {currency}"

    rows_in = sum(control.rows_in for control in inputs.control)
    aside = sum(control.rows_quarantined for control in inputs.control)
    charges = engine.fetch(
        f"""SELECT billing_currency, COUNT(*), COALESCE(SUM(billed_cost), 0) FROM charges_all
        WHERE period = {literal(text)} GROUP BY billing_currency ORDER BY billing_currency"""
    )
    pools, allocated = engine.fetch("SELECT COUNT(*), CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM pools")[0]
    claims = engine.value("SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM claims")
    cells = engine.value(
        f"SELECT CAST(COALESCE(SUM(cost_nano), 0) AS BIGINT) FROM allocated_so_far WHERE period = {literal(text)}"
    )
    invoiced = engine.value("SELECT CAST(COALESCE(SUM(ai_minor), 0) AS BIGINT) FROM invoices")
    estimated = engine.value(
        "SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM pools WHERE status = 'estimate'"
    )
    posted = sum(p.amount_minor for e in entries for p in e.postings if p.account.startswith("owner:"))
    size = sum(item.size_bytes for item in inputs.objects)

    def control(stage: str, what: str, value: str, sha256: str | None = None, *, ok: bool = True) -> Control:
        return Control(text, stage, what, value, sha256, ok)

    return [
        control(
            "collect",
            "objects of the project",
            f"{len(inputs.objects):,} objects, {size:,} bytes",
            _objects(inputs),
        ),
        control(
            "normalize",
            "rows of the project",
            f"{rows_in:,} = {rows_in - aside:,} read + {aside:,} quarantined",
        ),
        *(
            control("normalize", f"billed in {code}", f"{_charges(count)}, {_plain(billed, code)} {code}")
            for code, count, billed in charges
        ),
        control(
            "price",
            "usage of the project",
            f"{folded.rows_in:,} = {folded.rows_folded:,} folded + {folded.rows_quarantined:,} quarantined"
            f" + {folded.duplicates:,} repeated",
        ),
        control(
            "attribute",
            "AI cost of the invoices",
            money(invoiced + estimated),
            ok=invoiced + estimated == allocated,
        ),
        control("allocate", "pools", f"{_pools(pools)}, {money(allocated)}", content_hash(engine, "pools")),
        control("allocate", "claims", money(claims), content_hash(engine, "claims"), ok=claims == allocated),
        control("allocate", "cells", money(cells // unit), ok=cells == allocated * unit),
        control("post", "postings to owners", money(posted), _journal(entries), ok=posted == allocated),
    ]


def _charges(count: int) -> str:
    return "1 charge" if count == 1 else f"{count:,} charges"


def _pools(count: int) -> str:
    return "1 pool" if count == 1 else f"{count:,} pools"


def _plain(value: Decimal, currency: str) -> str:
    """To the last digit, and with no fewer than the currency has."""
    whole = round(value, minor_digits(currency))
    if whole == value:
        return f"{whole:,f}"
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _objects(inputs: Inputs) -> str:
    lines = sorted(f"{item.name} {item.sha256}" for item in inputs.objects)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _journal(entries: Sequence[Entry]) -> str:
    return hashlib.sha256("\n".join(sorted(entry.content_sha256 for entry in entries)).encode()).hexdigest()
