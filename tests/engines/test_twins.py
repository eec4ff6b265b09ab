"""Every golden case, scenario and law case gives the same tables on DuckDB and on Spark, bit by bit (L6, L7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.twins import MODE, MODES, Way, by_duckdb, copied, far, same, shuffled
from tests.laws.company import company_of
from tests.laws.small import COMPANIES

TESTS = Path(__file__).resolve().parent.parent
FOLDERS = sorted(
    path.parent
    for place in (TESTS / "golden", TESTS / "scenarios", TESTS.parent / "examples")
    for path in place.rglob("apportion.yaml")
)
SEEDS = range(12)
_COMPANIES = {f"company {seed}": company_of(seed) for seed in SEEDS} | dict(COMPANIES)
# The order of calls is the same question however Spark is reached, so that each way takes its third of the cases.
_ORDERED = [number for number, folder in enumerate(FOLDERS) if (folder / "usage").exists()][
    MODES.index(MODE) :: len(MODES)
]


def _name(number: int) -> str:
    return FOLDERS[number].relative_to(TESTS.parent).as_posix()


@pytest.mark.parametrize("number", range(len(FOLDERS)), ids=_name)
def test_l7_a_case_is_the_same_on_both_engines(number: int, way: Way, tmp_path: Path) -> None:
    one, two = (copied(FOLDERS[number], tmp_path / name / "project") for name in ("duckdb", "spark"))
    same(by_duckdb(_name(number), one), way.run(two, number=number, far=far(number)))


@pytest.mark.parametrize("number", range(len(_COMPANIES)), ids=list(_COMPANIES).__getitem__)
def test_l7_a_law_case_is_the_same_on_both_engines(number: int, way: Way, tmp_path: Path) -> None:
    name, company = list(_COMPANIES.items())[number]
    folders = [tmp_path / engine / "project" for engine in ("duckdb", "spark")]
    for folder in folders:
        company.write(folder)
    # In another turn than the folders, so that 64 partitions of every table fall to companies that are smaller.
    same(by_duckdb(name, folders[0]), way.run(folders[1], number=number + 3, far=far(number)))


@pytest.mark.parametrize("number", _ORDERED, ids=_name)
def test_l5_the_order_of_calls_changes_nothing_on_spark(number: int, way: Way, tmp_path: Path) -> None:
    one, two = (copied(FOLDERS[number], tmp_path / name / "project") for name in ("duckdb", "spark"))
    shuffled(two, seed=4)
    same(by_duckdb(_name(number), one), way.run(two, number=number + 1, far=far(number + 2)))
