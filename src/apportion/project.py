"""A project on disk: its folder, its settings, its state, and a view over what a run published."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa

from apportion.attribute.cells import empty_cells
from apportion.attribute.dimensions import Resolver
from apportion.attribute.early import CellEvidence
from apportion.books.decisions import in_force
from apportion.books.store import Books
from apportion.config.approved import OwnerRule
from apportion.config.load import Loaded, load
from apportion.config.settings import Settings
from apportion.errors import ApportionError, ProblemsFound
from apportion.period import Period
from apportion.report.context import Context
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.storage import FolderStorage, ObjectStorage, Storage, is_object_store
from apportion.warehouse.tables import Part

STATE = ".apportion"
_BOOKS = "books.db"
REPORT_TABLES = (
    "pools", "claims", "invoices", "allocated_charges", "allocation_steps", "charges", "usage_cells", "meter_rows",
    "seat_rows", "quarantine", "dimension_ways", "codes",
)  # fmt: skip

_OF_ONE_PERIOD = frozenset({"dimension_ways", "quarantine", "codes", "meter_rows", "seat_rows"})


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

    @property
    def terms(self) -> str:
        """What the cents of a run are: whom they are charged to, and in which currency."""
        return f"charged by {self.settings.owner} in {self.settings.currency}"

    @cached_property
    def storage(self) -> Storage:
        """Where published tables lie for good.

        Raises:
            ApportionError: The setting is no address that can be opened.
        """
        place = os.environ.get("APPORTION_WAREHOUSE") or self._said("warehouse")
        if place and is_object_store(place):
            return ObjectStorage(place, self.state / "cache" / "warehouse")
        return FolderStorage(self.folder, self.warehouse)

    @property
    def _books_place(self) -> Path | str:
        return os.environ.get("APPORTION_BOOKS") or self._said("books") or self.state / _BOOKS

    def _said(self, key: str) -> str | None:
        settings = self.loaded.settings
        return getattr(settings, key) if settings else None

    def books(self, *, create: bool = False) -> Books:
        """The project's books.

        Raises:
            ProblemsFound: There are none yet, and no settings either.
            ApportionError: There are none yet.
        """
        place = self._books_place
        there = not isinstance(place, Path) or place.exists()
        if not there and any(problem.slug == "config-missing" for problem in self.loaded.problems):
            raise ProblemsFound(self.loaded.problems)
        return Books.open(place, project=self.folder, local=self.storage.local, create=create)

    def approved(self) -> list[OwnerRule]:
        """The owner rules that the books have in force, in the order of their approval."""
        place = self._books_place
        if isinstance(place, Path) and not place.exists():
            return []
        with self.books() as books, books.reading() as reading:
            held = in_force(reading.decisions())
        return [OwnerRule.from_json(decision.subject) for decision in held if decision.kind == "approve"]

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

    def has(self, period: Period) -> bool:
        """Whether anything is published for a period."""
        place = self._books_place
        if isinstance(place, Path) and not place.exists():
            return False
        with self.books() as books, books.reading() as reading:
            return str(period) in reading.periods()

    @contextmanager
    def view(self, period: Period | None) -> Iterator[View]:
        """Open the published tables of a period and of the one before it.

        Args:
            period: Which; None is the latest.

        Raises:
            ApportionError: Nothing was published for it, or what was is damaged.
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
            run = reading.current_run(chosen)
            context = self.context(run.run_id if run else "")
            if run and run.note and run.note != self.terms:
                raise _changed(chosen, f"it was {run.note}, and apportion.yaml now says {self.terms}")
            try:
                self._show(engine, this, reading.parts)
                missing = set(self.settings.dimension_names) - set(engine.describe("charges"))
                if missing:
                    raise _changed(chosen, f"it does not know {', '.join(sorted(missing))} yet")
                yield View(self.folder, this, engine, books, context, self.settings.policies.active_days)
            except duckdb.Error as error:
                shown = [
                    path
                    for table in REPORT_TABLES
                    for of in (this.previous, this)
                    for path in reading.parts(str(of), table)
                ]
                if damaged := [path for path in shown if not _readable(path)]:
                    raise _damaged(damaged, self.folder) from error
                raise

    @contextmanager
    def preview(self, period: Period, run: str, folder: Path, parts: Sequence[Part]) -> Iterator[View]:
        """Open the tables of a run that is not published.

        Args:
            period: Which; what the run does not have of the one before it is taken from what is published.
            run: Its name.
            folder: What the paths of its parts are relative to.
            parts: Everything that it wrote.
        """

        def paths(of: str, table: str) -> Sequence[Path]:
            return [folder / part.path for part in parts if (part.period, part.table) == (of, table)]

        # A preview leaves nothing behind, not even empty books.
        kept = self._books_place
        place = kept if isinstance(kept, str) or kept.exists() else folder / _BOOKS
        opened = Books.open(place, project=self.folder, local=self.storage.local, create=place != kept)
        with opened as books, books.reading() as reading, DuckDBEngine() as engine:
            own = {part.period for part in parts if part.table == "pools"}
            self._show(engine, period, lambda of, table: (paths if of in own else reading.parts)(of, table))
            yield View(self.folder, period, engine, books, self.context(run), self.settings.policies.active_days)

    def _show(self, engine: DuckDBEngine, period: Period, paths: Callable[[str, str], Sequence[Path]]) -> None:
        """Make the tables of a period readable, and those that its changes are counted against."""
        empty = _empty(self.settings)
        for table in REPORT_TABLES:
            found = list(paths(str(period), table))
            if table not in _OF_ONE_PERIOD:
                found = [*paths(str(period.previous), table), *found]
            if found or table in empty:
                engine.use_view(table, found, empty.get(table))


def _changed(period: str, how: str) -> ApportionError:
    return ApportionError(
        "settings-changed",
        f"What is published for {period} was worked out with other settings: {how}.",
        cure="apportion run",
    )


def _readable(path: Path) -> bool:
    """Whether a file of the warehouse is there and whole."""
    try:
        with DuckDBEngine() as engine:
            engine.run("SELECT SUM(HASH(COLUMNS(*))) FROM read_parquet([$1])", [str(path)])
    except duckdb.Error:
        return False
    return True


def _damaged(paths: Sequence[Path], folder: Path) -> ApportionError:
    names = ", ".join(
        path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path) for path in paths
    )
    return ApportionError(
        "published-damaged",
        f"Published files are missing or damaged: {names}. Everything in them can be worked out again.",
        cure="apportion run",
    )


def _empty(settings: Settings) -> dict[str, dict[str, str]]:
    """The columns of the tables that a run writes only where there is something to write."""
    resolver = Resolver(settings)
    cells = dict.fromkeys(("period", "pool_id", "owner", "category", "layer", "role"), "VARCHAR")
    cells |= {"day": "DATE", "cost_nano": "BIGINT"}
    for dim in resolver.dimensions:
        cells |= {dim: "VARCHAR", f"{dim}_via": "TINYINT"}
    return {"allocated_charges": cells, "usage_cells": empty_cells(resolver, CellEvidence.of(settings).names)}


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
