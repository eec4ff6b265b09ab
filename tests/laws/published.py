"""What a run of a random company published: its tables as plain rows, its journal, its statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import Phase, settings

from apportion.books.records import BookedEntry, Control
from apportion.period import Period
from apportion.pipeline import Outcome, run
from apportion.project import Project, View
from apportion.report.cents import cents
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.tables import content_hash
from tests.laws.company import Company

Row = dict[str, Any]
# What says only where a row stood in a file, or in which order its pieces were made.
_PLACES = {"charge_id", "source_row", "source_file"}
# A company costs seconds to run: what fails is its seed, and is not shrunk.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TABLES = ("pools", "claims", "invoices", "usage_cells", "allocated_charges", "charges")


def rich(least: int) -> settings:
    """Few examples, each of them a whole company; the profile `deep` has more."""
    return settings(max_examples=max(least, settings().max_examples // 30), phases=_PHASES)


def clock() -> Callable[[], datetime]:
    """A clock that is a second later each time it is asked, so that no two runs have one name."""
    ticks = iter(range(10**9))
    return lambda: datetime(2026, 12, 1, 9, tzinfo=UTC) + timedelta(seconds=next(ticks))


@dataclass(frozen=True)
class Published:
    """One period, read back.

    Attributes:
        tables: The rows of each table.
        hashes: The hash of each table's content, places in files left out.
        statements: Minor units by dimension and value.
        entries: The journal entries in force.
        journal: Every entry ever posted.
        controls: The stages' control totals.
        outcome: What the run said of itself.
    """

    tables: dict[str, list[Row]]
    hashes: dict[str, str]
    statements: dict[str, dict[str, int]]
    entries: list[BookedEntry]
    journal: list[BookedEntry]
    controls: list[Control]
    outcome: Outcome

    @property
    def pools(self) -> list[Row]:
        """The pools."""
        return self.tables["pools"]

    @property
    def claims(self) -> list[Row]:
        """The claims."""
        return self.tables["claims"]

    @property
    def invoices(self) -> list[Row]:
        """The invoices."""
        return self.tables["invoices"]

    @property
    def owned(self) -> dict[str, int]:
        """Minor units by owner, as the books have them."""
        found: Counter[str] = Counter()
        for booked in self.entries:
            for side in booked.entry.postings:
                if side.owner is not None:
                    found[side.owner] += side.amount_minor
        return dict(found)

    def counts(self, stage: str) -> list[int]:
        """The numbers in a stage's first control total."""
        said = next(c.value for c in self.controls if c.stage == stage)
        return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said)]


class Workplace:
    """A project folder that a company's files are written into, and run.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._now = clock()

    def write(self, company: Company) -> None:
        """Write a company's files, over those that are there."""
        company.write(self.folder)

    def project(self) -> Project:
        """The project, read anew."""
        return Project.open(self.folder)

    def run(self) -> Outcome:
        """Run the whole flow in this process."""
        return run(self.project(), now=self._now, on=EngineChoice(memory_limit="256MB"))

    @contextmanager
    def view(self, period: str | None = None) -> Iterator[View]:
        """The published tables of a period, or of the latest."""
        with self.project().view(Period.parse(period) if period else None) as view:
            yield view

    def read(self, outcome: Outcome, period: str | None = None) -> Published:
        """Read everything of a period, or of the latest."""
        with self.view(period) as view, view.books.reading() as books:
            text = str(view.period)
            hashes = {}
            tables = {}
            for name in TABLES:
                columns = [column for column in view.engine.describe(name) if column not in _PLACES]
                listed = ", ".join(f'"{column}"' for column in columns)
                # Rows that say the same of one cell are one amount of it, however it was pieced together.
                amounts = {"allocated_charges": ("cost_nano",), "usage_cells": _summed(columns)}.get(name, ())
                if amounts:
                    keys = ", ".join(f'"{column}"' for column in columns if column not in amounts)
                    sums = ", ".join(f'CAST(SUM("{a}") AS DECIMAL(38, 0)) AS "{a}"' for a in amounts)
                    query = f"SELECT {keys}, {sums} FROM {name} WHERE period = '{text}' GROUP BY {keys}"
                elif name == "claims":
                    query = f"SELECT {listed} FROM claims WHERE pool_id IN (SELECT pool_id FROM read_pools)"
                else:
                    query = f"SELECT {listed} FROM {name} WHERE period = '{text}'"
                view.engine.run(f"CREATE TABLE read_{name} AS {query}")
                hashes[name] = content_hash(view.engine, f"read_{name}")
                tables[name] = view.engine.records(f"SELECT * FROM read_{name}")
            dimensions = (*view.context.dimensions, "provider", "model", "model_family", "model_tier", "category")
            con, context = view.engine.connection, view.context
            statements = {d: cents(con, context, view.period, d).by_value for d in dict.fromkeys(dimensions)}
            current = books.current_run(text)
            assert current is not None
            controls = [c for c in books.controls(current.run_id) if c.period == text]
            return Published(tables, hashes, statements, books.in_force(text), books.journal(text), controls, outcome)


def _summed(columns: list[str]) -> tuple[str, ...]:
    return tuple(c for c in columns if c.endswith("_tokens") or c in {"tokens", "calls", "list_cost_picos"})


@contextmanager
def workplace() -> Iterator[Workplace]:
    """An empty folder for one company."""
    with TemporaryDirectory(prefix="company-") as folder:
        yield Workplace(Path(folder) / "project")


def publish(company: Company) -> Published:
    """Run a company from nothing and read back what it published."""
    with workplace() as place:
        place.write(company)
        return place.read(place.run())


def same(first: Published, second: Published) -> None:
    """Two runs published the same of one period: statements, tables and entries."""
    assert first.statements == second.statements
    assert first.hashes == second.hashes
    assert {b.entry.content_sha256 for b in first.entries} == {b.entry.content_sha256 for b in second.entries}
