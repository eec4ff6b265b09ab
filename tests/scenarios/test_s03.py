"""S03: the gateway's total is not the provider's invoice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project, added

METERED = {"alpha": Decimal("5120.11"), "beta": Decimal("2880.06"), "gamma": Decimal("1412.20")}


def test_scaled_to_the_invoice(scenario: Opened) -> None:
    assert scenario("s03/scale_to_invoice").owed() == {
        "alpha": "5243.94",
        "beta": "2949.71",
        "gamma": "1446.35",
    }
    assert scenario("s03/scale_to_invoice").statement().all_total("total") == "9640.00"


def test_the_weights_are_what_was_metered(scenario: Opened) -> None:
    project = scenario("s03/scale_to_invoice")
    weights = {str(claim["owner"]): added([claim["weight"]]) for claim in project.claims(pool=project.pool())}
    metered = {team: weight * Decimal("9412.37") / sum(weights.values()) for team, weight in weights.items()}
    assert metered == METERED
    uplift = {team: added([owed]) - metered[team] for team, owed in project.owed().items()}
    assert uplift == {"alpha": Decimal("123.83"), "beta": Decimal("69.65"), "gamma": Decimal("34.15")}


def test_the_variance_to_a_central_owner(scenario: Opened) -> None:
    project = scenario("s03/variance_to_central")
    assert project.owed() == {
        "alpha": "5120.11",
        "beta": "2880.06",
        "gamma": "1412.20",
        "CC-900": "227.63",
    }
    assert project.statement().all_total("total") == "9640.00"
    assert project.divided(project.pool(kind="usage")) == METERED
    assert project.divided(project.pool(kind="variance")) == {"CC-900": Decimal("227.63")}


def compared(project: Project, *, code: int = 0) -> tuple[object, ...]:
    (row,) = project.reconcile(code=code).rows
    return tuple(row[name] for name in ("invoiced", "metered", "variance", "variance_percent"))


@pytest.mark.parametrize("name", ["s03/scale_to_invoice", "s03/variance_to_central"])
def test_a_variance_above_one_per_cent_warns(scenario: Opened, name: str) -> None:
    assert compared(scenario(name)) == ("9640.00", "9412.37", "227.63", "2.36")
    assert str(scenario(name).reconcile().rows[0]["status"]).startswith("warn")


def test_a_variance_above_five_per_cent_blocks(scenario: Opened) -> None:
    project = scenario("s03/blocked")
    assert compared(project, code=4) == ("10000.00", "9412.37", "587.63", "5.88")
    assert str(project.reconcile(code=4).rows[0]["status"]).startswith("block")
    assert project.statement().all_total("total") == "10000.00"


def test_the_thresholds_are_the_users(fresh: Opened) -> None:
    project = fresh("s03/blocked")
    project.edit("apportion.yaml", "{warn: 1, block: 5}", "{warn: 1, block: 6}")
    assert str(project.reconcile().rows[0]["status"]).startswith("warn")
