"""Cases that an accountant can read: a project folder, and byte for byte what the command line prints of it.

The arithmetic stands at the head of each `apportion.yaml`. The name of an expected file is the command:
`2026-11/statement.by-provider.csv` is `apportion statement --period 2026-11 --by provider --format csv`; names
other than `statement` are those of `apportion export`. `problems.csv` lists what a run tells.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from difflib import unified_diff
from pathlib import Path
from unittest.mock import patch

import pytest

from apportion.cli import main
from apportion.pipeline import Outcome, run
from apportion.project import Project

FOLDER = Path(__file__).resolve().parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/apportion.yaml"))
EXPECTED = sorted(
    (path.relative_to(FOLDER) for path in FOLDER.glob("*/expected/**/*.csv")), key=lambda path: path.as_posix()
)


class Case:
    """A copy of one folder, run once for every period."""

    def __init__(self, name: str, into: Path) -> None:
        self.folder = into / name
        shutil.copytree(FOLDER / name, self.folder, ignore=shutil.ignore_patterns("expected"))
        self.outcome = self.run()

    def run(self) -> Outcome:
        """Run every period."""
        return run(Project.open(self.folder))

    def printed(self, period: str, name: str) -> str:
        """What the command of an expected file prints."""
        command, *options = name.split(".")
        words = [command] if command == "statement" else ["export", command]
        for option in options:
            key, value = option.split("-", 1)
            words += [f"--{key}", value]
        out, err = io.StringIO(), io.StringIO()
        given = ["apportion", *words, "-p", str(self.folder), "--period", period, "--format", "csv"]
        with patch.object(sys, "argv", given), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
                code: object = 0
            except SystemExit as stop:
                code = stop.code
        assert not code, err.getvalue()
        return out.getvalue()

    def problems(self) -> str:
        """The problems of the run with their money."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["problem", "severity", "place", "money"])
        writer.writerows([p.slug, p.severity, p.place or "", p.amount or ""] for p in self.outcome.problems)
        return out.getvalue()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    opened: dict[str, Case] = {}

    def open_once(name: str) -> Case:
        if name not in opened:
            opened[name] = Case(name, tmp_path_factory.mktemp("golden"))
        return opened[name]

    return open_once


def _read(path: Path) -> str:
    """The text with its line ends as they are: the product writes CSV with CRLF, as RFC 4180 has it."""
    return path.read_bytes().decode("utf-8")


def _same(expected: str, found: str, name: str) -> None:
    lines = unified_diff(expected.splitlines(), found.splitlines(), f"expected {name}", "printed", lineterm="")
    assert found == expected, "\n" + "\n".join(lines)


@pytest.mark.parametrize(
    "path", EXPECTED, ids=lambda path: path.as_posix().replace("/expected", "").removesuffix(".csv")
)
def test_printed_as_expected(case: Callable[[str], Case], path: Path) -> None:
    name, _, *period, _ = path.parts
    opened = case(name)
    found = opened.printed(period[0], path.stem) if period else opened.problems()
    _same(_read(FOLDER / path), found, path.as_posix())


@pytest.mark.parametrize("name", CASES)
def test_the_input_is_sound(case: Callable[[str], Case], name: str) -> None:
    """A case has no error that it does not list; a method that fits badly is a warning, and may be the point."""
    listed = (FOLDER / name / "expected" / "problems.csv").exists()
    errors = [problem.text() for problem in case(name).outcome.problems if problem.severity == "error"]
    assert listed or errors == []


def test_a_virtual_tag_applies_back_over_open_months(tmp_path: Path) -> None:
    """Run without it first: everything is unallocated. The line then changes both open months."""
    whole = (FOLDER / "virtual_tag" / "apportion.yaml").read_text(encoding="utf-8")
    start, end = whole.index("    - virtual_tag:"), whole.index("allocate:")
    opened = Case("virtual_tag", tmp_path)
    (opened.folder / "apportion.yaml").write_text(
        whole[:start] + "    - tag: nothing\n" + whole[end:], encoding="utf-8"
    )
    opened.run()
    for period in ("2026-10", "2026-11"):
        assert opened.printed(period, "coverage").splitlines()[-3].startswith("unallocated,124.00,100.00")
    (opened.folder / "apportion.yaml").write_text(whole, encoding="utf-8")
    opened.run()
    for period in ("2026-10", "2026-11"):
        expected = FOLDER / "virtual_tag" / "expected" / period / "statement.csv"
        _same(_read(expected), opened.printed(period, "statement"), f"{period} statement")
