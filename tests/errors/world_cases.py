"""The world: books, disk, memory, stores, installations; and commands that ask for what is not there."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, chdir, closing, contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NoReturn
from unittest.mock import MagicMock, patch

from obstore.exceptions import GenericError

from apportion.books import Books
from apportion.books.database import Database
from apportion.collect import connector, sync
from apportion.collect.connectors.objects import ObjectStoreConnector
from apportion.warehouse import duckdb_engine
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.spark_errors import told
from tests.errors.case import Case, doubt
from tests.errors.folder import ALLOCATE, CALLS, SETTINGS, bill, charge, settings, tags

RUN = (("run",),)
GATEWAY = "gateway: {providers: {openai: {}}}\n"
SECURED = "gateway: {providers: {openai: {}}, tls: {certificate: tls/gateway.pem, key: tls/gateway.key}}\n"


def books_of(folder: Path) -> Path:
    """The database of a project's books."""
    return folder / ".apportion" / "books.db"


def _sql(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(books_of(folder))) as books, books:
        books.execute(statement)


@contextmanager
def _no_spark(_folder: Path) -> Iterator[None]:
    with patch.dict(sys.modules, {"pyspark": None}):
        yield


@contextmanager
def _silent_spark(_folder: Path) -> Iterator[None]:
    with patch("socket.create_connection", side_effect=ConnectionRefusedError("connection refused")):
        yield


def _bare_worker(_folder: Path) -> AbstractContextManager[object]:
    failed = told("pyspark.errors.PythonException: ModuleNotFoundError: No module named 'obstore'")
    return patch.object(EngineChoice, "open", side_effect=failed)


@contextmanager
def _newer_books(folder: Path) -> Iterator[None]:
    _sql(folder, "UPDATE alembic_version SET version_num = 'v9999'")
    yield


@contextmanager
def _closed_period(folder: Path) -> Iterator[None]:
    _sql(folder, "UPDATE periods SET state = 'closed'")
    yield


@contextmanager
def _damaged_books(folder: Path) -> Iterator[None]:
    for file in books_of(folder).parent.glob("books.db*"):
        file.unlink()
    books_of(folder).write_bytes(b"not a database, and longer than the head of one" * 100)
    yield


@contextmanager
def _other_currency(folder: Path) -> Iterator[None]:
    (folder / "apportion.yaml").write_text(settings().replace("currency: USD", "currency: EUR"))
    yield


@contextmanager
def _lost_file(folder: Path) -> Iterator[None]:
    for file in folder.glob(".apportion/warehouse/claims/2026-11/*.parquet"):
        file.unlink()
    yield


@contextmanager
def _locked_books(folder: Path) -> Iterator[None]:
    with (
        closing(sqlite3.connect(books_of(folder), isolation_level=None)) as other,
        patch.dict(Books.open.__kwdefaults__, {"busy_seconds": 0.1}),
    ):
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """This very process is another run, too."""
    _sql(folder, f"UPDATE runs SET status = 'running', scope = '*', holder = 'ana', process = {os.getpid()}")
    yield


def _taken_port(_folder: Path) -> AbstractContextManager[object]:
    return patch("socket.getaddrinfo", side_effect=OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))


@contextmanager
def _workers_that_end(_folder: Path) -> Iterator[None]:
    listening = MagicMock()
    listening.getsockname.return_value = ("127.0.0.1", 4141)
    listening.fileno.return_value = 0
    found = [(2, 1, 6, "", ("127.0.0.1", 4141))]
    with (
        patch("socket.getaddrinfo", return_value=found),
        patch("socket.socket", return_value=listening),
        patch("sys.executable", "/bin/false"),
    ):
        yield


@contextmanager
def _taken_over(folder: Path) -> Iterator[None]:
    """Another run takes this one for dead while it works."""
    publish = Books.publish

    def late(books: Books, *args: object, **named: object) -> object:
        _sql(folder, "UPDATE runs SET status = 'failed' WHERE status = 'running'")
        return publish(books, *args, **named)  # type: ignore[arg-type]

    with patch.object(Books, "publish", late):
        yield


def _full_disk(_folder: Path) -> AbstractContextManager[object]:
    return patch.object(duckdb_engine, "settle", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


@contextmanager
def _broken_connector(_folder: Path) -> Iterator[None]:
    point = EntryPoint("ftp", "apportion_ftp:Connector", connector.GROUP)
    connector.registered.cache_clear()
    try:
        with patch.object(connector, "entry_points", return_value=[point]):
            yield
    finally:
        connector.registered.cache_clear()


def _silent_store(_folder: Path) -> AbstractContextManager[object]:
    def silent(_url: str) -> NoReturn:
        raise GenericError("connection refused")

    return patch.object(sync, "registered", return_value=connector.by_scheme([ObjectStoreConnector(silent)]))


@contextmanager
def _no_driver(_folder: Path) -> Iterator[None]:
    """A team's books are on a server; this machine has no driver for it."""
    opened = Database("sqlite:///:memory:")
    opened.close()
    start = Database.__init__

    def elsewhere(database: Database, _path: object, **named: float) -> None:
        start(database, "postgresql+psycopg://books@host/apportion", **named)

    with patch.dict(sys.modules, {"psycopg": None}), patch.object(Database, "__init__", elsewhere):
        yield


def _shared_key() -> dict[str, str | bytes]:
    """Calls of a key, most of them tagged search, some not at all."""
    head = "called_at,provider,model,input_tokens,output_tokens,requests,api_key_id,tags\n"
    rows = [
        f"2026-11-{day:02d}T10:00:00Z,openai,gpt-4o,1000,0,{calls},{key},{tags(json.dumps(said))}\n"
        for day in range(2, 9)
        for key, said, calls in (("k-7f", {"team": "search"}, 10), ("k-2b", {"team": "growth"}, 50), ("k-7f", {}, 5))
    ]
    return {
        "apportion.yaml": SETTINGS + ALLOCATE + CALLS.replace("path:", "tokens: inclusive, path:"),
        "bills/b.csv": bill(charge(team=None)),
        "usage/u.csv": head + "".join(rows),
    }


# The id of "api_key_id k-7f is search's": the same in every project.
_KEY = "P-0b7ec3"

WORLD: dict[str, Case] = {
    "no-such-proposal": Case(
        _shared_key(),
        "",
        ("P-0b7ec4", "proposal for 2026-11", _KEY),
        words=("approve", "P-0b7ec4"),
        before=RUN,
        code=2,
        cure=f"Did you mean {_KEY}?",
    ),
    "already-decided": Case(
        _shared_key(),
        "",
        (_KEY, "approved by Ana Lima"),
        words=("approve", _KEY),
        before=(*RUN, ("approve", _KEY, "--by", "Ana Lima")),
        code=2,
        cure=f"apportion undo {_KEY}",
    ),
    "nothing-to-undo": Case(
        _shared_key(),
        "",
        (_KEY, "nothing was undone"),
        words=("undo", _KEY),
        before=RUN,
        code=2,
        cure="apportion export decisions",
    ),
    "problems-found": Case(
        {"bills/b.csv": b"", "bills/c.txt": "x"},
        "",
        ("2 errors", "nothing was written"),
        words=("run",),
        cure="apportion check",
    ),
    "no-books": Case({}, "", ("nothing was published yet",), words=("statement",), code=1, cure="apportion run"),
    "nothing-published": Case(
        {},
        "",
        ("2020-01", "there is 2026-11"),
        words=("statement", "--period", "2020-01"),
        before=RUN,
        code=1,
        cure="apportion run",
    ),
    "unknown-owner": Case({}, "", ("serach", "search"), words=("statement", "--owner", "serach"), before=RUN, code=2),
    "unknown-reference": Case({}, "", ("serach", "search"), words=("explain", "serach"), before=RUN, code=2),
    "unknown-dimension": Case({}, "", ("produkt",), words=("statement", "--by", "produkt"), before=RUN, code=2),
    "file-needed": Case(
        {}, "", ("spreadsheet",), words=("statement", "--format", "xlsx"), before=RUN, code=2, cure="-o FILE.xlsx"
    ),
    "cannot-write": Case(
        {},
        "",
        ("missing/out.csv", "no folder missing"),
        words=("statement", "--format", "csv", "-o", "missing/out.csv"),
        before=RUN,
        code=2,
        cure="mkdir -p missing",
    ),
    "settings-changed": Case(
        {},
        "",
        ("2026-11", "charged by team in USD", "charged by team in EUR"),
        words=("statement",),
        before=RUN,
        code=1,
        world=_other_currency,
        cure="apportion run",
    ),
    "folder-taken": Case(
        {},
        "",
        ("bills holds something else", "nothing was touched"),
        words=("demo", "--into", "bills"),
        code=2,
        world=chdir,
        cure="apportion demo --into bills-2",
    ),
    "settings-exist": Case(
        {},
        "",
        ("apportion.yaml is there already", "never written over"),
        words=("init",),
        code=2,
        cure="--preview",
    ),
    "cannot-listen": Case(
        {"apportion.yaml": settings() + GATEWAY},
        says=("127.0.0.1:", "in use"),
        words=("gateway",),
        code=1,
        world=_taken_port,
        cure="`gateway: listen:`",
    ),
    "tls-unusable": Case(
        {"apportion.yaml": settings() + SECURED, "tls/gateway.key": "none"},
        says=("tls/gateway.pem", "cannot be read: No such file"),
        words=("gateway",),
        code=1,
        cure="`gateway: tls: certificate:`",
    ),
    "no-such-key": Case(
        {"apportion.yaml": settings()},
        "",
        ("no key ranker", "there is none"),
        words=("key", "revoke", "ranker"),
        code=1,
        cure="apportion key list",
    ),
    "key-revoked": Case(
        {"apportion.yaml": settings()},
        "",
        ("The key ranker was revoked",),
        words=("key", "rotate", "ranker"),
        before=(("key", "create", "ranker"), ("key", "revoke", "ranker")),
        code=1,
        cure="apportion key create ranker",
    ),
    "key-name-taken": Case(
        {"apportion.yaml": settings()},
        "",
        ("a key ranker already",),
        words=("key", "create", "ranker"),
        before=(("key", "create", "ranker"),),
        code=1,
        cure="apportion key rotate ranker",
    ),
    "no-gateway": Case({}, words=("gateway",), code=1, cure="gateway: {providers: {openai: {}"),
    "workers-end": Case(
        {"apportion.yaml": settings() + GATEWAY},
        words=("gateway",),
        code=1,
        world=_workers_that_end,
        cure="named above",
    ),
    "no-sources": doubt(
        {"apportion.yaml": "company: Larkspur\ncurrency: USD\ndimensions: {team: [{tag: team}]}\n"},
        ("no bill and no usage",),
        at="apportion.yaml",
    ),
    "nothing-to-read": Case(
        {"empty/notes.md": "# Notes"},
        "",
        ("Nothing that was looked at is an input", "nothing was written"),
        words=("init", "p/empty", "--preview"),
        code=2,
        cure="bills, usage or meters",
    ),
    "path-missing": Case(
        {},
        "",
        ("There is no bils.csv",),
        words=("init", "bils.csv", "--preview"),
        code=2,
        cure="Correct the path",
    ),
    "books-busy": Case(
        {}, "", ("books.db", "locked"), words=("run",), before=RUN, code=1, world=_locked_books, cure="other run"
    ),
    "books-unreadable": Case(
        {},
        "",
        ("books.db", "not a database"),
        words=("statement",),
        before=RUN,
        code=1,
        world=_damaged_books,
        cure="restore a backup",
    ),
    "published-damaged": Case(
        {},
        "",
        ("warehouse/claims/2026-11/", "missing or damaged"),
        words=("statement",),
        before=RUN,
        code=1,
        world=_lost_file,
        cure="apportion run",
    ),
    "books-newer": Case(
        {}, "", ("v9999",), words=("statement",), before=RUN, code=1, world=_newer_books, cure="newer one"
    ),
    "books-driver-missing": Case(
        {}, "", ("postgresql+psycopg",), words=("run",), code=1, world=_no_driver, cure="pip install"
    ),
    "period-closed": Case(
        {"bills/b.csv": bill(charge("5.00"))},
        "",
        ("2026-11 is closed",),
        words=("run",),
        before=RUN,
        code=1,
        world=_closed_period,
    ),
    "run-at-work": Case(
        {}, "", ("every period", "by ana on"), words=("run",), before=RUN, code=1, world=_at_work, cure="Wait"
    ),
    "run-not-at-work": Case(
        {}, "", ("failed",), words=("run",), before=RUN, code=1, world=_taken_over, cure="apportion run"
    ),
    "disk-full": Case(
        {}, "", ("disk is full", "No space left"), words=("run",), before=RUN, code=1, world=_full_disk, cure="Free"
    ),
    "spark-missing": Case(
        {}, "", ("pyspark",), words=("run", "--engine", "spark"), code=1, world=_no_spark, cure="pip install"
    ),
    "spark-unreachable": Case(
        {},
        "",
        ("spark://spark.corp:7077", "connection refused"),
        words=("run", "--engine", "spark", "--master", "spark://spark.corp:7077"),
        code=1,
        world=_silent_spark,
        cure="--master",
    ),
    "worker-incomplete": Case(
        {}, "", ("obstore",), words=("run", "--engine", "spark"), code=1, world=_bare_worker, cure="PYSPARK_PYTHON"
    ),
    "memory-exhausted": Case({}, "", ("memory",), words=("run", "--memory", "1MB"), code=1, cure="memory"),
    "store-unreachable": Case(
        {"apportion.yaml": settings().replace("bills/*", "s3://bucket/*.csv")},
        "",
        ("s3://bucket/*.csv", "does not answer", "connection refused"),
        code=1,
        world=_silent_store,
        cure="credentials",
    ),
    "connector-broken": Case({}, "", ("'ftp'", "apportion_ftp"), code=1, world=_broken_connector, cure="reinstall"),
}
