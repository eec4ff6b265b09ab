"""Every golden case, scenario and law case gives the same tables on DuckDB and on Spark, bit by bit (L6, L7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.twins import Way, chosen, copied, far, published, same
from tests.laws.company import company_of

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = sorted(
    path.parent
    for place in (TESTS / "golden", TESTS / "scenarios", TESTS.parent / "examples")
    for path in place.rglob("apportion.yaml")
)
SEEDS = range(12)


@pytest.mark.parametrize(
    "number", chosen(len(FOLDERS)), ids=lambda number: FOLDERS[number].relative_to(TESTS.parent).as_posix()
)
def test_l7_a_case_is_the_same_on_both_engines(number: int, way: Way, tmp_path: Path) -> None:
    one, two = (copied(FOLDERS[number], tmp_path / name / "project") for name in ("duckdb", "spark"))
    same(published(one), way.run(two, number=number, far=far(number)))


@pytest.mark.parametrize("seed", chosen(len(SEEDS)))
def test_l7_a_random_company_is_the_same_on_both_engines(seed: int, way: Way, tmp_path: Path) -> None:
    folders = [tmp_path / name / "project" for name in ("duckdb", "spark")]
    for folder in folders:
        company_of(seed).write(folder)
    same(published(folders[0]), way.run(folders[1], number=seed, far=far(seed)))
