"""Each slug, reproduced through the command line: its head, place, values, money, cure and exit code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.errors.cases import CASES
from tests.errors.folder import Said, block, make, say

TEXTS = Path(__file__).parent / "texts"
# The ten that a FinOps lead meets first; the whole text of each is in `texts/`.
READ_ALOUD = (
    "number-unreadable", "missing-rate", "shares-total", "pool-circle", "overlapping-rows", "same-file-twice",
    "file-unreadable", "column-missing", "rule-matches-nothing", "gpu-left-out",
)  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which commands are given in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(slug: str, here: Path) -> Said:
    """Make the case's folder and give its command."""
    case = CASES[slug]
    folder = make(here / "p", case.files)
    if slug == "config-missing":
        (folder / "apportion.yaml").unlink()
    for words in case.before:
        assert say(folder, *words).code == 0
    with case.world(folder):
        return say(folder, *case.words)


@pytest.mark.parametrize("slug", sorted(CASES))
def test_the_case_shows_its_slug(slug: str, here: Path) -> None:
    case = CASES[slug]
    said = told(slug, here)
    assert said.code == case.code, said.err
    text = block(said, slug, "warning" if case.warning else "error")
    head, _, rest = text.partition("\n")
    _, _, place = head.partition("]")
    # A place that ends with a colon is a line of which the column does not matter.
    assert place.startswith(f": {case.at}") if case.at.endswith(":") else place.removeprefix(": ") == case.at, head
    for value in case.says:
        assert value in rest
    money = [line for line in rest.splitlines() if line.startswith("  Money: ")]
    assert len(money) == bool(case.money), text
    assert not case.money or case.money in money[0]
    cures = [line for line in rest.splitlines() if line.startswith("  Cure: ")]
    assert len(cures) == 1, f"no cure:\n{text}"
    # A command in it names the project that was asked for.
    assert (case.cure or "") in cures[0].replace(" -p p", "")
    if slug in READ_ALOUD:
        golden = TEXTS / f"{slug}.txt"
        if os.environ.get("APPORTION_WRITE_TEXTS"):
            golden.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == golden.read_text(encoding="utf-8")


def test_every_golden_text_is_read() -> None:
    assert sorted(path.stem for path in TEXTS.iterdir()) == sorted(READ_ALOUD)
