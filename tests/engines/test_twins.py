"""Every golden case, scenario and law case gives the same tables on DuckDB and on Spark, bit by bit (L6, L7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.twins import Way, chosen, copied, far, published, same, shuffled
from tests.laws.company import company_of

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = sorted(
    path.parent
    for place in (TESTS / "golden", TESTS / "scenarios", TESTS.parent / "examples")
    for path in place.rglob("apportion.yaml")
)
SEEDS = range(12)
SHUFFLED = ("all_methods", "dated", "unit_costs", "virtual_tag")


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


@pytest.mark.parametrize("name", SHUFFLED)
def test_l5_the_order_of_calls_changes_nothing_on_spark(name: str, way: Way, tmp_path: Path) -> None:
    one, two = (copied(TESTS / "golden" / name, tmp_path / place / "project") for place in ("duckdb", "spark"))
    shuffled(two, seed=4)
    same(published(one), way.run(two, number=1, far=False))
