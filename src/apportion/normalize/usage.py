"""Calls of models, ready to be folded: each of them once, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from apportion.normalize.usage_columns import BUCKETS, USAGE, Convention
from apportion.normalize.usage_files import usage_unreadable
from apportion.normalize.usage_plan import PlannedUsage, plan_usage, tag_columns
from apportion.normalize.usage_repeats import PreparedUsage, leave_out_repeats
from apportion.normalize.usage_shapes import RawFile, UsageSource
from apportion.normalize.usage_slices import UsageSlice
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal

__all__ = [
    "BUCKETS",
    "USAGE",
    "Convention",
    "PlannedUsage",
    "PreparedUsage",
    "RawFile",
    "UsageSlice",
    "UsageSource",
    "leave_out_repeats",
    "plan_usage",
    "prepare_usage",
    "tag_columns",
    "usage_quarantine",
    "usage_unreadable",
]

# The reason in the table of quarantined rows, by what the query says of a row.
_REASONS = {
    "row-broken": ("the row is broken%", "the line is not%"),
    "key-missing": ("no timestamp", "no provider"),
    "date-unreadable": ("%timestamp%",),
    "number-unreadable": ("%is not a whole number",),
    "negative-weight": ("%is negative",),
    "tokens-missing": ("no token counts",),
    "tokens-impossible": ("%above 10^15", "%more than%"),
    "tags-unreadable": ("tags are not%",),
}


def prepare_usage(
    engine: Engine,
    objects: Sequence[RawFile],
    source: UsageSource,
    *,
    staging: Path,
    known: Callable[[UsageSlice], int | None] = lambda _: None,
    **asked: Any,
) -> PreparedUsage:
    """Plan the one read of a project's only usage source, and leave out rows that repeat a call.

    Args:
        engine: To read with; it needs no tables.
        objects: The source's files.
        source: Its declaration.
        staging: A folder for conversions; it must live until the slices are folded.
        known: How many rows of a slice are repeated, if it was looked through before; else None.
        asked: What else `plan_usage` takes.
    """
    planned = plan_usage(engine, objects, source, staging=staging, **asked)
    return leave_out_repeats(engine, [planned], staging, known)[0]


def usage_quarantine(con: duckdb.DuckDBPyConnection, slice_: UsageSlice) -> int:
    """List a slice's faulty rows in the table `quarantine`.

    To be called only where the fold saw a fault, because it reads the slice again.

    Args:
        con: A connection that has the table.
        slice_: Whose fold saw a fault.

    Returns:
        How many rows were listed.
    """
    reasons = " ".join(
        f"WHEN fault LIKE {literal(pattern)} THEN {literal(slug)}"
        for slug, patterns in _REASONS.items()
        for pattern in patterns
    )
    listed = con.execute(
        "INSERT INTO quarantine BY NAME SELECT 'usage' AS table_name, source, source_file, source_row,"
        f" CASE {reasons} END AS reason, fault AS detail, excerpt FROM ({slice_.sql})"
        " WHERE fault IS NOT NULL ORDER BY source_file, source_row"
    ).fetchall()
    return int(listed[0][0])
