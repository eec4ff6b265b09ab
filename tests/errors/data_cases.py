"""Rows that cannot be read, each set aside with file, row, reason and amount, and what directories disagree about."""

from __future__ import annotations

from tests.errors.case import Case, doubt
from tests.errors.folder import CALLS, USAGE_HEAD, bill, call, charge, settings, usage

_GOOGLE = "{billed_cost: cost, billing_currency: currency, charge_period_start: usage_start_time}"
_FX = 'fx: {path: "fx.csv"}\n'
_GPU = 'meters: [{name: gpu_hours, path: "gpu.csv", unit: GPU-Hours}]\n'
_PEOPLE = 'directory: [{name: people, type: roster, path: "people.csv"}]\n'
_REVENUE = 'meters: [{name: revenue, path: "revenue.csv", unit: USD}]\n'


def _row(row: str, *says: str, money: str = "", cure: str = "") -> Case:
    """A bill whose second row cannot be read."""
    return Case({"bills/b.csv": bill(charge("1.00"), row)}, "bills/b.csv: row 3", says, money, cure=cure)


def _call(row: str, *says: str, cure: str = "", more: str = "") -> Case:
    """A usage file whose second row cannot be read."""
    files = {"apportion.yaml": settings(CALLS.replace("}]", more + "}]")), "usage/a.csv": usage(call(), row)}
    return Case(files, "usage/a.csv: row 3", says, cure=cure)


DATA: dict[str, Case] = {
    "number-unreadable": _row(
        charge("1.234,50").replace("1.234,50", '"1,234.50"'),
        "billed_cost is '1,234.50'",
        "no number",
        money="unknown: no amount can be read",
        cure="1234.50",
    ),
    "number-too-precise": Case(
        {"apportion.yaml": settings(_FX), "fx.csv": "currency,period,rate\nEUR,2026-11,1.0000000001\n"},
        "fx.csv: row 2",
        ("rate is 1.0000000001", "9 decimals"),
        cure="9 of an exchange rate",
    ),
    "credits-unreadable": doubt(
        {
            "apportion.yaml": settings().replace('"bills/*"}', f'"bills/*", columns: {_GOOGLE}}}'),
            "bills/a.csv": "usage_start_time,cost,currency,credits\n2026-11-03,1.00,USD,\n"
            "2026-11-04,2.00,USD,promotion of 1\n",
        },
        ("1 row has credits that are no JSON list",),
        "unknown: no amount can be read",
        at="bills/a.csv: row 3",
    ),
    "cost-rounded": doubt(
        {"bills/b.csv": bill(charge("1.00"), charge("1.1943548196000002e-05"))},
        ("source 'focus'", "1 row has a cost of more than 18 decimals"),
        "less than 0.000000000000000001 a row",
        at="bills/b.csv: row 3",
    ),
    "amount-missing": _row(charge(""), "billed_cost is empty", money="unknown", cure="fill the column"),
    "amount-too-large": _row(charge("99999999999"), "99999999999", money="99,999,999,999.00 USD", cure="9,223,372,036"),
    "currency-unknown": _row(
        charge("55.00", currency="usd"), "billing_currency is 'usd'", money="55.00", cure="in capitals, such as USD"
    ),
    "date-unreadable": _row(
        charge("55.00", day="11/04/2026"),
        "billing_period_start is '11/04/2026'",
        money="55.00 USD",
        cure="date_format",
    ),
    "period-missing": _row(
        charge("55.00", day=""), "billing_period_start", money="55.00 USD", cure="billing_period_start"
    ),
    "period-reversed": Case(
        {
            "bills/b.csv": "BilledCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd\n"
            "55.00,USD,2026-11-01,2026-11-05,2026-11-01\n"
        },
        "bills/b.csv: row 2",
        ("2026-11-05", "2026-11-01"),
        money="55.00 USD",
        cure="write the start before the end",
    ),
    "negative-weight": Case(
        {"apportion.yaml": settings(_GPU), "gpu.csv": "item,day,team,quantity\ng,2026-11-01,search,-3\n"},
        "gpu.csv: row 2",
        ("-3",),
        cure="never below zero",
    ),
    "policy-unknown": Case(
        {"apportion.yaml": settings(_FX), "fx.csv": "currency,period,rate,policy\nEUR,2026-11,1.09,spot\n"},
        "fx.csv: row 2",
        ("spot",),
        cure="month_average or invoice_date",
    ),
    "key-missing": Case(
        {"apportion.yaml": settings(_PEOPLE), "people.csv": "person,team\nu-1,search\n,ads\n"},
        "people.csv: row 3",
        ("person",),
        cure="delete the row",
    ),
    "overlapping-rows": Case(
        {
            "apportion.yaml": settings(_PEOPLE),
            "people.csv": "person,team,valid_from,valid_to\nu-1,search,2026-01-01,\nu-1,ads,2026-11-01,\n",
        },
        "people.csv: row 3",
        ("'u-1'", "row 3", "row 2", "2026-11-01", "2026-01-01", "overlap"),
        cure="end the earlier row",
    ),
    "tags-unreadable": doubt(
        {"bills/b.csv": bill(charge("1.00"), charge("2.00", team=None).replace("Usage,", "Usage,team=ads"))},
        ("1 row", "'bills/b.csv'", "JSON object"),
        at="bills/b.csv: row 3",
    ),
    "measure-unreadable": doubt(
        {"bills/b.csv": "BilledCost,BillingCurrency,BillingPeriodStart,ConsumedQuantity\n1.00,USD,2026-11-01,many\n"},
        ("consumed_quantity (1 row", "'bills/b.csv'"),
        at="bills/b.csv",
    ),
    "meter-below-zero": doubt(
        {"apportion.yaml": settings(_REVENUE), "revenue.csv": "item,day,customer,quantity\na,2026-11-01,birch,-500\n"},
        ("'revenue'", "1 row"),
        at="revenue.csv: row 2",
    ),
    "tokens-missing": _call(call("").replace(",,0,", ",,,"), "no token counts", cure="write 0 where a call used none"),
    "tokens-impossible": Case(
        {
            "apportion.yaml": settings(CALLS.replace("}]", ", tokens: inclusive}]")),
            "usage/a.csv": USAGE_HEAD.replace("uncached_input_tokens", "input_tokens,cache_read_tokens")
            + call("100,800"),
        },
        "usage/a.csv: row 2",
        ("cached tokens are more than the input",),
        cure="tokens: exclusive",
    ),
}
