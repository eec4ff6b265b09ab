"""Every source but usage becomes its table; what is absent becomes an empty one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from apportion.errors import Problem
from apportion.normalize import quarantine
from apportion.normalize.charges import normalize_charges, prepare_charges
from apportion.normalize.control import ControlTotal
from apportion.normalize.directory import (
    CODES,
    DIRECTORY,
    LOOKUP,
    ROSTER,
    take_codes,
    take_lookup,
    take_roster,
)
from apportion.normalize.intake import Intake, prepare
from apportion.normalize.invoice_keys import tell_invoices_apart
from apportion.normalize.measures import (
    FX,
    INVOICES,
    METERS,
    SEATS,
    take_fx,
    take_invoices,
    take_meter,
    take_seats,
)
from apportion.normalize.reading import RecordFile
from apportion.normalize.repeats import hold_repeats
from apportion.normalize.sources import SourceColumns

_TAKERS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, Sequence[RecordFile], SourceColumns], Intake]] = {
    "meters": take_meter,
    "roster": take_roster,
    "lookup": take_lookup,
    "codes": take_codes,
    "seats": take_seats,
    "invoices": take_invoices,
    "fx": take_fx,
}


@dataclass(frozen=True)
class Normalized:
    """What became of the sources.

    Attributes:
        problems: Of files and rows; one per file and reason for the rows in `quarantine`.
        control: One per source, in the order of the sources.
    """

    problems: tuple[Problem, ...]
    control: tuple[ControlTotal, ...]


def normalize(
    con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], specs: Sequence[SourceColumns]
) -> Normalized:
    """Make the tables of every source, except usage.

    Creates `charges`, `invoices_printed`, `fx_rates`, `meter_rows`, `roster_rows`, `lookup_rows`,
    `directory_values`, `codes`, `seat_rows` and `quarantine`, empty where no source fills them.

    Args:
        con: The engine's connection; its tables of those names are replaced.
        objects: The collected files of all sources; those of sources that are not named are left alone.
        specs: How to read each source.

    Raises:
        InvariantError: Rows or money were lost on the way.
    """
    targets = (INVOICES, FX, METERS, ROSTER, LOOKUP, DIRECTORY, CODES, SEATS)
    for table in ("charges", "quarantine", *(target.name for target in targets)):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    quarantine.prepare(con)
    prepare_charges(con)
    for target in targets:
        prepare(con, target)
    # Turning short lists of words into joins takes the engine longer than all the rows of a usual bill.
    con.execute("SET disabled_optimizers = 'in_clause'")
    try:
        return _take(con, objects, specs)
    finally:
        con.execute("RESET disabled_optimizers")


def _take(con: duckdb.DuckDBPyConnection, objects: Sequence[RecordFile], specs: Sequence[SourceColumns]) -> Normalized:
    problems: list[Problem] = []
    control: list[ControlTotal] = []
    for spec in specs:
        files = [item for item in objects if item.source == spec.source and item.table == spec.table]
        if spec.table == "charges":
            result = normalize_charges(con, files, spec)
            problems += result.problems
            control.append(result.control)
        elif spec.table in _TAKERS:
            taken = _TAKERS[spec.table](con, files, spec)
            problems += taken.problems
            control.append(taken.control)
    tell_invoices_apart(con)
    repeated, control = hold_repeats(con, control)
    return Normalized((*problems, *repeated, *quarantine.problems(con)), tuple(control))
