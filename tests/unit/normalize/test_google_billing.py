"""Google's billing export: credits are charges of their own, and a row says what kind it is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.unit.normalize.tables import connect, item, rows, run

HEAD = "service.description,sku.description,usage_start_time,cost,currency,credits,invoice.month,cost_type\n"
COLUMNS = {
    "billed_cost": "cost",
    "billing_currency": "currency",
    "billing_period_start": "invoice.month",
    "charge_period_start": "usage_start_time",
    "service_name": "service.description",
}


def credit(*amounts: str) -> str:
    """A list of credits as one field of a CSV file."""
    each = [f'{{""name"": ""CUD {n}"", ""amount"": {amount}, ""type"": ""X""}}' for n, amount in enumerate(amounts)]
    return '"[' + ", ".join(each) + ']"'


def test_credits_become_charges_to_the_last_digit(tmp_path: Path) -> None:
    con, given = connect(), credit("-1.100000000000000001", "-0.4", "0")
    text = (
        HEAD
        + f"Vertex AI,Tokens,2026-10-31 23:00:00 UTC,10.5,USD,{given},202611,regular\n"
        + "Vertex AI,VAT,2026-11-03,2.00,USD,[],202611,tax\n"
        + "Vertex AI,Round,2026-11-03,0.01,USD,,202611,rounding_error\n"
    )
    said = {"columns": COLUMNS, "constants": {"provider_name": "Google Cloud", "date_format": "%Y%m"}}
    done = run(con, [item(tmp_path, "charges", "a.csv", text)], **said)
    assert done.problems == ()
    found = rows(
        con,
        "SELECT charge_id, billed_cost, charge_category, charge_description, period, service_name FROM charges"
        " ORDER BY charge_id",
    )
    assert found == [
        ("a.csv:2", Decimal("10.5"), "Usage", None, "2026-11", "Vertex AI"),
        ("a.csv:2/credit 1", Decimal("-1.100000000000000001"), "Credit", "CUD 0", "2026-11", "Vertex AI"),
        ("a.csv:2/credit 2", Decimal("-0.4"), "Credit", "CUD 1", "2026-11", "Vertex AI"),
        ("a.csv:3", Decimal("2.00"), "Tax", None, "2026-11", "Vertex AI"),
        ("a.csv:4", Decimal("0.01"), "Adjustment", None, "2026-11", "Vertex AI"),
    ]
    (control,) = done.control
    assert (control.rows_in, control.rows_out) == (5, 5)


def test_a_net_column_has_its_credits_already(tmp_path: Path) -> None:
    con = connect()
    text = HEAD.replace("\n", ",net\n") + f"Vertex AI,Tokens,2026-11-03,10.5,USD,{credit('-1')},202611,regular,9.5\n"
    said = {"columns": {**COLUMNS, "billed_cost": "net"}, "constants": {"date_format": "%Y%m"}}
    run(con, [item(tmp_path, "charges", "a.csv", text)], **said)
    assert rows(con, "SELECT billed_cost FROM charges") == [(Decimal("9.5"),)]


def test_credits_in_other_bills_are_a_column_like_any(tmp_path: Path) -> None:
    con = connect()
    text = f"BilledCost,BillingCurrency,ChargePeriodStart,credits\n1,USD,2026-11-03,{credit('-1')}\n"
    run(con, [item(tmp_path, "charges", "a.csv", text)])
    assert rows(con, "SELECT count(*), any_value(extra['credits'] LIKE '%CUD%') FROM charges") == [(1, True)]


def test_a_nested_export_is_read_by_its_paths(tmp_path: Path) -> None:
    con = connect()
    text = (
        '[{"service": {"description": "Vertex AI"}, "usage_start_time": "2026-11-03", "cost": 0.100000000000000001,'
        ' "currency": "USD", "invoice": {"month": "202611"}, "labels": [{"key": "team", "value": "search"}],'
        ' "credits": [{"name": "CUD", "amount": -0.000000000000000002}]}]'
    )
    said = {"columns": {**COLUMNS, "tags": "labels"}, "constants": {"date_format": "%Y%m"}}
    assert run(con, [item(tmp_path, "charges", "a.json", text)], **said).problems == ()
    found = rows(con, "SELECT billed_cost, service_name, period, tags['team'] FROM charges ORDER BY billed_cost DESC")
    assert found == [
        (Decimal("0.100000000000000001"), "Vertex AI", "2026-11", "search"),
        (Decimal("-0.000000000000000002"), "Vertex AI", "2026-11", "search"),
    ]
