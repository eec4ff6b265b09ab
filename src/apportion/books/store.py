"""The books of a project: open them, publish a run into them, look into them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from apportion.books import decisions, journal, keys
from apportion.books.database import BUSY_TIMEOUT_SECONDS, Database
from apportion.books.decisions import Decision, Guard
from apportion.books.keys import KeyChange
from apportion.books.records import (
    BookedEntry,
    Publication,
    Published,
    Run,
)
from apportion.books.runners import at_work, is_alive, meet, person
from apportion.books.schema import (
    folds,
    inputs,
    parts,
    period_pointers,
    periods,
    problems,
    runs,
    stage_controls,
)
from apportion.books.view import BooksView
from apportion.errors import ApportionError, InvariantError, Problem

FILE_GRACE = timedelta(days=1)


class Books:
    """What was decided: runs, periods, the journal. Append-only where money is concerned.

    Args:
        database: At its newest form.
        local: Where a file of the manifest can be read on this machine, by its address.
    """

    def __init__(self, database: Database, local: Callable[[str], Path]) -> None:
        self._database = database
        self._local = local

    @classmethod
    def open(
        cls,
        path_or_url: Path | str,
        *,
        project: Path | None = None,
        local: Callable[[str], Path] | None = None,
        create: bool = True,
        busy_seconds: float = BUSY_TIMEOUT_SECONDS,
    ) -> Self:
        """Open the books, making or renewing them as needed.

        Args:
            path_or_url: A SQLite file, or a URL that SQLAlchemy understands.
            project: The project's folder; by default the one that holds the folder of the file.
            local: Where a file of the manifest can be read, by its address; by default in the project's folder.
            create: Whether to make books that are not there.
            busy_seconds: How long to wait for another writer.

        Raises:
            ApportionError: There are none and `create` is false, or they cannot be used.
        """
        is_file = isinstance(path_or_url, Path) or "://" not in path_or_url
        if project is None:
            project = Path(path_or_url).resolve().parent.parent if is_file else Path.cwd()
        if is_file and not create and not Path(path_or_url).exists():
            raise ApportionError(
                "no-books",
                f"There are no books at {path_or_url}: nothing was published yet.",
                cure="apportion run",
            )
        folder = project
        return cls(
            Database(path_or_url, busy_seconds=busy_seconds), local or (lambda address: folder / PurePosixPath(address))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def start(self, run: Run) -> list[str]:
        """Note that a run has begun; nothing of it is visible yet.

        Runs that a killed process left behind are marked failed.

        Args:
            run: New, with an id that no run had.

        Returns:
            The ids of the runs that were found dead.

        Raises:
            ApportionError: Another run is at work on the same period; nothing was written.
        """
        self._database.begin_work(run.run_id)
        try:
            return self._start(run)
        except BaseException:
            self._database.end_work(run.run_id)
            raise

    def _start(self, run: Run) -> list[str]:
        with self._database.writing() as connection:
            dead = []
            for row in connection.execute(sa.select(runs).where(runs.c.status == "running")).all():
                working = self._database.is_at_work(connection, row.run_id)
                if working is None:
                    working = is_alive(row, run.started_at)
                if not working:
                    dead.append(str(row.run_id))
                elif meet(run.scope, row.scope):
                    raise at_work(row, run.started_at)
            if dead:
                connection.execute(
                    runs.update()
                    .where(runs.c.run_id.in_(dead))
                    .values(status="failed", finished_at=run.started_at, note="its process ended before it did")
                )
            connection.execute(
                runs.insert(),
                {
                    "run_id": run.run_id,
                    "started_at": run.started_at,
                    "status": "running",
                    "version": run.version,
                    "config_sha256": run.config_sha256,
                    "inputs_sha256": run.inputs_sha256,
                    "engine": run.engine,
                    "note": run.note,
                    "host": socket.gethostname(),
                    "process": os.getpid(),
                    "scope": run.scope,
                    "holder": person(),
                },
            )
        return dead

    def fail(self, run_id: str, at: str, note: str) -> None:
        """Note that a run ended without publishing.

        Args:
            run_id: A run that is at work; any other is left as it is.
            at: When, ISO 8601, UTC.
            note: Why, for people.
        """
        with self._database.writing() as connection:
            connection.execute(
                runs.update()
                .where(runs.c.run_id == run_id, runs.c.status == "running")
                .values(status="failed", finished_at=at, note=note)
            )
        self._database.end_work(run_id)

    def publish(self, run: Run, publication: Publication, at: str) -> Published:
        """Make a run current for its periods, in one transaction.

        Args:
            run: As given to `start`; by now with `inputs_sha256`.
            publication: What becomes public.
            at: When, ISO 8601, UTC.

        Returns:
            What it did to the journal.

        Raises:
            ApportionError: A period is closed, or the run is not at work any more; nothing was written.
            InvariantError: A control total or the journal does not agree; nothing was written.
        """
        for control in publication.controls:
            if not control.ok:
                raise InvariantError("L1", f"{control.what} of {control.stage}", "agreement", control.value)
        with self._database.writing() as connection:
            _check_run(connection, run.run_id)
            _open_periods(connection, publication.periods, at)
            _list(connection, run.run_id, publication)
            done = journal.write(connection, run.run_id, publication.periods, publication.entries)
            _point(connection, run, publication.periods, at)
        self._database.end_work(run.run_id)
        return done

    def decide(self, new: Sequence[Decision], guard: Guard = lambda _held, _new: None) -> list[Decision]:
        """Add decisions, all of them or none.

        Args:
            new: In their order.
            guard: Raises where a decision may not follow those in force.

        Raises:
            ApportionError: One is about what is decided already, or takes back what is not in force.
        """
        with self._database.writing() as connection:
            return decisions.write(connection, new, guard)

    def change_key(self, change: KeyChange) -> KeyChange:
        """Add what a person did to a key of the gateway.

        Raises:
            ApportionError: The key is not there, is revoked, or its name is another key's.
        """
        with self._database.writing() as connection:
            return keys.write(connection, change)

    @contextmanager
    def reading(self) -> Iterator[BooksView]:
        """A view in which every query sees the same state."""
        with self._database.reading() as connection:
            yield BooksView(connection, self._local)

    def current_run(self, period: str) -> Run | None:
        """The run that a period points to; None before the first."""
        with self.reading() as view:
            return view.current_run(period)

    def parts(self, period: str, table: str) -> list[Path]:
        """The files, absolute, that are the current rows of a table in a period."""
        with self.reading() as view:
            return view.parts(period, table)

    def in_force(self, period: str) -> list[BookedEntry]:
        """The entries of a period that hold, with their postings."""
        with self.reading() as view:
            return view.in_force(period)

    def balances(self, period: str, like: str = "%") -> dict[str, int]:
        """The sum of each account in a period, in minor units."""
        with self.reading() as view:
            return view.balances(period, like)

    def orphans(self, files: Iterable[tuple[str, datetime]], now: datetime, grace: timedelta = FILE_GRACE) -> list[str]:
        """The files that no manifest lists and that are old enough to be left-overs.

        Args:
            files: The address of each, and when it was written.
            now: With a time zone.
            grace: How long a file may wait for its run to publish.
        """
        with self._database.reading() as connection:
            asked = (
                sa.select(parts.c.path).join(runs, runs.c.run_id == parts.c.run_id).where(runs.c.expired_at.is_(None))
            )
            listed = {str(path) for (path,) in connection.execute(asked)}
        return sorted(address for address, written in files if address not in listed and written < now - grace)

    def expire(self, before: datetime, at: datetime, *, during: str | None = None) -> list[str]:
        """Give up the files of runs that nothing points to any more and that ended long ago.

        What the books say of them stays. A run that a period points to never expires, least of all a closed one's,
        nor does a file that a later run lists as its own. While another run is at work nothing does: it may be about
        to list files of a run that was current when it began.

        Args:
            before: Runs that ended before this moment; with a time zone.
            at: Now.
            during: The run that asks, itself at work.

        Returns:
            The ids of the runs.
        """
        with self._database.writing() as connection:
            others = (runs.c.status == "running", runs.c.run_id != (during or ""))
            if connection.execute(sa.select(runs.c.run_id).where(*others)).first():
                return []
            ended = [
                str(row.run_id)
                for row in connection.execute(
                    sa.select(runs).where(
                        runs.c.status.in_(["superseded", "failed"]),
                        runs.c.expired_at.is_(None),
                        runs.c.run_id.not_in(sa.select(period_pointers.c.run_id)),
                    )
                )
                if row.finished_at and datetime.fromisoformat(row.finished_at) < before
            ]
            if ended:
                connection.execute(runs.update().where(runs.c.run_id.in_(ended)).values(expired_at=at.isoformat()))
        return ended


def _check_run(connection: sa.Connection, run_id: str) -> None:
    status = connection.execute(sa.select(runs.c.status).where(runs.c.run_id == run_id)).scalar()
    if status != "running":
        raise ApportionError(
            "run-not-at-work",
            f"The run {run_id} cannot be published: the books have it as {status or 'unknown'}.",
            cure="apportion run",
            retry=True,
        )


def _open_periods(connection: sa.Connection, named: Sequence[str], at: str) -> None:
    states = {
        str(row.period): str(row.state)
        for row in connection.execute(sa.select(periods).where(periods.c.period.in_(list(named))))
    }
    closed = sorted(period for period, state in states.items() if state == "closed")
    if closed:
        raise ApportionError(
            "period-closed",
            f"{', '.join(closed)} is closed, and a closed period never changes.",
            cure="Leave it out of the run; later facts become corrections in an open period.",
        )
    new = [{"period": period, "state": "open", "opened_at": at} for period in named if period not in states]
    if new:
        connection.execute(periods.insert(), new)


def _list(connection: sa.Connection, run_id: str, publication: Publication) -> None:
    rows: dict[sa.Table, list[dict[str, object]]] = {
        parts: [
            {
                "table_name": part.table,
                "period": part.period,
                "path": part.path,
                "rows": part.rows,
                "control_sum": part.control_sum,
                "sha256": part.sha256,
            }
            for part in publication.parts
        ],
        inputs: [vars(one) for one in publication.inputs],
        stage_controls: [vars(one) for one in publication.controls],
        problems: [_problem_row(one) for one in publication.problems],
        folds: [
            {
                "label": fold.label,
                "fingerprint": fold.fingerprint,
                "source_rows": fold.source_rows,
                "repeated_rows": fold.repeated_rows,
                "paths": json.dumps([part.path for part in fold.parts]),
            }
            for fold in publication.folds
        ],
    }
    for table, listed in rows.items():
        if listed:
            connection.execute(
                table.insert(), [{"run_id": run_id, "seq": n, **row} for n, row in enumerate(listed, start=1)]
            )


def _problem_row(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "severity": problem.severity,
        "slug": problem.slug,
        "message": problem.message,
        "place_file": place.file if place else None,
        "place_line": place.line if place else None,
        "place_column": place.column if place else None,
        "place_row": place.row if place else None,
        "excerpt": problem.excerpt,
        "amount": problem.amount,
        "cure": problem.cure,
        "held": problem.held,
    }


def _point(connection: sa.Connection, run: Run, named: Sequence[str], at: str) -> None:
    connection.execute(period_pointers.delete().where(period_pointers.c.period.in_(list(named))))
    if named:
        connection.execute(
            period_pointers.insert(),
            [{"period": period, "run_id": run.run_id, "published_at": at} for period in named],
        )
    connection.execute(
        runs.update()
        .where(runs.c.status == "done", runs.c.run_id.not_in(sa.select(period_pointers.c.run_id)))
        .values(status="superseded")
    )
    connection.execute(
        runs.update()
        .where(runs.c.run_id == run.run_id)
        .values(status="done", finished_at=at, inputs_sha256=run.inputs_sha256, note=run.note)
    )
