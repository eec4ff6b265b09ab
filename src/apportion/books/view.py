"""A look into the books: every query of one view sees the same state, whoever publishes meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from apportion.books import decisions, journal, keys
from apportion.books.decisions import Decision
from apportion.books.keys import KeyChange
from apportion.books.records import BookedEntry, Control, Fold, Input, ManifestPart, Run
from apportion.books.schema import (
    folds,
    inputs,
    journal_entries,
    parts,
    period_pointers,
    periods,
    postings,
    problems,
    runs,
    stage_controls,
)
from apportion.errors import Place, Problem


class BooksView:
    """What the books say at one moment.

    Args:
        connection: In a reading transaction.
        local: Where a file of the manifest can be read on this machine, by its address.
    """

    def __init__(self, connection: sa.Connection, local: Callable[[str], Path]) -> None:
        self._connection = connection
        self._local = local

    def periods(self) -> list[str]:
        """Every period that has a current run, oldest first."""
        rows = self._connection.execute(sa.select(period_pointers.c.period).order_by(period_pointers.c.period))
        return [str(period) for (period,) in rows]

    def period_state(self, period: str) -> str | None:
        """`open` or `closed`; None when no run was ever published for it."""
        found = self._connection.execute(sa.select(periods.c.state).where(periods.c.period == period)).scalar()
        return None if found is None else str(found)

    def current_run(self, period: str) -> Run | None:
        """The run that a period points to; None before the first."""
        row = self._connection.execute(
            sa.select(runs)
            .join(period_pointers, period_pointers.c.run_id == runs.c.run_id)
            .where(period_pointers.c.period == period)
        ).first()
        return _run(row) if row else None

    def run(self, run_id: str) -> Run | None:
        """A run by its id."""
        row = self._connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).first()
        return _run(row) if row else None

    def history(self) -> list[Run]:
        """Every run, newest first."""
        order = (runs.c.started_at.desc(), runs.c.run_id.desc())
        return [_run(row) for row in self._connection.execute(sa.select(runs).order_by(*order))]

    def parts(self, period: str, table: str) -> list[Path]:
        """The files, absolute, that are the current rows of a table in a period."""
        rows = self._connection.execute(
            sa.select(parts.c.path)
            .join(period_pointers, period_pointers.c.run_id == parts.c.run_id)
            .where(period_pointers.c.period == period, parts.c.period == period, parts.c.table_name == table)
            .order_by(parts.c.seq)
        )
        return [self._local(path) for (path,) in rows]

    def manifest(self, run_id: str) -> list[ManifestPart]:
        """Every file of a run, in the order they were listed."""
        rows = self._connection.execute(_of_run(parts, run_id))
        return [
            ManifestPart(row.table_name, row.period, row.path, row.rows, row.control_sum, row.sha256) for row in rows
        ]

    def folds(self) -> list[Fold]:
        """What slices of calls became in the runs that periods point to."""
        current = sa.select(period_pointers.c.run_id).distinct()
        listed = {
            (row.run_id, row.path): ManifestPart(
                row.table_name, row.period, row.path, row.rows, row.control_sum, row.sha256
            )
            for row in self._connection.execute(
                sa.select(parts).where(parts.c.run_id.in_(current), parts.c.table_name == "usage_cells")
            )
        }
        rows = self._connection.execute(
            sa.select(folds).where(folds.c.run_id.in_(current)).order_by(folds.c.run_id, folds.c.seq)
        )
        return [
            Fold(
                row.label,
                row.fingerprint,
                row.source_rows,
                row.repeated_rows,
                tuple(listed[row.run_id, path] for path in json.loads(row.paths)),
            )
            for row in rows
        ]

    def inputs(self, run_id: str) -> list[Input]:
        """Every file that a run read."""
        rows = self._connection.execute(_of_run(inputs, run_id))
        return [Input(row.source, row.table_name, row.name, row.size_bytes, row.sha256) for row in rows]

    def controls(self, run_id: str) -> list[Control]:
        """What the stages of a run counted, in their order."""
        rows = self._connection.execute(_of_run(stage_controls, run_id))
        return [Control(row.period, row.stage, row.what, row.value, row.sha256, row.ok) for row in rows]

    def problems(self, run_id: str) -> list[Problem]:
        """What was wrong with the project or its data in a run."""
        return [_problem(row) for row in self._connection.execute(_of_run(problems, run_id))]

    def decisions(self) -> list[Decision]:
        """Every decision, in their order."""
        return decisions.read(self._connection)

    def key_changes(self) -> list[KeyChange]:
        """Everything that was done to keys of the gateway, in its order."""
        return keys.read(self._connection)

    def latest_key_change(self) -> int:
        """The number of the latest of them; 0 where there is none."""
        return keys.latest(self._connection)

    def in_force(self, period: str) -> list[BookedEntry]:
        """The entries of a period that hold, with their postings."""
        return journal.in_force(self._connection, [period])

    def journal(self, period: str) -> list[BookedEntry]:
        """Every entry ever posted in a period, the reversed and the reversals among them."""
        return journal.read(self._connection, journal_entries.c.period == period)

    def balances(self, period: str, like: str = "%") -> dict[str, int]:
        """The sum of each account in a period, in minor units, over all that was ever posted.

        Args:
            period: The accounting period.
            like: Which accounts, with `%` for anything: `owner:%`.
        """
        rows = self._connection.execute(
            sa.select(postings.c.account, sa.func.sum(postings.c.amount_minor))
            .join(journal_entries, postings.c.entry_id == journal_entries.c.entry_id)
            .where(journal_entries.c.period == period, postings.c.account.like(like))
            .group_by(postings.c.account)
            .order_by(postings.c.account)
        )
        return {str(account): int(total) for account, total in rows}


def _of_run(table: sa.Table, run_id: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.run_id == run_id).order_by(table.c.seq)


def _run(row: sa.Row[Any]) -> Run:
    return Run(
        run_id=row.run_id,
        started_at=row.started_at,
        version=row.version,
        config_sha256=row.config_sha256,
        engine=row.engine,
        inputs_sha256=row.inputs_sha256,
        note=row.note,
        status=row.status,
        finished_at=row.finished_at,
        scope=row.scope,
    )


def _problem(row: sa.Row[Any]) -> Problem:
    place = None
    if row.place_file is not None:
        place = Place(row.place_file, row.place_line, row.place_column, row.place_row)
    return Problem(
        row.slug, row.message, place, row.excerpt, row.amount, row.cure, severity=row.severity, held=row.held
    )
