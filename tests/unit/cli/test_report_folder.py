"""`apportion report` writes a folder that opens by itself, and leaves nothing of an earlier one behind."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apportion.cli.report_folder import put
from apportion.errors import ApportionError, WrongUsage

PAGE = b'<!doctype html>\n<meta name="generator" content="apportion">\n'
ACME = Path(__file__).resolve().parents[3] / "examples" / "acme"


def call(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "apportion.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "acme"
    shutil.copytree(ACME, folder, ignore=shutil.ignore_patterns(".apportion", "__pycache__"))
    assert call("run", folder=folder).returncode == 0
    return folder


def test_the_folder_is_in_the_project_and_the_same_twice(ran: Path, tmp_path: Path) -> None:
    before = call("report", "--preview", folder=ran)
    assert before.returncode == 0, before.stderr
    assert "report/index.html" in before.stdout
    assert not (ran / "report").exists()
    done = call("report", folder=ran)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "November 2026, 6 statements, 10 pools" in done.stderr
    page = (ran / "report" / "index.html").read_text(encoding="utf-8")
    assert "</span>10,162.39 USD</h1>" in page
    assert "equals the AI part of 5 invoices to the cent" in page
    assert "metered 99.3 % of what is billed for metered usage" in page
    other = tmp_path / "deep" / "er"
    assert call("report", "--into", str(other), folder=ran).returncode == 0
    for path in (ran / "report").rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(ran / "report")).read_bytes(), path


def test_another_period_and_a_period_without_any(ran: Path, tmp_path: Path) -> None:
    done = call("report", "--period", "2026-10", "--into", str(tmp_path), folder=ran)
    assert "October 2026" in done.stderr
    assert "no September to compare with" in (tmp_path / "index.html").read_text(encoding="utf-8")
    none = call("report", "--period", "2026-01", folder=ran)
    assert none.returncode == 1
    assert "Nothing is published for 2026-01" in none.stderr


def test_a_table_of_an_earlier_report_goes_and_other_files_stay(tmp_path: Path) -> None:
    put(tmp_path, {"csv/days.csv": b"1", "csv/margins.csv": b"2", "index.html": PAGE})
    (tmp_path / "csv" / "mine.csv").write_text("4", encoding="utf-8")
    put(tmp_path, {"csv/days.csv": b"5", "index.html": b"6"})
    names = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert names == {"csv/days.csv": b"5", "csv/mine.csv": b"4", "index.html": b"6"}


def test_what_is_no_report_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "tables.json").write_text("mine", encoding="utf-8")
    with pytest.raises(WrongUsage, match=r"holds tables\.json of something else"):
        put(tmp_path, {"index.html": b"6"})
    (tmp_path / "index.html").write_text("mine too", encoding="utf-8")
    with pytest.raises(WrongUsage, match=r"index\.html and tables\.json"):
        put(tmp_path, {"index.html": b"6"})
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["mine", "mine too"]


def test_a_report_that_was_cut_short_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"csv/days.csv": b"1", "tables.json": b"2", "index.html": PAGE}
    real = Path.replace
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda at, to: _full() if to.name == "tables.json" else real(at, to))
        with pytest.raises(ApportionError):
            put(tmp_path, files)
    assert "being written" in (tmp_path / "index.html").read_text()
    put(tmp_path, files)
    assert (tmp_path / "index.html").read_bytes() == PAGE


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_in_the_way_is_said(ran: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    done = call("report", "--into", str(tmp_path / "taken"), folder=ran)
    assert done.returncode == 1, done.stderr
    assert "taken" in done.stderr
    assert "bug[" not in done.stderr
