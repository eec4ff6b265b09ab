"""S10: a shared GPU node that stands idle for 30 % of its time."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project, added


def by_role(project: Project, *roles: str) -> dict[object, object]:
    """Amounts by owner; the row of the capacity names nobody, and nobody's share of the use is 0.00."""
    amounts = {claim["owner"]: claim["amount"] for claim in project.claims() if claim["role"] in roles}
    return {owner: amount for owner, amount in amounts.items() if (owner, amount) != ("unallocated", "0.00")}


def test_separate(scenario: Opened) -> None:
    project = scenario("s10/separate")
    assert project.owed() == {"a": "6912.00", "b": "3456.00", "c": "1728.00", "platform": "5184.00"}
    assert by_role(project, "idle") == {"platform": "5184.00"}


def test_spread_by_usage(scenario: Opened) -> None:
    owed = scenario("s10/spread").owed()
    assert owed.pop("platform", "0.00") == "0.00"
    assert owed == {"a": "9874.29", "b": "4937.14", "c": "2468.57"}


def test_by_reservation(scenario: Opened) -> None:
    project = scenario("s10/by_reservation")
    owed = project.owed()
    assert owed.pop("platform", "0.00") == "0.00"
    assert owed == {"a": "8640.00", "b": "6480.00", "c": "2160.00"}
    assert by_role(project, "own_idle") == {"a": "1728.00", "b": "3024.00", "c": "432.00"}
    assert by_role(project, "use") == {"a": "6912.00", "b": "3456.00", "c": "1728.00"}


@pytest.mark.parametrize("name", ["s10/separate", "s10/spread", "s10/by_reservation"])
def test_idle_time_is_never_hidden(scenario: Opened, name: str) -> None:
    project = scenario(name)
    assert project.statement().all_total("total") == "17280.00"
    (node,) = project.table("gpus").rows
    assert [added([node[key]]) for key in ("capacity", "used", "idle")] == [5760, 4032, 1728]
    assert (node["utilisation"], node["idle_cost"]) == ("70.00", "5184.00")
    assert node["per_used_unit"] == "4.2857"


def test_a_change_of_policy_holds_from_its_date(fresh: Opened) -> None:
    project = fresh("s10/separate")
    config = (project.folder / "apportion.yaml").read_text(encoding="utf-8")
    (rule,) = [line for line in config.splitlines() if "name: gpu-pool" in line]
    first = rule.replace("method:", "version: 1, to: 2026-12-01, method:")
    second = rule.replace("method:", "version: 2, from: 2026-12-01, method:")
    second = second.replace("{to: platform}", "spread")
    project.edit("apportion.yaml", rule, f"{first}\n{second}")
    assert project.owed() == {"a": "6912.00", "b": "3456.00", "c": "1728.00", "platform": "5184.00"}
    assert project.pool()["version"] == 1
    project.edit("apportion.yaml", "to: 2026-12-01", "to: 2026-11-01")
    project.edit("apportion.yaml", "from: 2026-12-01", "from: 2026-11-01")
    assert project.owed() == {"a": "9874.29", "b": "4937.14", "c": "2468.57"}
    assert project.pool()["version"] == 2


def test_how_well_each_reservation_is_used(scenario: Opened) -> None:
    efficiency = scenario("s10/by_reservation").table("reservations").column("efficiency")
    assert efficiency["c"] == "80.00"


def test_usage_above_the_reservation_is_no_negative_idle(fresh: Opened) -> None:
    project = fresh("s10/by_reservation")
    # c uses 800 of its 720 reserved GPU-hours: it has borrowed 80 and has no idle time of its own.
    project.edit("meters/gpu_hours.csv", ",c,576,", ",c,800,")
    assert project.statement().all_total("total") == "17280.00"
    assert all(added([claim["amount"]]) >= 0 and int(str(claim["weight"])) >= 0 for claim in project.claims())
    assert added([by_role(project, "own_idle").get("c", "0.00")]) == 0  # type: ignore[list-item]
    borrowed = project.table("reservations").row("c")
    assert [added([borrowed[name]]) for name in ("unused", "borrowed")] == [0, 80]
