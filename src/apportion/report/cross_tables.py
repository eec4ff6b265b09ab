"""Cross-tables: cost by two dimensions at once, in nano-units that are rounded only to be shown."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import ranked, sums
from apportion.report.context import Context
from apportion.report.notes import standing_notes
from apportion.report.table import Column, Row, Table

_MOST_COLUMNS = 12
_ELSE = "everything else"
_ROUNDED = "Cells are rounded for display: where they miss their sum by a cent, the sum is exact"


def cross_table(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    down: str,
    across: str,
    *,
    name: str | None = None,
    most_columns: int = _MOST_COLUMNS,
) -> Table:
    """Cost by two dimensions, largest first in both, unallocated last, small columns together.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        down: The dimension of the rows; `category` is one.
        across: The dimension of the columns.
        name: Names the table; made of the dimensions if not given.
        most_columns: More values than this share the column `everything else`.

    Raises:
        ApportionError: There is no such dimension.
    """
    names = {"d": queries.value_of(context, down), "e": queries.value_of(context, across)}
    found = [(d, e, int(nano)) for d, e, nano in queries.run(con, "cross", {"period": str(period)}, names)]
    across_sums = sums((e, nano) for _, e, nano in found)
    heads = ranked(across_sums)
    if len(heads) > most_columns:
        # What nobody owns keeps its own column, whatever its size.
        kept = heads[: most_columns - 1] + [e for e in heads[most_columns - 1 :] if e == "unallocated"]
        found = [(d, e if e in kept else _ELSE, nano) for d, e, nano in found]
        across_sums = sums((e, nano) for _, e, nano in found)
        heads = [e for e in kept if e != "unallocated"] + [_ELSE] + [e for e in kept if e == "unallocated"]
    down_sums = sums((d, nano) for d, _, nano in found)
    cells: dict[tuple[str, str], int] = {}
    for d, e, nano in found:
        cells[d, e] = cells.get((d, e), 0) + nano

    def cents_of(nano: int) -> int:
        return half_up_div(nano, context.unit)

    rows: tuple[Row, ...] = tuple(
        (d, *(cents_of(cells.get((d, e), 0)) for e in heads), cents_of(down_sums[d])) for d in ranked(down_sums)
    )
    taken = {down, "total"}
    whole = all(nano % context.unit == 0 for nano in cells.values())
    return Table(
        name=name or f"{down}-by-{across}",
        title=f"{_words(down).capitalize()} by {_words(across)}, {period.title}, {context.currency}",
        columns=(
            Column(down, _words(down).capitalize()),
            *(Column(e if e not in taken else f"{across}: {e}", e, "money") for e in heads),
            Column("total", "Total", "money"),
        ),
        rows=rows,
        total=("All AI cost", *(cents_of(across_sums[e]) for e in heads), cents_of(sum(down_sums.values()))),
        notes=(*(() if whole else (_ROUNDED,)), *standing_notes(con, context, period)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _words(dimension: str) -> str:
    return dimension.replace("_", " ")


def usual_tables(con: DuckDBPyConnection, context: Context, period: Period) -> list[Table]:
    """Category by owner, model tier by feature, environment by category; those the project can answer."""
    pairs = [("category", context.owner), ("model_tier", "feature"), ("environment", "category")]
    known = {"category", context.owner, *context.dimensions}
    return [cross_table(con, context, period, down, across) for down, across in pairs if {down, across} <= known]
