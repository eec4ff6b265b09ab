"""Usage cells for the tests of prices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa

from apportion.errors import Problem
from apportion.price.book import Context, Price, PriceBook, Unpriced
from apportion.price.entries import BUCKETS
from apportion.price.rating import price_cells
from apportion.warehouse import DuckDBEngine

KEYS = ("provider", "model", "service_tier", "processing", "region", "speed")
SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        *((key, pa.string()) for key in KEYS),
        ("context_bracket", pa.int8()),
        ("team", pa.string()),
        ("calls", pa.int64()),
        *((f"{bucket}_tokens", pa.int64()) for bucket in BUCKETS),
    ]
)


def cell(**given: object) -> dict[str, object]:
    """A cell of one call on 3 November 2026 without a token, but for what is given."""
    plain: dict[str, object] = {"day": date(2026, 11, 3), "context_bracket": 0, "calls": 1, "team": "a"}
    return {**plain, **{f"{bucket}_tokens": 0 for bucket in BUCKETS}, **given}


def book(folder: Path, text: str) -> PriceBook:
    """The book of a price file that has no problem."""
    made, problems = read(folder, text)
    assert problems == []
    return made


def read(folder: Path, text: str) -> tuple[PriceBook, list[Problem]]:
    """The book of a price file, and what is wrong with it."""
    path = folder / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    return PriceBook.load(path, "prices.yaml")


def priced(
    prices: PriceBook, *cells: Mapping[str, object]
) -> tuple[list[tuple[int | None, str, str | None, str | None]], list[Problem]]:
    """Cost in picos, state, price id and reason of each cell in their order, and the warnings."""
    engine = DuckDBEngine(threads=1)
    rows = [{**one, "place": place} for place, one in enumerate(cells)]
    engine.register("usage_cells", pa.Table.from_pylist(rows, SCHEMA.append(pa.field("place", pa.int64()))))
    problems = price_cells(engine, prices, "usage_cells", "priced_cells")
    columns = "list_cost_picos, price_state, price_id, price_reason"
    found = engine.fetch(f"SELECT {columns} FROM priced_cells ORDER BY place")
    assert engine.value("SELECT count(*) FROM priced_cells") == len(rows)
    assert engine.describe("priced_cells")["list_cost_picos"] == "DECIMAL(38,0)"
    engine.close()
    return [(None if cost is None else int(cost), *rest) for cost, *rest in found], problems


NOVEMBER = date(2026, 11, 3)
BOOK, NO_PROBLEMS = PriceBook.load()


def price(context: Context, day: date = NOVEMBER, of: PriceBook = BOOK) -> Price:
    found = of.price(context, day)
    assert isinstance(found, Price), found
    return found


def reason(context: Context, day: date = NOVEMBER, of: PriceBook = BOOK) -> str:
    found = of.price(context, day)
    assert isinstance(found, Unpriced), found
    return found.reason


def context(provider: str, model: str, asked: Mapping[str, str], limit: int = 0) -> Context:
    assert not asked.keys() - {"service_tier", "processing", "region", "speed"}
    return Context(
        provider,
        model,
        asked.get("service_tier"),
        asked.get("processing"),
        asked.get("region"),
        asked.get("speed"),
        limit,
    )
