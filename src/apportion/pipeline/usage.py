"""The calls: planned, folded, priced and given their dimensions, slice by slice, in one read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apportion.attribute.cells import cells_query, empty_cells, fold
from apportion.attribute.dimensions import Resolver
from apportion.attribute.early import CellEvidence
from apportion.books.records import Fold, PartLike
from apportion.config.settings import Settings
from apportion.errors import InvariantError, Problem
from apportion.normalize import quarantine
from apportion.normalize.providers import provider_sql
from apportion.normalize.usage import (
    PlannedUsage,
    PreparedUsage,
    UsageSlice,
    UsageSource,
    leave_out_repeats,
    plan_usage,
    usage_quarantine,
    usage_unreadable,
)
from apportion.pipeline.inputs import Inputs
from apportion.pipeline.reuse import Earlier
from apportion.pipeline.usage_doubts import usage_doubts
from apportion.price.book import PriceBook
from apportion.price.rating import price_contexts, priced_sql, rate, unpriced
from apportion.warehouse.engine import Engine

Keep = Callable[[str, str, str, str], tuple[Sequence[PartLike], list[Path]]]
Again = Callable[[Sequence[PartLike]], list[Path]]


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
        folds: What each slice became, where nothing of it was set aside.
    """

    paths: dict[str, list[Path]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    rows_in: int = 0
    rows_folded: int = 0
    rows_quarantined: int = 0
    duplicates: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    folds: list[Fold] = field(default_factory=list)

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
        keep: Writes a query as parts: table, query, period, slice name.
        earlier: What earlier runs made of the same calls.
        again: Lists parts of an earlier run as this one's, and says where they can be read.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        resolver: Resolver,
        book: PriceBook,
        staging: Path,
        keep: Keep,
        earlier: Earlier,
        again: Again,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._resolver = resolver
        self._book = book
        self._staging = staging
        self._keep = keep
        self._earlier = earlier
        self._again = again
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
        planned = [self._plan(source.name, inputs) for source in self._settings.usage]
        ready = leave_out_repeats(self._engine, planned, self._staging, self._repeated)
        done.rows_in = sum(prepared.rows for prepared in ready)
        for prepared in ready:
            done.problems += prepared.problems
            done.duplicates += prepared.duplicates
        for prepared in ready:
            for number, slice_ in enumerate(prepared.slices):
                self._fold_slice(slice_, prepared, f"{slice_.source}-{number}", done)
                progress(done.rows_folded + done.rows_quarantined, done.rows_in)
        done.problems += _summed(self._unpriced)
        named = {one.source: prepared.named for one, prepared in zip(planned, ready, strict=True)}
        every = [path for paths in done.paths.values() for path in paths]
        done.problems += usage_doubts(self._engine, every, named)
        done.problems += quarantine.problems(self._engine.desk.connection, usage=True)
        done.check()
        return done

    def empty(self) -> dict[str, str]:
        """The columns of usage_cells, for a project without calls."""
        return empty_cells(self._resolver, self.evidence)

    def _plan(self, name: str, inputs: Inputs) -> PlannedUsage:
        source = next(s for s in self._settings.usage if s.name == name)
        return plan_usage(
            self._engine,
            inputs.of("usage", name),
            UsageSource(source.name, source.tokens, source.columns, source.constants),
            tag_keys=self._tags,
            columns=self._columns,
            thresholds=self._thresholds,
            provider_sql=provider_sql,
            staging=self._staging,
        )

    def _repeated(self, slice_: UsageSlice) -> int | None:
        fold = self._earlier.find(slice_)
        return fold.repeated_rows if fold else None

    def _fold_slice(self, slice_: UsageSlice, prepared: PreparedUsage, label: str, done: Folded) -> None:
        fold_before = self._earlier.find(slice_)
        self._earlier.note(slice_, reused=fold_before is not None)
        if fold_before:
            done.folds.append(fold_before)
            done.rows_folded += fold_before.source_rows
            paths = self._again(fold_before.parts)
            done.paths.setdefault(str(slice_.period), []).extend(paths)
            self._count(paths, done)
            return
        try:
            faults = fold(self._engine, slice_.source, slice_.sql, prepared.tag_columns, self._kept, slice_.missing)
        except self._engine.failures as error:
            done.problems.append(usage_unreadable(self._engine.desk.connection, slice_, error))
            done.rows_in -= slice_.rows
            return
        if faults:
            done.rows_quarantined += usage_quarantine(self._engine.desk.connection, slice_)
        source_rows = int(self._engine.value("SELECT COALESCE(SUM(source_rows), 0) FROM folded"))
        done.rows_folded += source_rows
        rate(self._engine, self._book, price_contexts(self._engine, "folded"), thresholds=self._thresholds)
        query = cells_query(self._engine, self._resolver, self.evidence, priced_sql("folded"))
        self._engine.run(f"CREATE OR REPLACE VIEW cells_to_write AS {query}")
        parts, paths = self._keep("usage_cells", "cells_to_write", str(slice_.period), label)
        done.paths.setdefault(str(slice_.period), []).extend(paths)
        self._count(paths, done, int(self._engine.value("SELECT COALESCE(SUM(calls), 0) FROM folded")))
        # Rows that were set aside are to be shown by every run, so that their slice is read by every run.
        mark = "" if faults else self._earlier.fingerprint(slice_)
        done.folds.append(Fold(slice_.label, mark, source_rows, slice_.repeated, tuple(parts)))

    def _count(self, paths: Sequence[Path], done: Folded, folded: int | None = None) -> None:
        self._engine.use_view("cells_written", paths)
        written, missing = self._engine.fetch(
            "SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(CASE WHEN price_state <> 'priced' THEN calls END), 0)"
            " FROM cells_written"
        )[0]
        if folded not in (None, written):
            raise InvariantError("L4", "calls in cells before and after their dimensions were found", folded, written)
        done.calls += int(written)
        if missing:
            done.unpriced_calls += int(missing)
            self._unpriced += unpriced(self._engine, "cells_written")


def _summed(problems: Sequence[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
