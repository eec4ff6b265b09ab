"""What holds for every scenario alike: a clean check, conservation, and runs that can be repeated."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import FOLDER, NOVEMBER, added

PERIODS = {"s18/no_fallback": "2026-12"}
# Their input is wrong on purpose, or leaves money without an owner that a warning speaks of.
WITH_ERRORS = {"s06/missing_rate"}
FOLDERS = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("apportion.yaml"))
# What stays in a named account and in nobody's statement.
ACCOUNTS = ("prepaid", "tax_account")


@pytest.mark.parametrize("name", FOLDERS)
def test_check_finds_no_error(scenario: Opened, name: str) -> None:
    scenario(name).check(code=3 if name in WITH_ERRORS else 0)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_certificate_is_ok(scenario: Opened, name: str) -> None:
    assert scenario(name).certificate(PERIODS.get(name, NOVEMBER))["ok"] is True


@pytest.mark.parametrize("name", FOLDERS)
def test_invoices_are_statements_and_named_accounts(scenario: Opened, name: str) -> None:
    project, period = scenario(name), PERIODS.get(name, NOVEMBER)
    owed = added(project.owed(period).values())
    if project.pools(period).where(status="estimate"):
        owed -= added(pool["amount"] for pool in project.pools(period).where(status="estimate"))
    invoices = [row for row in project.table("invoices", period).rows if row["invoice"] is not None]
    kept = sum((added(row[account] or "0" for account in ACCOUNTS) for row in invoices), Decimal(0))
    assert added(row["invoice"] for row in invoices) == owed + kept


@pytest.mark.parametrize("name", ["s01", "s03/variance_to_central", "s08/seat_price", "s10/by_reservation"])
def test_a_second_run_changes_nothing(fresh: Opened, name: str) -> None:
    project = fresh(name)
    project.run()
    before = [project.owed(), project.pools().rows, project.claims()]
    project.run()
    assert [project.owed(), project.pools().rows, project.claims()] == before
