"""Crowded, full, read-only or damaged: a clear text, and what was published stays as it was."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.cli import crash
from tests.crash.company import add_late_bill, company, ended, seen, start
from tests.errors.folder import block, make, say, settings

NOBODY = 65534


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company after its first run; tests take copies."""
    return company(tmp_path_factory.mktemp("published"))


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy of the company, with the late bill."""
    copy = tmp_path / "p"
    shutil.copytree(published, copy)
    add_late_bill(copy)
    return copy


def test_of_two_runs_at_once_one_works_and_the_other_says_who(folder: Path) -> None:
    both = [ended(child) for child in [start(folder), start(folder)]]
    for said in both:
        assert said.code == 0 or "Another run is at work on every period" in block(said, "run-at-work"), said.err
    assert 0 in [said.code for said in both]
    shown = seen(folder)
    assert say(folder, "run").code == 0
    assert seen(folder) == shown, "a third run has nothing to add"


@pytest.mark.parametrize("limit", [0, 3_000, 60_000])
def test_no_room_for_files(limit: int, folder: Path) -> None:
    before = seen(folder)
    said = ended(start(folder, file_limit=limit))
    assert said.code == 1, said.err
    assert "error[disk-full]" in said.err or "error[books-unreadable]" in said.err, said.err
    assert "Cure:" in said.err
    assert seen(folder) == before


def test_the_state_folder_is_a_file(tmp_path: Path) -> None:
    said = say(make(tmp_path, {".apportion": b"in the way"}), "run")
    assert said.code == 1
    assert ".apportion" in block(said, "cannot-write")


@pytest.fixture
def read_only(published: Path) -> Iterator[Path]:
    """The company in a folder that nobody may write to."""
    top = Path(tempfile.mkdtemp(prefix="apportion-read-only-"))
    shutil.copytree(published, top / "p")
    for path in [top, *top.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield top / "p"
    for path in [top, *top.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(top)


def test_a_read_only_project(read_only: Path) -> None:
    # The rights of a file do not bind the superuser, so a test that runs as one steps down for a moment.
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        said = say(read_only, "run")
        shown = say(read_only, "check")
    finally:
        if root:
            os.seteuid(0)
    assert (said.code, shown.code) == (1, 1)
    assert ".apportion" in block(said, "cannot-write")
    assert ".apportion" in block(shown, "cannot-write")


def damage(path: Path, at: int) -> None:
    """Write nonsense over a piece of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xde\xad\xbe\xef" * 300)


@pytest.mark.parametrize("at", [0, 100, 4096 + 8])
def test_damaged_books(at: int, folder: Path) -> None:
    for file in (folder / ".apportion").glob("books.db-*"):
        file.unlink()
    damage(folder / ".apportion" / "books.db", at)
    for command in ("statement", "run"):
        said = say(folder, command)
        assert said.code == 1, said.err
        text = block(said, "books-unreadable")
        assert "books.db" in text
        assert "backup" in text


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_published_file_that_is_gone_or_damaged(how: str, folder: Path) -> None:
    file = next((folder / ".apportion" / "warehouse" / "claims" / "2026-11").glob("*.parquet"))
    if how == "gone":
        file.unlink()
    else:
        damage(file, file.stat().st_size // 3)
        damage(file, file.stat().st_size - 40)
    said = say(folder, "statement")
    assert said.code == 1, said.err
    text = block(said, "published-damaged")
    assert file.name in text
    assert "apportion run" in text
    assert say(folder, "run").code == 0
    seen(folder)


def test_a_dimension_that_was_added_after_the_run(tmp_path: Path) -> None:
    folder = make(tmp_path, {})
    assert say(folder, "run").code == 0
    more = settings().replace("{tag: team}]}", "{tag: team}], customer: [{tag: customer}]}")
    for command in ("statement", "coverage", "verify", "reconcile"):
        assert say(make(folder, {}), command).code == 0
        said = say(make(folder, {"apportion.yaml": more}), command)
        assert said.code == 1
        assert "it does not know customer yet" in block(said, "settings-changed")
    assert say(folder, "run").code == 0
    assert say(folder, "statement", "--by", "customer").code == 0


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    folder = make(tmp_path, {})
    assert say(folder, "run").code == 0
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert say(folder, "statement", "--format", "csv", "-o", str(pipe)).code == 0
        assert b"search" in os.read(reader, 10_000)
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_memory_limit_that_is_none(tmp_path: Path) -> None:
    said = say(make(tmp_path, {}), "run", "--memory", "much")
    assert said.code == 2
    assert "'much' is no amount of memory" in " ".join(said.err.replace("│", " ").split())


def test_a_fault_of_ours_is_a_text_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("no such column: cost")

    folder = make(tmp_path, {})
    assert say(folder, "run").code == 0
    monkeypatch.setattr("apportion.report.statements.statement", broken)
    said = say(folder, "statement")
    assert said.code == 70
    assert said.err.startswith("bug[unexpected]\n  KeyError: 'no such column: cost'\n")
    kept = folder / ".apportion" / "last-error.txt"
    assert str(kept) in said.err
    assert "Traceback" in kept.read_text()
    assert "apportion statement" in kept.read_text()


def test_without_a_state_folder_the_details_go_to_a_temporary_file(tmp_path: Path) -> None:
    text = crash.bug(ValueError("x"), ["check", "--project=" + str(tmp_path)])
    (line,) = [line for line in text.splitlines() if "details" in line]
    kept = Path(line.rpartition(" ")[2])
    assert f"Python {sys.version.split()[0]}" in kept.read_text()
    kept.unlink()
