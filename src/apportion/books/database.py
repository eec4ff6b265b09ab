"""The connection to the books: SQLite by default, PostgreSQL for a team, always at the newest form.

On SQLite a writer takes the write lock when it begins, so that two never interleave; readers see the state of
their first query until they end, and nobody waits for them.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from apportion.books.migrations import HEAD
from apportion.errors import ApportionError, writing

BUSY_TIMEOUT_SECONDS = 60
_SWITCH_SECONDS = 20
_SWITCH_PAUSE_SECONDS = 0.02

# One writer at a time on PostgreSQL too: an arbitrary number that only the books take.
_WRITER_LOCK = 5_270_811
# Each run at work holds one more, by a number of its own, for as long as its session lives.
_RUN_LOCKS = 5_270_812
_WRITING = "apportion_writing"


class Database:
    """An engine of SQLAlchemy that knows how the books read and write.

    Args:
        path_or_url: A file for SQLite, or a URL that SQLAlchemy understands.

    Raises:
        ApportionError: The file is no database, is locked for too long, or is newer than this program.
    """

    def __init__(self, path_or_url: Path | str, *, busy_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self.is_file = isinstance(path_or_url, Path) or "://" not in path_or_url
        if self.is_file:
            file = Path(path_or_url)
            with writing(str(file)):
                file.parent.mkdir(parents=True, exist_ok=True)
            url = sa.URL.create("sqlite", database=str(file))
            self._name = str(path_or_url)
        else:
            url = _url(str(path_or_url))
            self._name = url.render_as_string(hide_password=True)
        self._engine = _connectable(url, busy_seconds)
        self._sqlite = self._engine.dialect.name == "sqlite"
        self._work: dict[str, sa.Connection] = {}
        if self._sqlite:
            event.listen(self._engine, "connect", _on_connect)
            event.listen(self._engine, "begin", _on_begin)
        self._migrate()

    def close(self) -> None:
        """Give the connections back; a run that was at work is not any more."""
        for run_id in list(self._work):
            self.end_work(run_id)
        self._engine.dispose()

    def begin_work(self, run_id: str) -> None:
        """Let others see that a run is at work, until `end_work` or until this process dies.

        On PostgreSQL a session holds an advisory lock, which the server takes back when its client is gone, whatever
        machine that was on. On SQLite the process itself is the sign: all who use the file are on one machine.
        """
        if self._sqlite:
            return
        with self._world():
            work = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            # The lock belongs to the session, so that the connection goes to nobody else.
            work.detach()
            self._work[run_id] = work
            work.execute(sa.select(sa.func.pg_advisory_lock(_RUN_LOCKS, _number(run_id))))

    def end_work(self, run_id: str) -> None:
        """Take the sign back, if it is there."""
        work = self._work.pop(run_id, None)
        if work is not None:
            work.close()

    def is_at_work(self, connection: sa.Connection, run_id: str) -> bool | None:
        """Whether a run shows the sign; None where there is none but its process.

        Args:
            connection: In a transaction.
            run_id: Not this process's own.
        """
        if self._sqlite:
            return None
        free = connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_RUN_LOCKS, _number(run_id)))).scalar()
        return not free

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A snapshot: every query in it sees the same state."""
        with self._world(), self._engine.connect() as connection:
            if not self._sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing, one writer at a time."""
        with self._world(), self._engine.connect() as connection:
            connection.execution_options(**{_WRITING: True})
            with connection.begin():
                if not self._sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
                yield connection

    def _migrate(self) -> None:
        with self.reading() as connection:
            if _form(connection) == HEAD:
                return
        with self.writing() as connection:
            # Another process may have done it while this one waited for the lock.
            form = _form(connection)
            if form == HEAD:
                return
            if form is not None and form > HEAD:
                raise ApportionError(
                    "books-newer",
                    f"The books {self._name} have form {form}; this program knows forms up to {HEAD}.",
                    cure="Use the version of apportion that wrote them, or a newer one.",
                )
            _upgrade(connection)

    @contextmanager
    def _world(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            text = str(error.orig)
            if "locked" in text or "busy" in text:
                raise ApportionError(
                    "books-busy",
                    f"Another process kept the books {self._name} locked for too long.",
                    cure="Wait until the other run has ended.",
                    retry=True,
                ) from error
            raise self._unreadable(text, retry=True) from error
        except DatabaseError as error:
            if "not a database" in str(error.orig) or "malformed" in str(error.orig):
                raise self._unreadable(str(error.orig), retry=False) from error
            raise

    def _unreadable(self, why: str, *, retry: bool) -> ApportionError:
        return ApportionError(
            "books-unreadable",
            f"The books {self._name} cannot be used: {why.strip()}.",
            cure="Check the path, its rights and the free space, or restore a backup.",
            retry=retry,
        )


def _number(run_id: str) -> int:
    """A run as the number of a lock."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:4], signed=True)


def _url(text: str) -> sa.URL:
    try:
        return sa.make_url(text)
    except ArgumentError as error:
        # The text is not shown: it may hold a password.
        raise ApportionError(
            "books-unreadable",
            "The address of the books is not one of a database.",
            cure="Write it as postgresql+psycopg://user@host/name.",
        ) from error


def _connectable(url: sa.URL, busy_seconds: float) -> sa.Engine:
    options = {"timeout": busy_seconds} if url.get_backend_name() == "sqlite" else {}
    try:
        return sa.create_engine(url, connect_args=options)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ApportionError(
            "books-driver-missing",
            f"The books are at {url.drivername}, and its driver is not installed: {error}.",
            cure="pip install 'apportion[postgresql]'",
        ) from error


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions on its own, and late; the begin event does it instead.
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch new books to write-ahead logging, which lets readers and a writer pass each other.

    The mode stays in the file. Two processes that switch it at once would deadlock, so SQLite does not wait
    but refuses one of them at once; that one tries again.
    """
    deadline = time.monotonic() + _SWITCH_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_SWITCH_PAUSE_SECONDS)
        else:
            return


def _on_begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _form(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: sa.Connection) -> None:
    # Imported on use: every command opens the books, and hardly any has to change their form.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
