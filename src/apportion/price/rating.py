"""Prices the cells of usage: list prices for the few contexts, one join for the many cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

import pyarrow as pa

from apportion.errors import Problem
from apportion.price.book import Context, Price, PriceBook
from apportion.price.entries import BUCKETS
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import name as quoted

# What a cell without a provider or a model has in its place once its dimensions are found.
_NO_VALUE = (None, "", "unallocated")
_KEYS = ("provider", "model", "service_tier", "processing", "region", "speed")
_SCHEMA = pa.schema(
    [
        *((key, pa.string()) for key in _KEYS),
        ("context_bracket", pa.int8()),
        ("day_from", pa.date32()),
        ("day_to", pa.date32()),
        ("price_id", pa.string()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("label", pa.string()),
        *((f"{bucket}_picos", pa.int64()) for bucket in BUCKETS),
        ("request_picos", pa.int64()),
        ("source", pa.string()),
        ("checked", pa.date32()),
    ]
)


def price_contexts(engine: Engine, cells: str = "cells") -> list[tuple[object, ...]]:
    """What decides the list prices of some cells: the keys, the bracket, the first and the last day."""
    return engine.fetch(_over(_query("price_contexts"), cells))


def rate(
    engine: Engine,
    book: PriceBook,
    contexts: Sequence[tuple[object, ...]],
    *,
    thresholds: Sequence[int] | None = None,
) -> None:
    """Write the list prices of contexts to the table `price_rows`.

    Grain: context and days (start in, end out) with one price. A bucket without a known price has NULL picos.

    Args:
        engine: Where the table is made.
        book: The prices.
        contexts: As `price_contexts` gives them.
        thresholds: Those that the brackets were counted with; the book's own if not given.
    """
    limits = (0, *(book.thresholds() if thresholds is None else sorted(thresholds)))
    out: list[dict[str, object]] = []
    for *keys, bracket, first, last in contexts:
        named = dict(zip(_KEYS, keys, strict=True))
        if not isinstance(first, date) or not isinstance(last, date):
            continue
        step = bracket if isinstance(bracket, int) else 0
        said = {key: None if value is None else str(value) for key, value in named.items()}
        context = Context(**said, above=limits[step])
        for start, end, price in book.spans(context, first, last + timedelta(days=1)):
            row: dict[str, object] = {**named, "context_bracket": bracket, "day_from": start, "day_to": end}
            if isinstance(price, Price):
                row |= {"state": "priced", "price_id": price.price_id, "label": price.label}
                row |= {f"{bucket}_picos": picos for bucket, picos in price.picos.items()}
                row |= {
                    "request_picos": price.request_picos,
                    "source": price.source,
                    "checked": price.checked,
                }
            else:
                row |= {"state": "unpriced", "reason": price.reason, "request_picos": 0}
            out.append(row)
    engine.register("price_rows", pa.Table.from_pylist(out, _SCHEMA))


def priced_sql(cells: str = "cells") -> str:
    """The query that yields cells with their list cost, out of a table or view of cells and `price_rows`."""
    return _over(_query("price_cells"), cells)


def price_cells(
    engine: Engine,
    book: PriceBook,
    cells: str,
    priced: str,
    *,
    thresholds: Sequence[int] | None = None,
) -> list[Problem]:
    """Price cells into a new table.

    Args:
        engine: Where the cells are.
        book: The prices.
        cells: A table or view of usage cells.
        priced: The table to make: the cells with list cost, state, price id and reason.
        thresholds: Those that the cells' brackets were counted with; the book's own if not given.

    Returns:
        A warning for each reason why calls are unpriced, with how much it is about.
    """
    rate(engine, book, price_contexts(engine, cells), thresholds=thresholds)
    engine.run(f"CREATE OR REPLACE TABLE {quoted(priced)} AS {priced_sql(cells)}")
    return unpriced(engine, priced)


def unpriced(engine: Engine, priced: str) -> list[Problem]:
    """A warning for each reason why priced cells have no list cost."""
    tokens = " + ".join(f"{bucket}_tokens" for bucket in BUCKETS)
    rows = engine.fetch(
        f"SELECT provider, model, price_reason, sum(calls), sum({tokens}), min(day), max(day)"
        f" FROM {quoted(priced)} WHERE price_state <> 'priced' GROUP BY ALL"
        # An attempt that failed has nothing that a price could be missing for.
        f" HAVING sum(calls) > 0 OR sum({tokens}) > 0 ORDER BY ALL"
    )
    return [
        Problem(
            "unpriced-usage",
            f"{calls:,} {'call' if calls == 1 else 'calls'} with {count:,} tokens of"
            f" {'no provider' if provider in _NO_VALUE else provider}"
            f"{', model not named' if model in _NO_VALUE else f' {model}'} ({first} to {last})"
            f" {'has' if calls == 1 else 'have'} no list price: {reason}",
            cure="add the price to the file named by `prices: {overrides: …}` (docs/prices.md); until then"
            " the pools they are in are weighed by tokens",
            severity="warning",
        )
        for provider, model, reason, calls, count, first, last in rows
    ]


@cache
def _query(name: str) -> str:
    text = (files("apportion.price") / f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _over(query: str, cells: str) -> str:
    """A query of `cells`, over another table or view."""
    return query if cells == "cells" else f"WITH cells AS (SELECT * FROM {quoted(cells)}) {query}"
