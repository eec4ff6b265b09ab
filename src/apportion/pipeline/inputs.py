"""Collect and normalize: the project's sources become tables in the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from apportion.collect.sync import RawObject, SourceSpec, collect
from apportion.config.approved import directory_rows
from apportion.config.dimensions import LookupEvidence
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.money import show, to_minor
from apportion.normalize.control import ControlTotal
from apportion.normalize.run import normalize
from apportion.normalize.sources import SourceColumns
from apportion.warehouse.engine import Engine

_BILLS = {"focus": "charges", "invoices": "invoices"}


@dataclass
class Inputs:
    """What was read.

    Attributes:
        objects: Every file, with its hash.
        control: Rows and money per source.
        problems: Of files and rows.
        twins: Files that are held out as doubles, and which one is read instead.
    """

    objects: tuple[RawObject, ...]
    control: tuple[ControlTotal, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    twins: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: str, source: str) -> list[RawObject]:
        """The files of one source."""
        return [item for item in self.objects if item.table == table and item.source == source]


def gather(settings: Settings, folder: Path, state: Path) -> Inputs:
    """Find, fetch and hash every file that the project names."""
    specs = [SourceSpec(bill.name, _BILLS[bill.type], bill.path) for bill in settings.bills]
    specs += [SourceSpec(source.name, "usage", source.path) for source in settings.usage]
    specs += [SourceSpec(source.name, "meters", source.path) for source in settings.meters]
    specs += [SourceSpec(source.name, source.type, source.path) for source in settings.directory]
    specs += [SourceSpec(source.name, "seats", source.path) for source in settings.seats]
    if settings.fx:
        specs.append(SourceSpec("fx", "fx", settings.fx.path))
    roots = [(folder / root).resolve() for root in settings.roots]
    found = collect(folder, specs, state / "cache", roots)
    return Inputs(found.objects, (), list(found.problems), found.twins)


def read(engine: Engine, settings: Settings, inputs: Inputs) -> Inputs:
    """Normalize everything but usage.

    Raises:
        InvariantError: L1: rows went in that neither came out nor were quarantined.
    """
    done = normalize(engine.desk.connection, inputs.objects, list(_columns(settings)))
    _write_approved(engine, settings)
    for control in done.control:
        control.check()
    told = [_with_money(engine, problem, inputs.twins) for problem in inputs.problems]
    return Inputs(inputs.objects, done.control, [*told, *done.problems], inputs.twins)


def _write_approved(engine: Engine, settings: Settings) -> None:
    """Add the keys of approved owner rules to the directory, as one more of its look-ups."""
    rows = directory_rows(settings.approved, settings.owner)
    if rows:
        con = engine.desk.connection
        con.register("approved_rows", pa.Table.from_pylist([dict(row) for row in rows]))
        con.execute("INSERT INTO directory_values BY NAME SELECT * FROM approved_rows")
        con.unregister("approved_rows")


def _with_money(engine: Engine, problem: Problem, twins: Mapping[str, str]) -> Problem:
    """A double of a bill, with the money that would have counted twice."""
    twin = twins.get(problem.place.file) if problem.place and problem.slug == "same-file-twice" else None
    if twin is None:
        return problem
    sums = engine.fetch(
        "SELECT billing_currency, SUM(billed_cost) FROM charges WHERE source_file = $1 GROUP BY ALL ORDER BY ALL",
        [twin],
    )
    amounts = [f"{show(to_minor(total, currency), currency)} {currency}" for currency, total in sums]
    return replace(problem, amount=f"{' and '.join(amounts)} counts once") if amounts else problem


def _columns(settings: Settings) -> list[SourceColumns]:
    keys: dict[str, list[str]] = {}
    for name in settings.dimension_names:
        for evidence in settings.dimension(name).evidence:
            if isinstance(evidence, LookupEvidence):
                lookup = evidence.lookup
                keys.setdefault(lookup.in_, []).append(lookup.on or lookup.key)
    specs = [
        SourceColumns(source=b.name, table=_BILLS[b.type], columns=b.columns, constants=b.constants)
        for b in settings.bills
    ]
    specs += [
        SourceColumns(source=m.name, table="meters", columns=m.columns, constants=m.constants, unit=m.unit)
        for m in settings.meters
    ]
    specs += [
        SourceColumns(
            source=d.name,
            table=d.type,
            columns=d.columns,
            constants=d.constants,
            keys=tuple(keys.get(d.name, ())),
        )
        for d in settings.directory
    ]
    specs += [
        SourceColumns(source=s.name, table="seats", columns=s.columns, constants=s.constants) for s in settings.seats
    ]
    if settings.fx:
        specs.append(SourceColumns(source="fx", table="fx", columns={}, constants={}))
    return specs
