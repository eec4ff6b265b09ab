"""D12: idle = max(0, capacity - used); quantities are whole micro-units; a used seat was active in the period.

Ruled out: idle is negative where more was used than there was; quantities pass through floating point; a seat
without activity data counts as active; activity outside `active_days`, or outside the period, makes a seat used.
"""

from __future__ import annotations

import pytest

from tests.decisions.company import TEAM, charge
from tests.decisions.conftest import Make

GPU = """
meters: [{name: gpu, path: gpu.csv, unit: GPU-Hours}]
dimensions: {team: [{tag: team}]}
allocate: [{name: gpu, when: "provider = 'pelion'", method: proportional, meter: gpu, idle: IDLE}]
"""
METER = (
    "day,day_end,team,quantity,capacity,reservation\n"
    "2026-11-01,2026-12-01,a,{a},{capacity},{ra}\n"
    "2026-11-01,2026-12-01,b,{b},,{rb}\n"
)


@pytest.mark.parametrize("idle", ["{to: idle}", "separate", "spread"])
def test_more_use_than_capacity_has_no_idle(company: Make, idle: str) -> None:
    meter = METER.format(a=90, b=30, capacity=100, ra="", rb="")
    found = company(GPU.replace("IDLE", idle), [charge("120.00")], files={"gpu.csv": meter}).run()
    assert found.owed() == {"a": "90.00", "b": "30.00"}


def test_own_idle_is_never_negative(company: Make) -> None:
    """Team a used 60 of 40 reserved, b 10 of 60: b's own idle is 50, a's none; 120 weighs, not 100."""
    meter = METER.format(a=60, b=10, capacity=100, ra=40, rb=60)
    found = company(GPU.replace("IDLE", "by_reservation"), [charge("100.00")], files={"gpu.csv": meter}).run()
    idle = {row["owner"]: row["weight"] for row in found.table("claims") if row["role"] == "own_idle"}
    assert idle == {"b": "50000000"}
    assert all(not amount.startswith("-") for amount in found.owed().values())


def test_decimals_become_micro_units(company: Make) -> None:
    meter = METER.format(a="0.1", b="0.2", capacity="0.300001", ra="", rb="")
    found = company(GPU.replace("IDLE", "{to: idle}"), [charge("300.00")], files={"gpu.csv": meter}).run()
    weights = {row["owner"]: row["weight"] for row in found.table("claims")}
    assert weights == {"a": "100000", "b": "200000", "idle": "1"}


CHAT = """
policies: {active_days: 10}
seats: [{name: chat, path: seats.csv}]
""" + TEAM + """
allocate: [{name: chat, when: "provider = 'pelion'", method: seats, weight: active_users, fallback: {to: nobody}}]
"""  # fmt: skip
SEATS = "seat_id,assigned_to,team,price,last_active_at\n"


def test_used_means_active_within_the_days_inside_the_period(company: Make) -> None:
    """The last ten days of November begin on the 21st."""
    seats = SEATS + (
        "s-1,p,first,10.00,2026-11-21T00:00:00Z\n"
        "s-2,q,late,10.00,2026-11-30T23:59:59Z\n"
        "s-3,r,early,10.00,2026-11-20T23:59:59Z\n"
        "s-4,s,before,10.00,2026-10-31T23:59:59Z\n"
        "s-5,t,never,10.00,\n"
        "s-6,,unassigned,10.00,2026-11-25T00:00:00Z\n"
    )
    found = company(CHAT, [charge("60.00")], files={"seats.csv": seats}).run()
    assert found.owed() == {"first": "30.00", "late": "30.00"}


def test_without_activity_data_use_is_not_available(company: Make) -> None:
    seats = SEATS + "s-1,p,a,10.00,\ns-2,q,b,10.00,\n"
    found = company(CHAT, [charge("60.00")], files={"seats.csv": seats}).run()
    (row,) = found.table("seats")
    assert (row["used"], row["idle"], row["utilisation"], row["per_active_user"]) == ("n/a", "n/a", "n/a", "n/a")
    assert found.owed() == {"nobody": "60.00"}, "seats without activity were taken for active"
    assert "no-activity-data" in found.slugs()
