"""Every golden case, scenario and law case gives the same tables on DuckDB and on Spark, bit by bit (L6, L7)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engines.twins import MODES, Way, copied, published, same
from tests.laws.company import company_of

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = sorted(
    path.parent
    for place in (TESTS / "golden", TESTS / "scenarios", TESTS.parent / "examples")
    for path in place.rglob("apportion.yaml")
)
SEEDS = tuple(range(12))


def far(number: int, mode: str) -> bool:
    """Whether every table of a case lies on the cluster: in one mode of three, or always where that is asked for."""
    return os.environ.get("APPORTION_TEST_FAR") == "every" or number % len(MODES) == MODES.index(mode)


@pytest.mark.parametrize("number", range(len(FOLDERS)), ids=lambda n: FOLDERS[n].relative_to(TESTS.parent).as_posix())
def test_l7_a_case_is_the_same_on_both_engines(number: int, way: Way, tmp_path: Path) -> None:
    one, two = (copied(FOLDERS[number], tmp_path / name / "project") for name in ("duckdb", "spark"))
    same(published(one), way.run(two, number=number, far=far(number, way.mode)))


@pytest.mark.parametrize("seed", SEEDS)
def test_l7_a_random_company_is_the_same_on_both_engines(seed: int, way: Way, tmp_path: Path) -> None:
    folders = [tmp_path / name / "project" for name in ("duckdb", "spark")]
    for folder in folders:
        company_of(seed).write(folder)
    same(published(folders[0]), way.run(folders[1], number=seed, far=far(seed, way.mode)))
