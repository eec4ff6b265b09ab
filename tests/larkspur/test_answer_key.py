"""Every planted number is what its command says, what the key says, and what a reader of the plain files finds."""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from apportion.larkspur import write_company
from tests.errors.folder import Said, say
from tests.larkspur.answer_key import answers

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "src" / "apportion" / "larkspur" / "files" / "README.md"
_ROW = re.compile(r"^\| ([^|]+: [^|]+) \| ([^|]+) \| `apportion ([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)


class Planted(NamedTuple):
    """A line of the key."""

    what: str
    number: str
    command: str
    line: str


KEY = [Planted(*(part.strip() for part in found)) for found in _ROW.findall(README.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    folder = tmp_path_factory.mktemp("demo") / "larkspur"
    said = say(folder, "demo", "--into", str(folder))
    assert said.code == 0, said.err
    return folder, said


@pytest.fixture(scope="module")
def larkspur(demo: tuple[Path, Said]) -> Path:
    return demo[0]


@pytest.fixture(scope="module")
def told(larkspur: Path) -> Callable[[str], str]:
    @cache
    def tell(command: str) -> str:
        verb, *words = shlex.split(command)
        said = say(larkspur, verb, *words)
        assert said.code == 0, said.err
        return said.out

    return tell


def test_the_key_and_the_files_agree(larkspur: Path) -> None:
    assert {planted.what: planted.number for planted in KEY} == answers(larkspur)


@pytest.mark.parametrize("planted", KEY, ids=lambda planted: planted.what)
def test_its_command_finds_it(told: Callable[[str], str], planted: Planted) -> None:
    lines = [line for line in told(planted.command).splitlines() if planted.line in line]
    assert any(planted.number in _numbers(line, planted.command) for line in lines), (planted.number, lines[:5])


def _numbers(line: str, command: str) -> set[str]:
    """The cells of a line as the key writes them: no padding zeros, a percent sign after a space."""
    if command.endswith("--format csv"):
        return {re.sub(r"(\.\d*?[1-9])0+$", r"\1", cell) for cell in next(csv.reader([line]))}
    return {word.strip(",") for word in line.replace(" %", "_%").split()} | set(re.findall(r"[\d.,]+ %", line))


def test_what_the_demo_shows(demo: tuple[Path, Said]) -> None:
    said = demo[1]
    assert said.out.startswith("Larkspur, 4 months, 245,762 calls, 217 charges, 5 invoices a month\n")
    for title in ("October 2026, USD", "Coverage by team", "Cost of a unit", "Margin by customer"):
        assert title in said.out
    assert "✓ every cent placed once" in said.out.splitlines()[-1]
    assert len(re.findall(r"^(?:Try:)? +apportion ", said.err, re.MULTILINE)) == 3


def test_the_front_page_shows_what_the_demo_prints(demo: tuple[Path, Said]) -> None:
    """Tables on stdout, then the words on stderr; the page runs it from a clone, into the folder of that name."""
    folder, said = demo
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = page.split("<!-- output: apportion demo -->\n```\n")[1].split("\n```")[0].splitlines()
    words = said.err.replace(os.path.relpath(folder), str(folder)).replace(str(folder), "larkspur")
    printed = [*said.out.splitlines(), *words.replace("apportion ", ".venv/bin/apportion ").splitlines()]
    at = 0
    for line in shown:
        if line and line != "…":
            assert line in printed[at:], (line, printed[at:])
            at = printed.index(line, at) + 1


def test_the_same_bytes_every_time(larkspur: Path, tmp_path: Path) -> None:
    write_company(tmp_path)
    fresh = {p.relative_to(tmp_path): sha256(p.read_bytes()).hexdigest() for p in tmp_path.rglob("*") if p.is_file()}
    shown = {name: sha256((larkspur / name).read_bytes()).hexdigest() for name in fresh}
    assert shown == fresh
    assert len(fresh) == 49


def test_the_demo_leaves_a_report_that_the_command_writes_again(larkspur: Path, tmp_path: Path) -> None:
    assert say(larkspur, "report", "--into", str(tmp_path)).code == 0
    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {name: (larkspur / "report" / name).read_bytes() for name in written}
    assert {Path("index.html"), Path("tables.xlsx"), Path("csv/statements.csv")} <= written.keys()
    assert "9,867.06" in written[Path("index.html")].decode()


def test_a_demo_never_writes_over_somebody_s_work(larkspur: Path, tmp_path: Path) -> None:
    settings = tmp_path / "apportion.yaml"
    settings.write_bytes((larkspur / "apportion.yaml").read_bytes() + b"# mine\n")
    said = say(tmp_path, "demo", "--into", str(tmp_path))
    assert said.code == 2
    assert "folder-taken" in said.err
    assert settings.read_bytes().endswith(b"# mine\n")
    assert list(tmp_path.iterdir()) == [settings]
