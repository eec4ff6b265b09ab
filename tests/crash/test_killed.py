"""A run that is killed at any point leaves the last good one current, and the next one succeeds."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.company import add_late_bill, company, ended, kill_when, seen, start
from tests.errors.folder import say


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company after its first run; tests take copies."""
    return company(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def before(published: Path) -> dict[str, str]:
    """What the first run shows."""
    return seen(published)


@pytest.fixture(scope="module")
def after(published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a second run shows that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed") / "p"
    shutil.copytree(published, folder)
    add_late_bill(folder)
    assert say(folder, "run").code == 0
    return seen(folder)


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy of the company, with the late bill."""
    copy = tmp_path / "p"
    shutil.copytree(published, copy)
    add_late_bill(copy)
    return copy


def new_files(folder: Path, pattern: str) -> Callable[[], int]:
    """Counts the files that were not there before."""
    root = folder / ".apportion"
    old = set(root.glob(pattern))
    return lambda: len(set(root.glob(pattern)) - old)


def runs(folder: Path) -> list[str]:
    """The states of all runs, oldest first."""
    with closing(sqlite3.connect(folder / ".apportion" / "books.db")) as books:
        return [state for (state,) in books.execute("SELECT status FROM runs ORDER BY started_at, run_id")]


def stays_whole(folder: Path, before: dict[str, str], after: dict[str, str]) -> None:
    """The old state to the byte; then a run succeeds, and shows what an undisturbed one does."""
    assert seen(folder) == before
    said = say(folder, "run")
    assert said.code == 0, said.err
    assert seen(folder) == after
    assert runs(folder)[-1] == "done"
    assert "running" not in runs(folder)
    assert list((folder / ".apportion").glob("staging-*")) == []


POINTS = {
    "as soon as it has a staging folder": ("staging-*", 1),
    "at its first file of the warehouse": ("warehouse/**/*.parquet", 1),
    "at its fifteenth": ("warehouse/**/*.parquet", 15),
    "while a file has only its name in progress": ("warehouse/**/.*.partial", 1),
}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point(point: str, folder: Path, before: dict[str, str], after: dict[str, str]) -> None:
    pattern, number = POINTS[point]
    count = new_files(folder, pattern)
    assert kill_when(start(folder), lambda: count() >= number) == -9
    stays_whole(folder, before, after)


def test_killed_when_the_books_say_it_runs(folder: Path, before: dict[str, str], after: dict[str, str]) -> None:
    def is_running() -> bool:
        try:
            return "running" in runs(folder)
        except sqlite3.OperationalError:
            return False

    assert kill_when(start(folder), is_running) == -9
    assert runs(folder)[-1] == "running"
    stays_whole(folder, before, after)
    assert "failed" in runs(folder)


def test_killed_again_and_again_at_any_moment(folder: Path, before: dict[str, str], after: dict[str, str]) -> None:
    began = time.monotonic()
    trial = folder.parent / "trial"
    shutil.copytree(folder, trial)
    assert ended(start(trial)).code == 0
    whole = time.monotonic() - began
    for sixth in range(1, 6):
        until = time.monotonic() + whole * sixth / 6
        if kill_when(start(folder), lambda until=until: time.monotonic() > until) == 0:  # type: ignore[misc]
            break
        # Killed between the publish and its last words it shows the new state; there is nothing in between.
        assert seen(folder) in (before, after)
    assert say(folder, "run").code == 0
    assert seen(folder) == after
