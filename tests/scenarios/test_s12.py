"""S12: a credit and a tax on one invoice."""

from __future__ import annotations

from decimal import Decimal

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Cell, Project, added

PARTS = ("credits", "tax", "total")


def parts(project: Project, owner: str) -> tuple[Cell, ...]:
    row = project.statement().row(owner)
    usage = sum((added([row[name]]) for name in ("direct", "rule", "shared") if row.get(name)), Decimal(0))
    return (f"{usage:.2f}", *(row.get(name, "0.00") for name in PARTS))


def test_the_credit_goes_pro_rata_and_the_tax_by_the_net(scenario: Opened) -> None:
    project = scenario("s12/pro_rata")
    assert parts(project, "a") == ("2500.00", "-625.00", "154.69", "2029.69")
    assert parts(project, "b") == ("1500.00", "-375.00", "92.81", "1217.81")
    assert project.owed() == {"a": "2029.69", "b": "1217.81"}
    total = project.statement()
    assert [total.all_total(name) for name in PARTS] == ["-1000.00", "247.50", "3247.50"]


def test_the_invoice_is_its_printed_total(scenario: Opened) -> None:
    for name in ("s12/pro_rata", "s12/credit_bank"):
        (invoice,) = scenario(name).table("invoices").rows
        assert invoice["invoice"] == "3247.50"


def test_a_credit_bank_and_a_tax_account(scenario: Opened) -> None:
    project = scenario("s12/credit_bank")
    assert project.owed() == {"a": "2500.00", "b": "1500.00", "central": "-1000.00"}
    assert project.statement().all_total("total") == "3000.00"
    (invoice,) = project.table("invoices").rows
    assert invoice["tax_account"] == "247.50"


def test_the_credit_does_not_lower_the_unit_cost(scenario: Opened) -> None:
    for name in ("s12/pro_rata", "s12/credit_bank"):
        table = scenario(name).table("unit-costs")
        # 4,000.00 before credits over 4 million tokens; the net with tax would be 811.88.
        assert added([table.all_total("per_million_tokens")]) == Decimal("1000.00")
        assert "before credits" in table.title


def test_a_credit_larger_than_the_usage_is_a_credit_note(scenario: Opened) -> None:
    project = scenario("s12/credit_note")
    assert parts(project, "a") == ("120.00", "-180.00", "0.00", "-60.00")
    assert parts(project, "b") == ("80.00", "-120.00", "0.00", "-40.00")
    assert project.owed() == {"a": "-60.00", "b": "-40.00"}
    assert project.statement().all_total("total") == "-100.00"
    assert "credit note" in " ".join(project.statement().notes).lower()
