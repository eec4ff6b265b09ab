"""Coverage: how every cent found its place, in four layers, and never as one flattering number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.money import show
from apportion.period import Period
from apportion.report.cents import Cents, cents
from apportion.report.context import Context
from apportion.report.notes import standing_notes
from apportion.report.percentages import shares_of_hundred
from apportion.report.table import Cell, Column, Row, Table

LAYERS = {
    "direct": "Direct",
    "rule": "Rule",
    "default": "Default",
    "shared": "Shared",
    "unallocated": "Unallocated",
}
ATTRIBUTED = ("direct", "rule")
_APART = {"credits": "credits", "tax": "tax", "adjustments": "corrections"}


def _layers(found: Cents) -> dict[str, int]:
    """Minor units per layer in their order; the layer of defaults only where there are some."""
    sums = found.by_layer
    return {layer: sums.get(layer, 0) for layer in LAYERS if layer != "default" or sums.get(layer)}


def coverage(con: DuckDBPyConnection, context: Context, period: Period, by: str | None = None) -> Table:
    """The layers of one dimension, in money and in percent of all AI cost; the percentages add up to 100.

    Under the sum stands the attributed part, direct and rule without defaults, which spreading never raises.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: A dimension; the owner's if not given.

    Raises:
        ApportionError: There is no such dimension.
    """
    dimension = context.known(by or context.owner)
    found = cents(con, context, period, dimension)
    layers = _layers(found)
    shares = shares_of_hundred(list(layers.values()), list(layers))
    rows: tuple[Row, ...] = tuple((layer, layers[layer], share) for layer, share in zip(layers, shares, strict=True))
    attributed = sum(layers[layer] for layer in ATTRIBUTED)
    in_percent = share_sum([share for layer, share in zip(layers, shares, strict=True) if layer in ATTRIBUTED])
    return Table(
        name="coverage",
        title=f"Coverage by {dimension}, {period.title}, {context.currency}",
        columns=(
            Column("layer", "Layer"),
            Column("amount", "Amount", "money"),
            Column("percent", "of all", "percent"),
        ),
        rows=rows,
        total=("all AI cost", found.total, share_sum(shares)),
        below=(("attributed (direct + rule)", attributed, in_percent),),
        notes=(*_laid_on(found, context.currency), *standing_notes(con, context, period)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _laid_on(found: Cents, currency: str) -> tuple[str, ...]:
    """Why a layer here is not that of a statement: credits, tax and corrections stand apart there."""
    parts = found.by_part
    said = [f"{name} {show(parts[key], currency)}" for key, name in _APART.items() if parts.get(key)]
    if not said:
        return ()
    return (f"With {', '.join(said)} laid on the layers of the cost they go with; statements show them apart",)


def share_sum(shares: Sequence[Decimal | None]) -> Decimal | None:
    """Percentages of one whole added up; None where one of them is unknown."""
    known = [share for share in shares if share is not None]
    return sum(known, Decimal("0.00")) if len(known) == len(shares) else None


def coverage_by_dimension(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """A row per dimension, the owner's first: the same total in four layers, in money and in percent."""
    dimensions = list(dict.fromkeys((context.owner, *context.dimensions)))
    found = {dimension: _layers(cents(con, context, period, dimension)) for dimension in dimensions}
    shown = [layer for layer in LAYERS if any(layer in layers for layers in found.values())]
    rows = []
    for dimension, layers in found.items():
        amounts = [layers.get(layer, 0) for layer in shown]
        shares = shares_of_hundred(amounts, shown)
        pairs: list[Cell] = [cell for pair in zip(amounts, shares, strict=True) for cell in pair]
        attributed = share_sum([share for layer, share in zip(shown, shares, strict=True) if layer in ATTRIBUTED])
        rows.append((dimension, *pairs, attributed, sum(amounts)))
    columns = [Column("dimension", "Dimension")]
    for layer in shown:
        columns.append(Column(layer, LAYERS[layer], "money"))
        columns.append(Column(f"{layer}_percent", "%", "percent"))
    columns.append(Column("attributed_percent", "dir.+rule", "percent"))
    columns.append(Column("total", "Total", "money"))
    return Table(
        name="coverage-by-dimension",
        title=f"Coverage by dimension, {period.title}, {context.currency}",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(
            *_laid_on(cents(con, context, period), context.currency),
            *standing_notes(con, context, period),
        ),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
