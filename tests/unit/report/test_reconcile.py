"""Billed against metered, and every invoice to its last cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apportion.report.reconcile import reconcile
from tests.unit.report.company import OPENAI, PERIOD, Claim, Company, context, larkspur


def s03(invoice: int, metered: str = "9412.37", **usage: object) -> Company:
    made = Company()
    made.invoice("P|1", ledger_minor=invoice, ai_minor=invoice)
    pool: dict[str, Any] = {"invoice_key": "P|1", "provider": "p", "billing_account_id": "a"}
    pool["usage"] = usage.get("price_state", "priced")
    made.pool("inference", [Claim("alpha", invoice)], **pool)
    picos = Decimal(metered).scaleb(12)
    made.usage("alpha", provider="p", billing_account_id="a", list_cost_picos=picos, **usage)
    return made


def test_s03_the_percentage_is_of_the_invoice() -> None:
    found = reconcile(s03(964_000).con, context(), PERIOD)
    row = found.tables[0].row("P 1")
    assert (row["invoiced"], row["metered"], row["variance"]) == (964_000, 941_237, 22_763)
    assert (row["variance_percent"], row["status"]) == (Decimal("2.36"), "warn")
    assert (found.worst, found.balanced) == ("warn", True)
    blocked = reconcile(s03(1_000_000).con, context(), PERIOD)
    assert blocked.tables[0].row("P 1")["variance_percent"] == Decimal("5.88")
    assert blocked.worst == "block"


@pytest.mark.parametrize(("metered", "status"), [("99", "ok"), ("98.99", "warn"), ("95", "warn"), ("94.99", "block")])
def test_a_limit_is_passed_only_above_it(metered: str, status: str) -> None:
    assert reconcile(s03(10_000, metered).con, context(), PERIOD).worst == status


def test_unpriced_usage_is_a_named_cause() -> None:
    found = reconcile(s03(10_000, "0", price_state="unpriced").con, context(), PERIOD)
    causes = {row[1]: row[2] for row in found.tables[1].rows}
    assert causes == {"unpriced usage": 10_000, "unexplained": 0}


def test_causes_add_up_to_invoice_minus_metered() -> None:
    found = reconcile(larkspur().con, context(), PERIOD)
    causes = [(row[0], row[1], row[2]) for row in found.tables[1].rows]
    assert causes == [
        ("AWS 8842", "not AI", 140_000),
        ("AWS 8842", "no usage", 50_000),
        ("AWS 8842", "prepaid", 10_000),
        ("AWS 8842", "unexplained", 0),
        ("OpenAI INV-1", "credits", -4_000),
        ("OpenAI INV-1", "tax", 2_000),
        ("OpenAI INV-1", "unexplained", 1_000),
    ]
    assert found.tables[1].total == ("Invoices minus metered", "", 58_000 + 200_000 - 59_000)
    assert found.tables[0].row("AWS 8842")["status"] == "no usage"


def test_two_invoices_of_one_account_share_its_meter_once() -> None:
    made = larkspur()
    made.invoice("OpenAI|INV-2", ledger_minor=60_000, ai_minor=60_000)
    pool: dict[str, Any] = {"invoice_key": "OpenAI|INV-2", "provider": "openai", "billing_account_id": "acct"}
    made.pool("more", [Claim("support", 60_000)], **pool)
    table = reconcile(made.con, context(), PERIOD).tables[0]
    assert table.row("OpenAI INV-1")["metered"] == 29_500
    assert table.row("OpenAI INV-2")["metered"] == 29_500


def test_a_bill_without_an_account_meets_all_accounts_of_its_provider() -> None:
    made = s03(964_000)
    made.con.execute("UPDATE pools SET billing_account_id = ''")
    made.usage("beta", provider="p", billing_account_id="b", list_cost_picos=Decimal(10**12))
    assert reconcile(made.con, context(), PERIOD).tables[0].row("P 1")["metered"] == 941_337


def test_usage_without_a_bill_is_an_estimate_and_no_variance() -> None:
    made = larkspur()
    made.pool("est", [Claim("support", 1_263)], status="estimate", provider="anthropic", invoice_key="estimate|o")
    made.invoice("estimate|o", ledger_minor=1_263, ai_minor=1_263, status="estimate")
    found = reconcile(made.con, context(), PERIOD)
    row = found.tables[0].row("anthropic: no bill yet (estimate)")
    assert (row["invoiced"], row["metered"], row["status"]) == (None, 1_263, "estimate")


def test_the_bridge_names_every_account_and_what_does_not_add_up() -> None:
    made = larkspur()
    bridge = reconcile(made.con, context(), PERIOD).tables[2]
    aws = bridge.row("AWS 8842")
    assert (aws["ledger"], aws["ai"], aws["not_ai"], aws["prepaid"]) == (200_000, 50_000, 140_000, 10_000)
    assert aws["adds_up"] == "yes"
    assert aws["printed"] is None
    assert not {"rounding", "currency", "tax_account"} & {c.name for c in bridge.columns}
    made.con.execute("UPDATE invoices SET ai_minor = ai_minor + 1 WHERE invoice_key = $key", {"key": OPENAI})
    broken = reconcile(made.con, context(), PERIOD)
    assert not broken.balanced
    assert broken.tables[2].row("OpenAI INV-1")["adds_up"] == "NO"


def test_an_invoice_that_is_not_converted_has_no_amount() -> None:
    made = Company()
    made.invoice("V|9", ledger_minor=None, ai_minor=None, billed_minor=123_456, currency="EUR", rate=None)
    row = reconcile(made.con, context(), PERIOD).tables[2].row("V 9")
    assert (row["rows"], row["ledger"], row["adds_up"]) == (Decimal("1234.56"), None, "not converted")


def test_a_month_without_invoices() -> None:
    found = reconcile(Company().con, context(), PERIOD)
    assert (found.worst, found.balanced) == ("ok", True)


@pytest.mark.parametrize(("state", "usage"), [("unpriced", "unpriced"), ("priced", "other")])
def test_usage_that_list_price_does_not_divide_is_not_compared_with_it(state: str, usage: str) -> None:
    """L3: nothing to compare with is n/a, and never a variance of the whole bill."""
    made = s03(10_000, "0", price_state=state)
    made.con.execute("UPDATE pools SET usage = ?", [usage])
    found = reconcile(made.con, context(), PERIOD)
    row = found.tables[0].row("P 1")
    assert (row["metered"], row["variance"], row["status"]) == (None, None, "not compared")
    assert found.tables[0].total == ("All invoices", 10_000, "", None, None, None, "")
    assert found.worst == "ok"
