"""A scenario's folder, copied to a temporary place and driven through the real command line.

Everything that the scenarios know of the product's words (commands, tables, column names) is here, so that a
change of one of them is one edit.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from apportion.cli import main

FOLDER = Path(__file__).resolve().parent
NOVEMBER = "2026-11"
# Where money of an invoice stays that no statement has.
ACCOUNTS = ("prepaid", "tax_account", "out_of_scope")

# The discard port: a proxy nobody answers, so that the command has no network either.
_NOWHERE = "http://127.0.0.1:9"
# West of Greenwich: a local clock that slips in puts the last hours of a day into the wrong one.
_ZONE = "America/New_York"

Cell = str | int | Decimal | None
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Table:
    """A printed table as JSON gives it, each money cell reduced to its decimal text."""

    title: str
    rows: tuple[Row, ...]
    total: Row | None
    below: tuple[Row, ...]
    notes: tuple[str, ...]

    def row(self, key: str) -> Row:
        """The row whose first column is the key."""
        found = [row for row in (*self.rows, *self.below) if next(iter(row.values())) == key]
        assert len(found) == 1, f"{len(found)} rows of {self.title!r} start with {key!r}: {self.keys()}"
        return found[0]

    def keys(self) -> list[Cell]:
        """The first column."""
        return [next(iter(row.values())) for row in self.rows]

    def column(self, name: str) -> dict[str, Cell]:
        """One column by the first one, as exact text; the row `unallocated` only where it has something to say."""
        cells = {str(next(iter(row.values()))): row[name] for row in self.rows}
        return {key: cell for key, cell in cells.items() if key != "unallocated" or cell is not None}

    def where(self, **wanted: Cell) -> list[Row]:
        """The rows that have these values."""
        return [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]

    def all_total(self, name: str) -> Cell:
        """One cell of the line of totals."""
        assert self.total is not None, f"{self.title!r} has no total"
        return self.total[name]


def added(amounts: Iterable[Cell]) -> Decimal:
    """Decimal texts, added exactly."""
    return sum((Decimal(str(amount)) for amount in amounts), Decimal(0))


def _plain(cell: Any) -> Cell:
    if isinstance(cell, dict) and set(cell) == {"amount", "currency"}:
        cell = cell["amount"]
    assert cell is None or isinstance(cell, str | int | Decimal), f"not a cell: {cell!r}"
    return cell


def _row(row: Mapping[str, Any]) -> Row:
    return {name: _plain(cell) for name, cell in row.items()}


class Project:
    """A copy of one scenario's folder.

    Args:
        name: The folder, such as `s03/blocked`.
        into: An empty place for the copy.
    """

    def __init__(self, name: str, into: Path) -> None:
        self.folder = into / "project"
        self._runs: set[str] = set()
        self._read: dict[tuple[str, ...], Table] = {}
        shutil.copytree(FOLDER / name, self.folder, ignore=shutil.ignore_patterns(".apportion"))

    def edit(self, file: str, old: str, new: str) -> None:
        """Put another text in the place of one that stands there exactly once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        self._forget()

    def reverse_rows(self, file: str, *, header: bool = True) -> None:
        """Turn the order of a file's rows round."""
        path = self.folder / file
        lines = path.read_text(encoding="utf-8").splitlines()
        head = lines[:1] if header else []
        path.write_text("\n".join([*head, *reversed(lines[len(head) :])]) + "\n", encoding="utf-8")
        self._forget()

    def drop_row(self, file: str, holding: str) -> None:
        """Take out the one row that holds a text."""
        path = self.folder / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        assert sum(holding in line for line in lines) == 1
        path.write_text("".join(line for line in lines if holding not in line), encoding="utf-8")
        self._forget()

    def _forget(self) -> None:
        self._runs.clear()
        self._read.clear()

    def call(self, command: str, *words: str, code: int = 0) -> Said:
        """Give a command; it must end with the exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "apportion.cli", command, "-p", str(self.folder), *words],
            cwd=self.folder.parent,
            env={
                **os.environ,
                **{f"{kind}_proxy": _NOWHERE for kind in ("http", "https", "all")},
                "TZ": _ZONE,
                "PYTHONIOENCODING": "utf-8",
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "TERM": "dumb",
            },
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in said.err, f"{command} {words}: {said.err[-400:]}"
        assert said.code == code, f"{command} {words} ended with {said.code}:\n{said.out}\n{said.err}"
        return said

    def run(self, period: str = NOVEMBER, *, code: int = 0) -> Said:
        """Run every stage for a period."""
        self._read.clear()
        self._runs.add(period)
        return self.call("run", "--period", period, code=code)

    def ready(self, period: str = NOVEMBER) -> Project:
        """Run the period unless that has been done; whatever the scenario, its books must then balance."""
        if period not in self._runs:
            self.run(period)
            assert self.certificate(period)["ok"] is True
            self._bridge(period)
        return self

    def _bridge(self, period: str) -> None:
        """Invoices are what the owners receive and what stays in a named account (law L1)."""
        invoices = [row for row in self.table("invoices", period).rows if row["invoice"] is not None]
        kept = sum((added(row[account] or "0" for account in ACCOUNTS) for row in invoices), Decimal(0))
        estimates = added(pool["amount"] for pool in self.pools(period).where(status="estimate"))
        owed = added(self.owed(period).values())
        assert added(row["invoice"] for row in invoices) + estimates == owed + kept

    def decide(self, command: str, *words: str) -> Said:
        """Approve or undo; what was read before is out of date."""
        said = self.call(command, *words)
        self._read.clear()
        return said

    def check(self, *, code: int = 0) -> Said:
        """Ask for every problem at once."""
        return self.call("check", code=code)

    def data(self, command: str, *words: str, code: int = 0) -> Any:
        """What a reading command says as JSON; decimals never pass through a float.

        It is the same command line in this process, because most of a short command's time is its start.
        """
        out, err = io.StringIO(), io.StringIO()
        given = ["apportion", command, "-p", str(self.folder), *words, "--format", "json"]
        with patch.object(sys, "argv", given), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
                ended: object = 0
            except SystemExit as stop:
                ended = stop.code or 0
        assert ended == code, f"{command} {words} ended with {ended}: {err.getvalue()}"
        return json.loads(out.getvalue(), parse_float=Decimal)

    def _table(self, command: str, *words: str, code: int = 0, name: str | None = None) -> Table:
        """A command's table; the one of that name where it gives several."""
        key = (command, *words, str(code), str(name))
        if key not in self._read:
            data = self.data(command, *words, code=code)
            if isinstance(data, list):
                data = data[0] if name is None else next(table for table in data if table["name"] == name)
            self._read[key] = Table(
                title=data["title"],
                rows=tuple(_row(row) for row in data["rows"]),
                total=_row(data["total"]) if data["total"] is not None else None,
                below=tuple(_row(row) for row in data.get("below", ())),
                notes=tuple(data["notes"]),
            )
        return self._read[key]

    def statement(self, period: str = NOVEMBER, *, by: str | None = None) -> Table:
        """What each owner, or each value of another dimension, receives."""
        words = ["--by", by] if by else []
        return self.ready(period)._table("statement", "--period", period, *words)

    def detail(self, owner: str, part: str, period: str = NOVEMBER) -> Table:
        """One of the tables of one owner's statement, such as `shared`."""
        return self.ready(period)._table("statement", "--period", period, "--owner", owner, name=part)

    def owed(self, period: str = NOVEMBER, *, by: str | None = None) -> dict[str, Cell]:
        """The statement's column of totals, which must add up to its line of totals.

        The row `unallocated` is always printed; it is left out here when nothing is.
        """
        table = self.statement(period, by=by)
        totals = table.column("total")
        assert added(totals.values()) == added([table.all_total("total")])
        if added([totals.get("unallocated", "0")]) == 0:
            totals.pop("unallocated", None)
        return totals

    def table(self, name: str, period: str = NOVEMBER, *options: str) -> Table:
        """One of the exported tables."""
        return self.ready(period)._table("export", "--period", period, name, *options)

    def pools(self, period: str = NOVEMBER) -> Table:
        """Billed money that one rule governs, one row per pool."""
        return self.table("pools", period)

    def pool(self, period: str = NOVEMBER, **wanted: Cell) -> Row:
        """The one pool that has these values."""
        found = self.pools(period).where(**wanted)
        assert len(found) == 1, f"{len(found)} pools have {wanted}: {self.pools(period).rows}"
        return found[0]

    def claims(self, period: str = NOVEMBER, *, pool: Row | None = None) -> list[Row]:
        """Who has a title to what, one row per pool, owner, layer and role."""
        rows = list(self.table("claims", period).rows)
        return rows if pool is None else [row for row in rows if row["pool_id"] == pool["pool_id"]]

    def divided(self, pool: Row, period: str = NOVEMBER) -> dict[str, Decimal]:
        """A pool's money by owner; it must add up to the pool."""
        shares: dict[str, Decimal] = {}
        for claim in self.claims(period, pool=pool):
            owner = str(claim["owner"])
            shares[owner] = shares.get(owner, Decimal(0)) + added([claim["amount"]])
        assert sum(shares.values()) == added([pool["amount"]])
        return shares

    def coverage(self, period: str = NOVEMBER, *, by: str = "team") -> Table:
        """How much of the money is attributed, in layers."""
        return self.ready(period)._table("coverage", "--period", period, "--by", by)

    def reconcile(self, period: str = NOVEMBER, *, code: int = 0) -> Table:
        """Metered against invoiced."""
        return self.ready(period)._table("reconcile", "--period", period, code=code)

    def certificate(self, period: str = NOVEMBER) -> Any:
        """The conservation certificate."""
        return self.ready(period).data("verify", "--period", period)
