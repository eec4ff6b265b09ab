"""Where the weights of a pool came from: rows of a meter, calls of a usage source, seats, the roster."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.weights import LIST_COSTS

_MOST_RANGES = 12
OF_CALLS = frozenset({*LIST_COSTS, "tokens", "requests"})


@dataclass(frozen=True)
class WeightSource:
    """Where weights came from, and the unit that people count them in.

    Attributes:
        words: `meters/gpu_hours.csv rows 2-125`; empty where it is not known.
        unit: Of the meter, if one meter alone weighs.
    """

    words: str
    unit: str = ""


def weight_source(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    *,
    method: str,
    basis: str,
    item: str,
    rule: str,
    provider: str,
    account: str,
    model: str,
    owner: str | None,
) -> WeightSource:
    """Find the rows behind the weights of a pool.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period of the pool.
        method: Of the pool.
        basis: What its weights are.
        item: Of the pool; rows of a meter are those of this item.
        rule: Of the pool.
        provider: Of the pool.
        account: Its billing account.
        model: Its model, empty for every model.
        owner: Whose calls are counted apart, as a reader may see it.
    """
    if method == "seats":
        return _seats(con, period, rule, item)
    if basis in OF_CALLS:
        asked = {"provider": provider, "account": account, "model": model, "value": owner}
        return _calls(con, context, period, asked)
    if basis == "person-days" or method == "headcount":
        return WeightSource("the roster, day by day" if basis == "person-days" else "the roster")
    return _meter(con, period, basis, item) if method == "proportional" else WeightSource("")


def _meter(con: DuckDBPyConnection, period: Period, basis: str, item: str) -> WeightSource:
    known = {str(row[0]) for row in con.execute("SELECT DISTINCT meter FROM meter_rows").fetchall()}
    meters = sorted(known & (set(re.findall(r"[\w.-]+", basis)) | {basis}))
    if not meters:
        return WeightSource("")
    asked = {"meters": meters, "item": item, "start": period.start, "end": period.end}
    rows = queries.run(con, "weight_rows", asked)
    units = {str(unit) for _, _, unit in rows if unit}
    words = rows_of_files((str(file), int(row)) for file, row, _ in rows if file)
    return WeightSource(words, units.pop() if len(meters) == 1 and len(units) == 1 else "")


def _calls(con: DuckDBPyConnection, context: Context, period: Period, asked: dict[str, str | None]) -> WeightSource:
    if not queries.has(con, "usage_cells"):
        return WeightSource("")
    names = queries.cut_by_columns(context, context.owner)
    rows = queries.run(con, "usage_sources", {**asked, "start": period.start, "end": period.end}, names)
    said = []
    for source, calls, mine in rows:
        part = f"{int(mine):,} of {int(calls):,}" if asked["value"] is not None else f"{int(calls):,}"
        said.append(f"usage {source}, {part} {'call' if calls == 1 else 'calls'}")
    return WeightSource("; ".join(said))


def _seats(con: DuckDBPyConnection, period: Period, rule: str, item: str) -> WeightSource:
    rows = con.execute(
        "SELECT source_file, source_row, tool FROM seat_rows"
        " WHERE valid_from < $end AND valid_to > $start ORDER BY ALL",
        {"start": period.start, "end": period.end},
    ).fetchall()
    of_tool = [row for row in rows if row[2] in (rule, item)]
    return WeightSource(rows_of_files((str(file), int(row)) for file, row, _ in of_tool or rows if file))


def rows_of_files(found: Iterable[tuple[str, int]]) -> str:
    """Rows of files in words: `bills/a.csv row 2; bills/b.csv rows 2-7`."""
    files: dict[str, set[int]] = {}
    for file, row in found:
        files.setdefault(file, set()).add(row)
    return "; ".join(f"{file} {'row' if len(rows) == 1 else 'rows'} {row_ranges(rows)}" for file, rows in files.items())


def row_ranges(rows: Iterable[int]) -> str:
    """Row numbers as ranges: 2, 3, 4 and 7 make two of them; after a dozen ranges the rest is counted."""
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    texts = [str(a) if a == b else f"{a}\N{EN DASH}{b}" for a, b in spans[:_MOST_RANGES]]
    rest = sum(b - a + 1 for a, b in spans[_MOST_RANGES:])
    return ", ".join(texts) + (f" and {rest:,} more" if rest else "")
