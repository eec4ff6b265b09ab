"""Small companies keep every cent where it belongs."""

from __future__ import annotations

import pytest

from tests.laws.published import publish
from tests.laws.small import COMPANIES


def test_l1_p1_the_base_case_a_charge_its_credit_and_its_tax() -> None:
    owned = publish(COMPANIES["base"]).owned
    assert owned == {"a": 950, "b": 2850}


def test_l5_p2_a_credit_note_undoes_that_invoice_owner_by_owner() -> None:
    owned = publish(COMPANIES["credit note"]).owned
    assert owned == {"a": -950, "b": -2850}


def test_l1_one_invoice_number_in_two_currencies_is_converted_apart() -> None:
    found = publish(COMPANIES["two currencies"])
    assert sum(invoice["ledger_minor"] for invoice in found.invoices) == 3200
    assert found.owned == {"a": 1000, "b": 2200}


def test_l1_an_owner_that_is_called_like_a_pool_keeps_its_cents() -> None:
    found = publish(COMPANIES["called like a pool"])
    assert sum(found.owned.values()) == 1500
    assert sum(found.statements["team"].values()) == 1500
    assert found.owned["a"] == 500


def test_l8_a_tag_that_says_unallocated_is_no_owner() -> None:
    found = publish(COMPANIES["says unallocated"])
    assert found.owned == {"unallocated": 1000, "a": 500}
    assert {claim["layer"] for claim in found.claims if claim["owner"] == "unallocated"} == {"unallocated"}


@pytest.mark.parametrize(("name", "total"), [("won", 14_014), ("rupiah", 16_016_000)])
def test_l1_d10_a_ledger_of_small_units_takes_an_invoice_of_large_ones(name: str, total: int) -> None:
    found = publish(COMPANIES[name])
    assert [invoice["ledger_minor"] for invoice in found.invoices] == [total]
    assert found.owned == {"a": total}


def test_l1_d13_tax_reaches_an_owner_that_has_money_but_no_usage() -> None:
    found = publish(COMPANIES["tax without usage"])
    assert found.owned == {"a": 1100, "b": 330}


def test_l1_d2_an_invoice_number_that_comes_again_is_amortised_with_each_month() -> None:
    found = publish(COMPANIES["amortised"])
    # November's part: 90.00 x 30/61 of October's charge and 10.00 x 30/61 of its own, each by cumulative rounding.
    assert sum(found.owned.values()) == (9_000 - 4_574) + 492


def test_l1_d6_a_fed_pool_takes_credit_and_tax_with_it() -> None:
    assert publish(COMPANIES["fed tax"]).owned == {"a": 550, "c": 275, "d": 275}
    assert publish(COMPANIES["fed credit"]).owned == {"a": 300, "c": 150, "d": 150}


def test_l2_l3_d4_a_bill_an_estimate_and_a_model_without_a_price_in_one_period() -> None:
    found = publish(COMPANIES["estimate"])
    status = {pool["provider"]: pool["status"] for pool in found.pools}
    assert status == {"openai": "final", "anthropic": "estimate"}
    assert found.owned["a"] == 1000
    assert found.owned["unallocated"] > 0
    assert "unpriced-estimate" in {problem.slug for problem in found.outcome.problems}


def test_l5_a_charge_and_its_refund_leave_nothing() -> None:
    found = publish(COMPANIES["refund"])
    assert not any(found.owned.values())
    assert not any(found.statements["team"].values())
