"""Companies of one bill that random ones led to: each once lost, mixed or refused money."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.laws.company import Company, Record

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


def _company(
    *rows: Record,
    currency: str = "USD",
    rules: Sequence[Mapping[str, Any]] = DIRECT,
    rates: Sequence[Record] = (FRANC,),
    calls: Sequence[Record] = (),
) -> Company:
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
    return Company(0, settings, files)


def _call(model: str, provider: str) -> Record:
    return {"called_at": "2026-11-05T00:00:00Z", "provider": provider, "model": model, "output_tokens": "1000000"}


_EURO = {"currency": "EUR", "period": "2026-11", "rate": "1.10"}
_TERM = {"name": "term", "when": "true", "method": "even", "among": ["a", "b"], "amortize": {"days": 61}}


def _won(currency: str, rate: str) -> Company:
    rates = ({"currency": "USD", "period": "2026-11", "rate": rate},)
    return _company(_row("10.005", A), currency=currency, rates=rates)


COMPANIES: Mapping[str, Company] = {
    "base": _company(_row("10.00", A), _row("30.00", B), _credit("-4.00"), _tax("2.00")),
    "credit note": _company(_row("-10.00", A), _row("-30.00", B), _credit("4.00"), _tax("-2.00")),
    "two currencies": _company(_row("10.00", A), _row("20.00", B, BillingCurrency="EUR"), rates=(_EURO,)),
    "called like a pool": _company(_row("10.00", {"team": "pool:x"}), _row("5.00", A)),
    "says unallocated": _company(_row("10.00", {"team": "unallocated"}), _row("5.00", A)),
    "won": _won("KRW", "1400"),
    "rupiah": _won("IDR", "16000"),
    "tax without usage": _company(_row("10.00", A), _credit("3.00", B), _tax("1.30")),
    "amortised": _company(_row("90.00", month=10), _row("10.00"), rules=(_TERM,)),
    "fed tax": _company(_row("10.00"), _tax("1.00"), rules=HUB),
    "fed credit": _company(_row("10.00"), _credit("-4.00"), rules=HUB),
    "estimate": _company(
        _row("10.00", A), calls=(_call("claude-sonnet-5", "anthropic"), _call("mystery-9", "mistral_ai"))
    ),
    "refund": _company(
        _row("33.335", A, ChargePeriodStart="2026-11-03T00:00:00Z", ChargePeriodEnd="2026-11-04T00:00:00Z"),
        _row("-33.335", A, ChargePeriodStart="2026-11-05T00:00:00Z", ChargePeriodEnd="2026-11-06T00:00:00Z"),
    ),
}
