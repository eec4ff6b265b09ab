"""A project on disk: its folder, its settings, its state, and a view over what a run published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from apportion.books.store import Books
from apportion.config.load import Loaded, load
from apportion.config.settings import Settings
from apportion.errors import ApportionError, ProblemsFound
from apportion.period import Period
from apportion.report.context import Context
from apportion.warehouse.duckdb_engine import DuckDBEngine

STATE = ".apportion"
REPORT_TABLES = (
    "pools", "claims", "invoices", "allocated_charges", "allocation_steps", "charges", "usage_cells", "meter_rows",
    "seat_rows", "quarantine", "dimension_ways", "codes",
)  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A folder with an `apportion.yaml`.

    Attributes:
        folder: Absolute.
        loaded: The settings, and what is wrong with them.
    """

    folder: Path
    loaded: Loaded

    @classmethod
    def open(cls, folder: Path) -> Project:
        """Read a project's settings; what is wrong with them is kept as problems."""
        resolved = folder.resolve()
        return cls(resolved, load(resolved))

    @property
    def settings(self) -> Settings:
        """The settings.

        Raises:
            ProblemsFound: They have errors.
        """
        if not self.loaded.sound or self.loaded.settings is None:
            raise ProblemsFound(self.loaded.problems)
        return self.loaded.settings

    @property
    def state(self) -> Path:
        """Where the product keeps its own files."""
        return self.folder / STATE

    @property
    def warehouse(self) -> Path:
        """Where the tables lie."""
        return self.state / "warehouse"

    @property
    def config_sha256(self) -> str:
        """Of the settings as written."""
        return hashlib.sha256(self.loaded.text.encode()).hexdigest()

    def books(self, *, create: bool = False) -> Books:
        """The project's books.

        Raises:
            ApportionError: There are none yet.
        """
        return Books.open(self.state / "books.db", project=self.folder, create=create)

    def context(self, run: str = "") -> Context:
        """What reports have to know besides the tables."""
        settings = self.settings
        return Context(
            currency=settings.currency,
            owner=settings.owner,
            dimensions=tuple(settings.dimension_names),
            users=settings.policies.users,
            reconcile_warn=settings.policies.reconcile.warn,
            reconcile_block=settings.policies.reconcile.block,
            company=settings.company,
            salt=settings.company,
            run=run,
        )

    @contextmanager
    def view(self, period: Period | None) -> Iterator[View]:
        """Open the published tables of a period and of the one before it.

        Args:
            period: Which; None is the latest.

        Raises:
            ApportionError: Nothing was published for it.
        """
        with self.books() as books, books.reading() as reading, DuckDBEngine() as engine:
            known = reading.periods()
            chosen = str(period) if period else (known[-1] if known else None)
            if chosen is None or chosen not in known:
                raise ApportionError(
                    "nothing-published",
                    f"Nothing is published for {chosen or 'any period'}; there is {', '.join(known) or 'nothing yet'}.",
                    cure="apportion run",
                )
            this = Period.parse(chosen)
            for table in REPORT_TABLES:
                paths = [*reading.parts(str(this.previous), table), *reading.parts(chosen, table)]
                if table in {"dimension_ways", "quarantine", "codes", "meter_rows", "seat_rows"}:
                    paths = reading.parts(chosen, table)
                if paths:
                    engine.use_view(table, paths)
            run = reading.current_run(chosen)
            context = self.context(run.run_id if run else "")
            yield View(self.folder, this, engine, books, context, self.settings.policies.active_days)


@dataclass(frozen=True)
class View:
    """Published tables, ready for reports.

    Attributes:
        folder: The project's.
        period: The period that was asked for; the one before it is there too, for changes.
        engine: Has a view of each table.
        books: Open for reading.
        context: For reports.
        active_days: Within how many days a seat must have been active.
    """

    folder: Path
    period: Period
    engine: DuckDBEngine
    books: Books
    context: Context
    active_days: int

    def register_postings(self) -> None:
        """Make the journal readable as `postings`, so that an amount can be asked for by its entry."""
        with self.books.reading() as reading:
            rows = [
                (booked.entry_id, booked.entry.pool_id, side.owner)
                for booked in reading.in_force(str(self.period))
                for side in booked.entry.postings
                if side.owner
            ]
        columns = [[row[i] for row in rows] for i in range(3)]
        arrays = [pa.array(column, pa.string()) for column in columns]
        self.engine.register("postings", pa.table(dict(zip(("posting_id", "pool_id", "owner"), arrays, strict=True))))
