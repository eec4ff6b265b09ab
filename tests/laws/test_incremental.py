"""A run after a change folds only the calls that it can touch, says which and why, and equals a full run (L7)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apportion.pipeline import run
from apportion.project import Project
from tests.engines.twins import Published, copied, read, same

ACME = Path(__file__).resolve().parent.parent.parent / "examples" / "acme"
FIRST = datetime(2026, 12, 1, 9, tzinfo=UTC)

Change = Callable[[Path], None]


def runs(folder: Path, number: int) -> tuple[Published, str]:
    """What the n-th run of a folder published, and what it said of the calls."""
    project = Project.open(folder)
    outcome = run(project, now=lambda: FIRST + timedelta(hours=number))
    return read(project, outcome), outcome.reuse


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example company after its first run; tests take copies."""
    folder = copied(ACME, tmp_path_factory.mktemp("before") / "acme")
    assert runs(folder, 0)[1] == ""
    return folder


def replaced(name: str, old: str, new: str) -> Change:
    """Write a piece of a file anew."""

    def change(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def nothing(_: Path) -> None:
    """Change nothing."""


def late_calls(folder: Path) -> None:
    """A file of calls that came late, for a day that is there already."""
    head, *_, last = (folder / "usage/openai-2026-11.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "usage/openai-late.csv").write_text(head + last.replace("op-11-", "late-"), encoding="utf-8")


def new_month(folder: Path) -> None:
    """Calls of a month that was not there."""
    text = (folder / "usage/openai-2026-11.csv").read_text(encoding="utf-8")
    (folder / "usage/openai-2026-12.csv").write_text(text.replace("2026-11-", "2026-12-"), encoding="utf-8")


def no_bill(folder: Path) -> None:
    """A vendor's bill is taken back: its usage becomes an estimate."""
    (folder / "bills/2026-11/openai.csv").unlink()


def lost_cells(folder: Path) -> None:
    """The files of one month's cells are gone."""
    shutil.rmtree(folder / ".apportion/warehouse/usage_cells/2026-10")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nothing, "4 of 4 slices as before"),
        (late_calls, "3 of 4 slices as before, 1 folded anew because their calls changed"),
        (new_month, "4 of 5 slices as before, 1 folded anew because their days are new"),
        (replaced("apportion.yaml", "weight: seat_price", "weight: active_users"), "4 of 4 slices as before"),
        (replaced("apportion.yaml", "scale_to_invoice", "{to: platform}"), "4 of 4 slices as before"),
        (no_bill, "4 of 4 slices as before"),
        (
            replaced("apportion.yaml", "{search: [serach]}", "{search: [serach, growth]}"),
            "0 of 4 slices as before, 4 folded anew because the evidence of a dimension changed",
        ),
        (
            replaced("apportion.yaml", "tokens: disjoint", "tokens: exclusive"),
            "2 of 4 slices as before, 2 folded anew because their calls changed",
        ),
        (
            replaced("prices.yaml", "input: 0.90", "input: 0.80"),
            "0 of 4 slices as before, 4 folded anew because prices changed",
        ),
        (
            replaced("directory/keys.csv", "k-growth-1,growth", "k-growth-1,search"),
            "0 of 4 slices as before, 4 folded anew because the directory changed",
        ),
        (lost_cells, "2 of 4 slices as before, 2 folded anew because their files are gone"),
    ],
    ids=[
        "nothing", "late calls", "a new month", "a rule", "a policy", "a bill", "evidence", "a source", "prices",
        "a directory", "lost cells",
    ],
)  # fmt: skip
def test_l7_a_run_after_a_change_equals_a_full_run(change: Change, said: str, before: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again" / "acme"
    shutil.copytree(before, folder)
    change(folder)
    found, told = runs(folder, 1)
    assert told == said
    full, first = runs(copied(folder, tmp_path / "full" / "acme"), 1)
    assert first == ""
    same(full, found)
    again, later = runs(folder, 2)
    same(full, again)
    assert later.endswith("slices as before")


def test_a_file_of_an_earlier_run_outlives_that_run(before: Path, tmp_path: Path) -> None:
    folder = tmp_path / "acme"
    shutil.copytree(before, folder)
    for number in (1, 24 * 40, 24 * 80):
        found, told = runs(folder, number)
        assert told == "4 of 4 slices as before"
    with Project.open(folder).books() as books, books.reading() as reading:
        states = [one.status for one in reading.history()]
        assert states == ["done", "superseded", "superseded", "superseded"]
        assert all(path.exists() for path in reading.parts("2026-11", "usage_cells"))
    same(runs(copied(folder, tmp_path / "full" / "acme"), 1)[0], found)


def test_rows_that_were_set_aside_are_looked_at_again(tmp_path: Path) -> None:
    folder = copied(ACME, tmp_path / "acme")
    with (folder / "usage/anthropic-2026-11.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    first, _ = runs(folder, 0)
    second, told = runs(folder, 1)
    assert told == "3 of 4 slices as before, 1 folded anew because rows of theirs were set aside"
    same(first, second)
