"""Companies of one bill that random ones led to: each once lost, mixed or refused money."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.laws.company import Company, Record
from tests.laws.published import Published, publish

A, B = {"team": "a"}, {"team": "b"}
HUB = (
    {"name": "fee", "when": "true", "method": "even", "among": ["a", {"pool": "hub"}]},
    {"name": "hub", "method": "even", "among": ["c", "d"]},
)
DIRECT = ({"name": "inference", "when": "category = 'inference'", "method": "direct"},)
FRANC = {"currency": "CHF", "period": "2026-11", "rate": "1.1"}


def _row(amount: str, tags: Mapping[str, str] | None = None, *, month: int = 11, **columns: str) -> Record:
    charge = columns.get("ChargeCategory", "Usage")
    return {
        "BillingAccountId": "acc",
        "BillingCurrency": "USD",
        "BillingPeriodStart": f"2026-{month}-01T00:00:00Z",
        "BillingPeriodEnd": f"2026-{month + 1}-01T00:00:00Z",
        "ChargePeriodStart": f"2026-{month}-01T00:00:00Z",
        "ChargePeriodEnd": f"2026-{month + 1}-01T00:00:00Z",
        "ChargeCategory": charge,
        "BilledCost": amount,
        "EffectiveCost": amount,
        "InvoiceId": "I-1",
        "InvoiceIssuerName": "OpenAI",
        "ProviderName": "OpenAI",
        "ServiceName": "OpenAI API",
        "ServiceCategory": "AI and Machine Learning",
        "ChargeDescription": "input tokens" if charge == "Usage" else charge,
        "x_Model": "gpt-5.4-mini" if charge == "Usage" else "",
        "Tags": json.dumps(tags or {}),
    } | columns


def _credit(amount: str, tags: Mapping[str, str] | None = None) -> Record:
    return _row(amount, tags, ChargeCategory="Credit")


def _tax(amount: str) -> Record:
    return _row(amount, ChargeCategory="Tax")


def _publish(
    *rows: Record,
    currency: str = "USD",
    rules: Sequence[Mapping[str, Any]] = DIRECT,
    rates: Sequence[Record] = (FRANC,),
    calls: Sequence[Record] = (),
) -> Published:
    settings = {
        "company": "Small",
        "currency": currency,
        "owner": "team",
        "bills": [{"name": "focus", "type": "focus", "path": "bills/*.csv"}],
        "usage": [{"name": "calls", "type": "usage", "path": "usage/*.jsonl", "tokens": "disjoint"}],
        "fx": {"path": "fx.csv"},
        "dimensions": {"team": [{"tag": "team"}, {"value": "v", "when": "tags.env = 'prod'"}]},
        "allocate": list(rules),
    }
    files = {"bills/a.csv": tuple(rows), "fx.csv": tuple(rates), "usage/calls.jsonl": tuple(calls)}
    return publish(Company(0, settings, files))


def _call(model: str, provider: str) -> Record:
    return {"called_at": "2026-11-05T00:00:00Z", "provider": provider, "model": model, "output_tokens": "1000000"}


def test_l1_p1_the_base_case_a_charge_its_credit_and_its_tax() -> None:
    owned = _publish(_row("10.00", A), _row("30.00", B), _credit("-4.00"), _tax("2.00")).owned
    assert owned == {"a": 950, "b": 2850}


def test_l5_p2_a_credit_note_undoes_that_invoice_owner_by_owner() -> None:
    owned = _publish(_row("-10.00", A), _row("-30.00", B), _credit("4.00"), _tax("-2.00")).owned
    assert owned == {"a": -950, "b": -2850}


def test_l1_one_invoice_number_in_two_currencies_is_converted_apart() -> None:
    euro = {"currency": "EUR", "period": "2026-11", "rate": "1.10"}
    found = _publish(_row("10.00", A), _row("20.00", B, BillingCurrency="EUR"), rates=(euro,))
    assert sum(invoice["ledger_minor"] for invoice in found.invoices) == 3200
    assert found.owned == {"a": 1000, "b": 2200}


def test_l1_an_owner_that_is_called_like_a_pool_keeps_its_cents() -> None:
    found = _publish(_row("10.00", {"team": "pool:x"}), _row("5.00", A))
    assert sum(found.owned.values()) == 1500
    assert sum(found.statements["team"].values()) == 1500
    assert found.owned["a"] == 500


def test_l8_a_tag_that_says_unallocated_is_no_owner() -> None:
    found = _publish(_row("10.00", {"team": "unallocated"}), _row("5.00", A))
    assert found.owned == {"unallocated": 1000, "a": 500}
    assert {claim["layer"] for claim in found.claims if claim["owner"] == "unallocated"} == {"unallocated"}


def test_l1_d10_a_ledger_of_small_units_takes_an_invoice_of_large_ones() -> None:
    for currency, rate, total in (("KRW", "1400", 14_014), ("IDR", "16000", 16_016_000)):
        rates = ({"currency": "USD", "period": "2026-11", "rate": rate},)
        found = _publish(_row("10.005", A), currency=currency, rates=rates)
        assert [invoice["ledger_minor"] for invoice in found.invoices] == [total]
        assert found.owned == {"a": total}


def test_l1_d13_tax_reaches_an_owner_that_has_money_but_no_usage() -> None:
    found = _publish(_row("10.00", A), _credit("3.00", B), _tax("1.30"))
    assert found.owned == {"a": 1100, "b": 330}


def test_l1_d2_an_invoice_number_that_comes_again_is_amortised_with_each_month() -> None:
    rule = {"name": "term", "when": "true", "method": "even", "among": ["a", "b"], "amortize": {"days": 61}}
    found = _publish(_row("90.00", month=10), _row("10.00"), rules=(rule,))
    # November's part: 90.00 x 30/61 of October's charge and 10.00 x 30/61 of its own, each by cumulative rounding.
    assert sum(found.owned.values()) == (9_000 - 4_574) + 492


def test_l1_d6_a_fed_pool_takes_credit_and_tax_with_it() -> None:
    assert _publish(_row("10.00"), _tax("1.00"), rules=HUB).owned == {"a": 550, "c": 275, "d": 275}
    assert _publish(_row("10.00"), _credit("-4.00"), rules=HUB).owned == {"a": 300, "c": 150, "d": 150}


def test_l2_l3_d4_a_bill_an_estimate_and_a_model_without_a_price_in_one_period() -> None:
    calls = (_call("claude-sonnet-5", "anthropic"), _call("mystery-9", "mistral_ai"))
    found = _publish(_row("10.00", A), calls=calls)
    status = {pool["provider"]: pool["status"] for pool in found.pools}
    assert status == {"openai": "final", "anthropic": "estimate"}
    assert found.owned["a"] == 1000
    assert found.owned["unallocated"] > 0
    assert "unpriced-estimate" in {problem.slug for problem in found.outcome.problems}


def test_l5_a_charge_and_its_refund_leave_nothing() -> None:
    found = _publish(
        _row("33.335", A, ChargePeriodStart="2026-11-03T00:00:00Z", ChargePeriodEnd="2026-11-04T00:00:00Z"),
        _row("-33.335", A, ChargePeriodStart="2026-11-05T00:00:00Z", ChargePeriodEnd="2026-11-06T00:00:00Z"),
    )
    assert not any(found.owned.values())
    assert not any(found.statements["team"].values())
