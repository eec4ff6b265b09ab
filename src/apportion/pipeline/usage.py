"""The calls: planned, folded, priced and given their dimensions, slice by slice, in one read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apportion.attribute.cells import cells_query, empty_cells, fold
from apportion.attribute.dimensions import Resolver
from apportion.attribute.early import CellEvidence
from apportion.config.settings import Settings
from apportion.errors import InvariantError, Problem
from apportion.normalize import quarantine
from apportion.normalize.providers import provider_sql
from apportion.normalize.usage import (
    PreparedUsage,
    UsageSlice,
    UsageSource,
    prepare_usage,
    usage_quarantine,
    usage_unreadable,
)
from apportion.pipeline.inputs import Inputs
from apportion.price.book import PriceBook
from apportion.price.rating import price_contexts, priced_sql, rate, unpriced
from apportion.warehouse.engine import Engine

Keep = Callable[[str, str, str, str], list[Path]]


@dataclass
class Folded:
    """What became of the calls.

    Attributes:
        paths: The files of usage_cells, per period.
        problems: Of files, rows and prices.
        rows_in: Rows in the files.
        rows_folded: Rows that went into cells.
        rows_quarantined: Rows that were set aside.
        duplicates: Rows that repeat a call.
        calls: Calls in the cells; a row of a file may stand for several.
        unpriced_calls: Calls without a list price.
    """

    paths: dict[str, list[Path]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    rows_in: int = 0
    rows_folded: int = 0
    rows_quarantined: int = 0
    duplicates: int = 0
    calls: int = 0
    unpriced_calls: int = 0

    def check(self) -> None:
        """Every row is somewhere (law L1).

        Raises:
            InvariantError: Rows were lost or invented.
        """
        found = self.rows_folded + self.rows_quarantined + self.duplicates
        if self.rows_in != found:
            raise InvariantError(
                "L1", "rows of usage, in against folded, quarantined and repeated", self.rows_in, found
            )


class UsageFolder:
    """Folds every usage source of a project.

    Args:
        engine: Holds dimension_maps and directory_values.
        settings: The project's.
        resolver: Of its dimensions.
        book: Prices.
        staging: A folder for conversions.
        keep: Writes a query as a part: table, query, period, slice name.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        resolver: Resolver,
        book: PriceBook,
        staging: Path,
        keep: Keep,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._resolver = resolver
        self._book = book
        self._staging = staging
        self._keep = keep
        self._tags, self._columns = settings.evidence_names()
        self._kept = CellEvidence.of(settings)
        self._thresholds = book.thresholds()
        self._unpriced: list[Problem] = []

    @property
    def evidence(self) -> list[str]:
        """The evidence columns of a cell."""
        return self._kept.names

    def fold(self, inputs: Inputs, progress: Callable[[int, int], None]) -> Folded:
        """Read every call once and write its cells.

        Args:
            inputs: The collected files.
            progress: Told how many rows of how many are done.
        """
        done = Folded()
        planned = [(source, self._plan(source.name, inputs)) for source in self._settings.usage]
        done.rows_in = sum(prepared.rows for _, prepared in planned)
        for _, prepared in planned:
            done.problems += prepared.problems
            done.duplicates += prepared.duplicates
        for _, prepared in planned:
            for number, slice_ in enumerate(prepared.slices):
                self._fold_slice(slice_, prepared, f"{slice_.source}-{number}", done)
                progress(done.rows_folded + done.rows_quarantined, done.rows_in)
        done.problems += _summed(self._unpriced)
        done.problems += quarantine.problems(self._engine.desk.connection, usage=True)
        done.check()
        return done

    def empty(self) -> dict[str, str]:
        """The columns of usage_cells, for a project without calls."""
        return empty_cells(self._resolver, self.evidence)

    def _plan(self, name: str, inputs: Inputs) -> PreparedUsage:
        source = next(s for s in self._settings.usage if s.name == name)
        return prepare_usage(
            self._engine,
            inputs.of("usage", name),
            UsageSource(source.name, source.tokens, source.columns, source.constants),
            tag_keys=self._tags,
            columns=self._columns,
            thresholds=self._thresholds,
            provider_sql=provider_sql,
            staging=self._staging,
        )

    def _fold_slice(self, slice_: UsageSlice, prepared: PreparedUsage, label: str, done: Folded) -> None:
        try:
            faults = fold(self._engine, slice_.source, slice_.sql, prepared.tag_columns, self._kept, slice_.missing)
        except self._engine.failures as error:
            done.problems.append(usage_unreadable(self._engine.desk.connection, slice_, error))
            done.rows_in -= slice_.rows
            return
        if faults:
            done.rows_quarantined += usage_quarantine(self._engine.desk.connection, slice_)
        done.rows_folded += int(self._engine.value("SELECT COALESCE(SUM(source_rows), 0) FROM folded"))
        rate(self._engine, self._book, price_contexts(self._engine, "folded"), thresholds=self._thresholds)
        query = cells_query(self._engine, self._resolver, self.evidence, priced_sql("folded"))
        self._engine.run(f"CREATE OR REPLACE VIEW cells_to_write AS {query}")
        paths = self._keep("usage_cells", "cells_to_write", str(slice_.period), label)
        done.paths.setdefault(str(slice_.period), []).extend(paths)
        self._count(paths, done)

    def _count(self, paths: Sequence[Path], done: Folded) -> None:
        self._engine.use_view("cells_written", paths)
        folded = self._engine.value("SELECT COALESCE(SUM(calls), 0) FROM folded")
        written, missing = self._engine.fetch(
            "SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(CASE WHEN price_state <> 'priced' THEN calls END), 0)"
            " FROM cells_written"
        )[0]
        if folded != written:
            raise InvariantError("L4", "calls in cells before and after their dimensions were found", folded, written)
        done.calls += int(written)
        if missing:
            done.unpriced_calls += int(missing)
            self._unpriced += unpriced(self._engine, "cells_written")


def _summed(problems: Sequence[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
