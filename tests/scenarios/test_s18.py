"""S18: a fee shared by revenue, with a month of refunds."""

from __future__ import annotations

from tests.scenarios.conftest import Opened


def test_a_negative_revenue_weighs_nothing_and_is_named(scenario: Opened) -> None:
    project = scenario("s18/with_fallback")
    assert project.owed("2026-10") == {
        "atlas": "666.67",
        "beacon": "333.33",
        "comet": "0.00",
        "drift": "0.00",
    }
    notes = " ".join(project.statement("2026-10").notes)
    assert "drift" in notes


def test_without_any_revenue_the_headcount_divides(scenario: Opened) -> None:
    project = scenario("s18/with_fallback")
    owed = project.owed("2026-11")
    assert owed.pop("drift", "0.00") == "0.00"
    assert owed == {"atlas": "500.00", "beacon": "400.00", "comet": "100.00"}
    pool = project.pool("2026-11")
    assert "headcount" in str(pool["fallback"])
    assert (pool["rule"], pool["version"]) == ("platform-fee", 1)


def test_without_a_fallback_nobody_pays_by_surprise(scenario: Opened) -> None:
    project = scenario("s18/no_fallback")
    said = project.run("2026-12").err
    owed = project.owed("2026-12")
    assert owed.pop("unallocated") == "1000.00"
    assert set(owed.values()) <= {"0.00"}
    assert "1,000.00 USD" in said


def test_the_fee_is_whole_in_every_month(scenario: Opened) -> None:
    for name, month in (
        ("with_fallback", "2026-10"),
        ("with_fallback", "2026-11"),
        ("no_fallback", "2026-12"),
    ):
        assert scenario(f"s18/{name}").statement(month).all_total("total") == "1000.00"


def test_without_a_floor_a_negative_weight_is_an_error(fresh: Opened) -> None:
    project = fresh("s18/with_fallback")
    project.edit("apportion.yaml", "    floor: 0\n", "")
    said = project.check(code=3)
    assert "-500" in (said.out + said.err).replace("\N{MINUS SIGN}", "-")
