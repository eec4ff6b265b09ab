"""S02: cached tokens, cache writes and a batch discount, with no invoice yet."""

from __future__ import annotations

from decimal import Decimal

from apportion.money import split
from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project, Row, added

TOKENS = ("uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "output_tokens")


def cells(project: Project) -> list[Row]:
    return list(project.table("usage-cells").rows)


def test_each_line_is_priced_exactly(scenario: Opened) -> None:
    listed = {cell["line"]: added([cell["list_cost"]]) for cell in cells(scenario("s02"))}
    assert listed == {
        "L1": Decimal("3.765"),
        "L2": Decimal("6.000"),
        "L3": Decimal("1.80"),
        "L4": Decimal("1.065"),
    }


def test_the_tokens_are_disjoint(scenario: Opened) -> None:
    found = {name: sum(int(str(cell[name])) for cell in cells(scenario("s02"))) for name in TOKENS}
    assert found == dict(zip(TOKENS, (3_200_000, 1_400_000, 100_000, 620_000), strict=True))
    read, given = found["cache_read_tokens"], sum(found[name] for name in TOKENS[:3])
    assert given == 4_700_000
    assert (Decimal(read) * 100 / given).quantize(Decimal("0.01")) == Decimal("29.79")


def test_one_estimate_is_posted_in_whole_cents(scenario: Opened) -> None:
    project = scenario("s02")
    pool = project.pool()
    assert (pool["amount"], pool["status"]) == ("12.63", "estimate")
    assert project.divided(pool) == {"support": Decimal("9.77"), "search": Decimal("2.86")}
    assert project.owed() == {"support": "9.77", "search": "2.86"}


def test_a_statement_says_that_it_is_an_estimate(scenario: Opened) -> None:
    assert any("estimate" in note.lower() for note in scenario("s02").statement().notes)


def test_the_splitter_gives_the_tied_cent_to_the_larger_share() -> None:
    assert split(1263, [9_765, 2_865], ["support", "search"]) == [977, 286]
