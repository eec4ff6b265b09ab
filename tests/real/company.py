"""A project folder that a test writes around files of real data, and the answers of the product about it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

from apportion.cli import main
from apportion.period import Period
from apportion.project import Project, View

# Wide enough that no sum of 18-digit decimals is ever rounded by the test itself.
EXACT = Context(prec=60)
# The discard port: a proxy nobody answers, so that the command has no network either.
_NOWHERE = "http://127.0.0.1:9"

Rows = list[dict[str, Any]]


def total(amounts: Iterator[str] | Sequence[str]) -> Decimal:
    """Texts added as decimals, to the last digit."""
    with localcontext(EXACT):
        return sum((Decimal(amount) for amount in amounts), Decimal(0))


def records(path: Path, **dialect: Any) -> list[dict[str, str]]:
    """The rows of a CSV file as the standard library reads them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, **dialect))


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err


@dataclass(frozen=True)
class Company:
    """A project folder.

    Attributes:
        folder: Where its `apportion.yaml` lies.
    """

    folder: Path

    @classmethod
    def write(cls, folder: Path, settings: str, files: Mapping[str, Path] | None = None) -> Company:
        """Make a project out of its settings and links to files that stay where they are.

        Args:
            folder: Empty.
            settings: The text of `apportion.yaml`.
            files: Name in the project → file of the real data. They are copied as they are, byte by byte.
        """
        for name, source in (files or {}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
        (folder / "apportion.yaml").write_text(settings, encoding="utf-8")
        return cls(folder)

    def call(self, command: str, *words: str, code: int | None = 0) -> Said:
        """Give a command; it never shows a traceback and never ends as a fault of the product.

        Args:
            command: Such as `check`.
            words: The rest of the line.
            code: The exit code it must end with; None is any that a user's own data may cause.
        """
        done = subprocess.run(
            [sys.executable, "-m", "apportion.cli", command, "-p", str(self.folder), *words],
            cwd=self.folder.parent,
            env={
                **os.environ,
                **{f"{kind}_proxy": _NOWHERE for kind in ("http", "https", "all")},
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
        assert "Traceback" not in said.text, said.text[-2_000:]
        assert "bug[" not in said.text, said.text[-2_000:]
        assert said.code == code if code is not None else said.code in {0, 1, 3}, f"{command}: {said}"
        return said

    def call_here(self, command: str, *words: str) -> Said:
        """Give a command in this process, because most of a short command's time is its start."""
        out, err = io.StringIO(), io.StringIO()
        given = ["apportion", command, "-p", str(self.folder), *words]
        with patch.object(sys, "argv", given), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
                ended: object = 0
            except SystemExit as stop:
                ended = stop.code or 0
        assert isinstance(ended, int), ended
        return Said(ended, out.getvalue(), err.getvalue())

    def data(self, command: str, *words: str, code: int = 0) -> Any:
        """What a reading command says as JSON; decimals never pass through a float."""
        said = self.call_here(command, *words, "--format", "json")
        assert said.code == code, f"{command} {words}: {said}"
        return json.loads(said.out, parse_float=Decimal)

    def rows(self, command: str, *words: str, code: int = 0) -> Rows:
        """The rows of a reading command's one table, money as decimal text."""
        found = self.data(command, *words, code=code)
        table = found[0] if isinstance(found, list) else found
        return [{name: _plain(cell) for name, cell in row.items()} for row in table["rows"]]

    def owed(self, period: str) -> dict[str, Decimal]:
        """What each owner is charged in a period."""
        rows = self.rows("statement", "--period", period)
        return {str(next(iter(row.values()))): Decimal(row["total"]) for row in rows}

    @contextmanager
    def published(self, period: str) -> Iterator[View]:
        """The tables that the last run published for a period."""
        with Project.open(self.folder).view(Period.parse(period)) as view:
            yield view

    def ask(self, period: str, query: str) -> list[tuple[Any, ...]]:
        """Ask the published tables of a period."""
        with self.published(period) as view:
            return view.engine.connection.execute(query).fetchall()


def _plain(cell: Any) -> Any:
    return cell["amount"] if isinstance(cell, dict) and set(cell) == {"amount", "currency"} else cell
