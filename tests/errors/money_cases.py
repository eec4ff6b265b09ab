"""Scope, prices and allocation: what a rule or a price lacks, each with its money."""

from __future__ import annotations

from tests.errors.case import Case, doubt
from tests.errors.folder import CALLS, bill, call, charge, settings, usage

_CODES = """directory:
  - {name: teams, type: lookup, path: "teams.csv"}
  - {name: codes, type: codes, path: "codes.csv"}
"""
_CENTRES = settings(_CODES).replace(
    "{team: [{tag: team}]}",
    "{team: [{tag: team}], cost_center: [{lookup: {key: team, in: teams, take: cost_center}}]}",
)
_HEADCOUNT = """allocate:
  - {{name: heads, when: "billed_cost != 0", method: {}}}
"""
_GPU = 'meters: [{name: gpu_hours, path: "gpu.csv", unit: GPU-Hours}]\n'
_HOURS = "item,day,team,quantity\ng,2026-10-01,search,3\n"
_SEATS = 'seats: [{name: copilot, path: "seats.csv"}]\n'
_PRICED = CALLS + 'prices: {overrides: "prices.yaml"}\n'
_PRICES = "prices:\n  - {provider: openai, model: gpt-9, from: 2026-01-01, source: page, checked: 2026-01-01"
_COPILOT = charge("39.00", service="GitHub Copilot", issuer="GitHub", team=None)


def _price(entry: str, at: str, *says: str, cure: str = "") -> Case:
    files = {"apportion.yaml": settings(_PRICED), "usage/a.csv": usage(call()), "prices.yaml": entry}
    return Case(files, f"prices.yaml{at}", says, cure=cure)


def _ruled(rule: str, more: str = "") -> str:
    return settings(more, allocate=_HEADCOUNT.format(rule))


MONEY: dict[str, Case] = {
    "unknown-code": Case(
        {
            "apportion.yaml": _CENTRES,
            "teams.csv": "team,cost_center\nsearch,CC-201\n",
            "codes.csv": "code,entity\nCC-210,US\n",
        },
        "teams.csv: row 2",
        ("CC-201",),
        money="100.00 USD",
        cure="valid code",
    ),
    "expired-code": Case(
        {
            "apportion.yaml": _CENTRES,
            "teams.csv": "team,cost_center\nsearch,CC-210\n",
            "codes.csv": "code,entity,valid_from,valid_to\nCC-210,US,2026-01-01,2026-11-01\n",
        },
        "teams.csv: row 2",
        ("CC-210", "2026-11-01"),
        money="100.00 USD",
        cure="CC-210",
    ),
    "charge-unclassified": doubt(
        {
            "apportion.yaml": settings("scope: {include: [\"service_name = 'Acme Brain'\"]}\n"),
            "bills/b.csv": bill(charge("12.50", service="Acme Brain", issuer="Acme")),
        },
        ("Acme Brain", "1 charge"),
        money="12.50 USD",
        at="bills/b.csv: row 2",
    ),
    "credit-out-of-scope": doubt(
        {
            "bills/b.csv": bill(
                charge("70.00", invoice="I-2", issuer="AWS", service="Amazon Bedrock"),
                charge("30.00", invoice="I-2", issuer="AWS", service="Amazon Simple Storage Service"),
                charge("-5.00", invoice="I-2", issuer="AWS", service="", category="Credit"),
            )
        },
        ("I-2", "1 charge", "redit", "1 of the 2 other charges"),
        money="5.00 USD",
        at="bills/b.csv: row 4",
    ),
    "gpu-left-out": Case(
        {
            "apportion.yaml": settings("scope: {exclude: [\"service_name = 'EC2'\"]}\n"),
            "bills/b.csv": "BilledCost,BillingCurrency,BillingPeriodStart,ProviderName,ServiceName,ChargeDescription\n"
            "17280.00,USD,2026-11-01,AWS,EC2,$1.624 per On Demand Linux g5.4xlarge Instance Hour\n",
        },
        "bills/b.csv: row 2",
        ("g5.4xlarge", "scope.exclude[1]"),
        money="17,280.00 USD",
        cure="scope.exclude[1]",
    ),
    "method-unfit": doubt(
        {
            "apportion.yaml": _ruled("proportional, meter: tokens", CALLS),
            "usage/a.csv": usage(call()),
            "bills/a.csv": bill(_COPILOT),
        },
        ("heads", "licences by tokens"),
        money="39.00 USD",
    ),
    "no-rule": doubt(
        {"apportion.yaml": settings(allocate="")},
        ("2026-11",),
        money="100.00 USD",
    ),
    "no-weights": doubt(
        {"apportion.yaml": _ruled("proportional, meter: gpu_hours", _GPU), "gpu.csv": _HOURS},
        ("heads", "2026-11"),
        money="100.00 USD",
    ),
    "fallback-used": doubt(
        {
            "apportion.yaml": _ruled("proportional, meter: gpu_hours, fallback: {even: [ads, search]}", _GPU),
            "gpu.csv": _HOURS,
        },
        ("heads", "2026-11"),
        money="100.00 USD",
    ),
    "no-activity-data": doubt(
        {
            "apportion.yaml": _ruled("seats, weight: active_users", _SEATS),
            "seats.csv": "tool,seat_id,assigned_to,team,price,valid_from,valid_to\n"
            "copilot,s-1,u-1,search,39.00,2026-11-01,2026-12-01\n",
            "bills/a.csv": bill(_COPILOT),
        },
        ("heads", "last_active_at"),
        money="39.00 USD",
    ),
    "empty-period": Case(
        {}, "", ("2020-01", "there is 2026-11"), words=("run", "--period", "2020-01"), cure="one of these periods"
    ),
    "missing-rate": Case(
        {"bills/b.csv": bill(charge("55.00", currency="EUR", invoice="E-1"))},
        "bills/b.csv: row 2",
        ("E-1", "EUR", "USD", "2026-11"),
        money="55.00 EUR",
        cure="Add the EUR rate for 2026-11",
    ),
    "rule-matches-nothing": Case(
        {
            "apportion.yaml": settings()
            + "  - {name: pilot, when: \"service_name = 'Github Copilot'\", method: even, among: [a]}\n"
        },
        "apportion.yaml:7",
        ("pilot", "service_name = 'Github Copilot'"),
        money="0.00 USD",
        cure="condition",
    ),
    "unpriced-usage": doubt(
        {
            "apportion.yaml": settings(CALLS, allocate=_HEADCOUNT.format("direct")),
            "usage/a.csv": usage(call("5678", model="gpt-99")),
        },
        ("1 call with 5,678 tokens", "gpt-99"),
    ),
    "unpriced-estimate": doubt(
        {"apportion.yaml": settings(CALLS), "usage/a.csv": usage(call("5678", provider="mistral_ai", model="gpt-99"))},
        ("5,678 tokens", "gpt-99", "2026-11"),
        money="unknown",
    ),
    "prices-key": _price(_PRICES + ", inptu: 1.00}\n", ":2:", "inptu", cure="input"),
    "prices-number": _price(_PRICES + ", input: $2.50}\n", ":2:", "$2.50"),
    "prices-missing": _price(_PRICES + "}\n", ":2:", "price"),
    "prices-date": _price(_PRICES + ", to: 2026-01-01, input: 1.00}\n", ":2:", "2026-01-01"),
    "prices-overlap": _price(
        _PRICES + ", input: 1.00}\n" + _PRICES.removeprefix("prices:\n") + ", input: 2.00}\n",
        ":3",
        "line 2",
        "gpt-9",
        cure="end the older entry",
    ),
    "prices-currency": _price(_PRICES + ", currency: EUR, input: 1.00}\n", ":2:", "EUR", "USD", cure="convert"),
    "prices-unreadable": _price("prices: [\n", ":2", "not valid YAML"),
}
