"""Unit costs, margins, seats and GPUs, to the numbers of the worked scenarios."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from apportion.report.table import ordered
from apportion.report.unit_costs import margins, unit_costs
from apportion.report.utilisation import capacity, reservations, seats
from tests.unit.report.company import CENT, PERIOD, Claim, Company, context, larkspur, seat


def test_units_are_divided_before_credits_unless_asked() -> None:
    con = larkspur().con
    table = unit_costs(con, context(), PERIOD)
    support = table.row("support")
    assert (support["cost"], support["calls"]) == (40_000, 800)
    assert support["per_call"] == Decimal("0.50000")
    assert support["per_1000_requests"] == Decimal("500.00")
    assert support["per_million_tokens"] == Decimal("88.8889")
    assert table.row("unallocated")["per_call"] is None
    assert "before credits" in table.title
    after = unit_costs(con, context(), PERIOD, after_credits=True)
    assert after.row("support")["cost"] == 38_334
    assert "after credits" in after.title


def test_training_is_no_part_of_the_cost_of_inference() -> None:
    made = larkspur()
    made.pool("ft-81", [Claim("support", 189_996)], category="training")
    assert unit_costs(made.con, context(), PERIOD).row("support")["cost"] == 40_000
    assert unit_costs(made.con, context(), PERIOD, category="training").total is not None
    made.usage("support", calls=9, output_tokens=1_000_000, training=True)
    assert unit_costs(made.con, context(), PERIOD).row("support")["calls"] == 800
    trained = unit_costs(made.con, context(), PERIOD, category="training").row("support")
    assert trained["per_million_tokens"] == Decimal("1899.9600")
    made.con.execute("DELETE FROM usage_cells")
    assert unit_costs(made.con, context(), PERIOD).row("All inference")["per_million_tokens"] is None


def s11() -> Company:
    made = Company()
    direct = {"acme": 64_020, "birch": 51_275, "cedar": 9_605, "dune": 1_240}
    overhead = {"acme": 16_875, "birch": 11_250, "cedar": 1_875}
    made.pool(
        "inference",
        [Claim("assist", 126_140, cells={(c, 1, "unallocated"): m * CENT for c, m in direct.items()})],
    )
    shared = {(c, -1, "unallocated"): m * CENT for c, m in overhead.items()}
    made.pool("overhead", [Claim("assist", 30_000, "shared", cells=shared)], category="overhead")
    for customer, revenue, requests in (
        ("acme", "2000", "9000"),
        ("birch", "500", "6000"),
        ("cedar", "1200", "1000"),
        ("dune", "0", "0"),
    ):
        made.meter("revenue", "", revenue, "USD", tags={"customer": customer})
        made.meter("requests", customer, requests, "requests")
    return made


def test_s11_customer_margin() -> None:
    table = margins(s11().con, context(), PERIOD)
    assert table.column("customer") == ["birch", "acme", "cedar", "dune"]
    birch = table.row("birch")
    assert (birch["direct"], birch["shared"], birch["cost"]) == (51_275, 11_250, 62_525)
    assert (birch["margin"], birch["margin_percent"]) == (-12_525, Decimal("-25.05"))
    assert table.row("acme")["margin_percent"] == Decimal("59.55")
    assert table.row("cedar")["margin_percent"] == Decimal("90.43")
    assert table.row("dune")["margin_percent"] is None
    assert table.row("dune")["shared"] == 0
    total = table.row("All")
    assert (total["revenue"], total["cost"], total["margin"]) == (370_000, 156_140, 213_860)
    assert total["margin_percent"] == Decimal("57.80")
    per_thousand = [table.row(name)["per_1000_requests"] for name in ("birch", "cedar", "acme", "dune")]
    assert per_thousand == [Decimal("104.21"), Decimal("114.80"), Decimal("89.88"), None]


def test_no_margin_comes_last_in_both_directions() -> None:
    table = margins(s11().con, context(), PERIOD)
    assert table.column("customer") == ["birch", "acme", "cedar", "dune"]
    table = ordered(table, "margin_percent", descending=True)
    assert table.column("customer") == ["cedar", "acme", "birch", "dune"]


def test_revenue_in_another_currency_is_not_available() -> None:
    made = s11()
    made.meter("revenue", "", "10", "EUR", tags={"customer": "cedar"})
    table = margins(made.con, context(), PERIOD)
    assert table.row("cedar")["margin"] is None
    assert table.row("All")["margin"] is None


def s08() -> Company:
    made = Company()
    active = datetime(2026, 11, 25, tzinfo=UTC).replace(tzinfo=None)
    first, last = date(2026, 11, 1), date(2026, 12, 1)
    for number in range(21):
        seat(made, f"s{number}", f"p{number}", first, last, last_active_at=active)
    seat(made, "moved", "p21", first, date(2026, 11, 16))
    seat(made, "moved", "p21", date(2026, 11, 16), last, last_active_at=active)
    for number in range(3):
        seat(made, f"idle{number}", None, first, last)
    seat(made, "late", "p30", date(2026, 11, 20), last, last_active_at=active)
    return made


def test_s08_seats() -> None:
    row = seats(s08().con, context(), PERIOD).row("assistant")
    assert (row["seats"], row["used"], row["idle"], row["joined_later"]) == (25, 22, 3, 1)
    assert row["utilisation"] == Decimal("88.00")
    assert (row["cost"], row["per_active_user"]) == (97_500, Decimal("44.32"))


def test_seats_without_activity_data_are_not_all_active() -> None:
    made = Company()
    seat(made, "a", "p", date(2026, 11, 1), date(2026, 12, 1), price=None)
    row = seats(made.con, context(), PERIOD).row("assistant")
    assert (row["used"], row["utilisation"], row["per_active_user"], row["cost"]) == (None, None, None, None)


def s10(policy: str) -> Company:
    made = Company()
    for team, used, reserved in (("a", "2304", 2_880), ("b", "1152", 2_160), ("c", "576", 720)):
        made.meter(
            "gpu_hours",
            "node",
            used,
            "GPU-hours",
            capacity_micro=5_760 * 10**6,
            reservation_micro=reserved * 10**6,
            tags={"team": team},
        )
    claims = [Claim("a", 691_200, "shared"), Claim("platform", 1_036_800, "shared", role="idle")]
    if policy == "spread":
        claims = [Claim("a", 987_429, "shared"), Claim("b", 740_571, "shared")]
    made.pool("gpu", claims, method="proportional", basis="gpu_hours")
    return made


@pytest.mark.parametrize("policy", ["separate", "spread"])
def test_s10_idle_is_shown_whatever_the_policy(policy: str) -> None:
    made = s10(policy)
    row = capacity(made.con, context(), PERIOD).row("gpu_hours")
    assert row["utilisation"] == Decimal("70.00")
    assert (row["cost"], row["idle_cost"]) == (1_728_000, 518_400)
    assert row["per_used_unit"] == Decimal("4.2857")
    table = reservations(made.con, context(), PERIOD)
    assert table.row("c")["efficiency"] == Decimal("80.00")
    assert table.row("c")["borrowed"] == Decimal("0.0")
    assert table.row("b")["unused"] == Decimal("1008.0")
