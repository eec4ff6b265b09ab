"""An export that is no FOCUS bill is recognised, and the mapping that the cure gives reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from ruamel.yaml import YAML

from apportion.normalize.exports import mapping, money_column, recognise
from tests.unit.normalize.tables import connect, item, rows, run, slugs

CUR = "bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost,lineItem/CurrencyCode\n"
CUR += "2026-11-01T00:00:00Z,2026-11-03T00:00:00Z,1.5,USD\n"
AZURE = "Date,CostInBillingCurrency,BillingCurrencyCode,MeterCategory\n2026-11-03,1.5,USD,Foundry\n"
GCP = "usage_start_time,cost,currency,service.description\n2026-11-03T00:00:00Z,1.5,USD,Vertex AI\n"


@pytest.mark.parametrize(
    ("text", "name"), [(CUR, "AWS Cost and Usage Report"), (AZURE, "Azure"), (GCP, "Google Cloud")]
)
def test_the_cure_of_a_recognised_export_reads_it(tmp_path: Path, text: str, name: str) -> None:
    con = connect()
    file = item(tmp_path, "charges", "a.csv", text)
    done = run(con, [file])
    assert slugs(done) == ["column-missing"]
    (problem,) = done.problems
    assert "'billed_cost' and 'billing_currency'" in problem.message
    assert name in problem.message
    assert problem.cure is not None
    said = YAML(typ="safe").load("{" + problem.cure.split("`")[1] + "}")
    done = run(con, [file], columns=said["columns"], constants=said["set"])
    assert done.problems == ()
    assert rows(con, "SELECT CAST(billed_cost AS VARCHAR)::DOUBLE, billing_currency FROM charges") == [(1.5, "USD")]


def test_a_bill_of_no_known_form_is_not_guessed() -> None:
    header = ["Amount", "Currency", "When"]
    assert recognise(header) is None
    assert money_column(header) == "Amount"
    assert money_column(["lineItem/UnblendedCost"]) == "lineItem/UnblendedCost"
    assert money_column(["x"]) is None


@pytest.mark.parametrize("odd", ["Meter Category", "null", "1", "a: b", "x, {y}", 'say "cost"', "Größe #1", "="])
def test_odd_names_load_as_they_are_and_known_columns_are_left_out(odd: str) -> None:
    export = recognise(["PreTaxCost", "MeterId", "Currency"])
    assert export is not None
    odd_export = replace(export, columns={**export.columns, "service_name": (odd,)})
    made = mapping(odd_export, ["PreTaxCost", "Currency", odd], {"billing_currency", "provider_name"})
    assert YAML(typ="safe").load("{" + made + "}") == {"columns": {"billed_cost": "PreTaxCost", "service_name": odd}}
    assert "\n" not in made


def test_an_alias_sets_a_column_of_a_bill_and_a_model_that_is_set_is_read(tmp_path: Path) -> None:
    con: duckdb.DuckDBPyConnection = connect()
    file = item(
        tmp_path, "charges", "a.csv", "BilledCost,BillingCurrency,ChargePeriodStart,Model\n1,USD,2026-11-03,x\n"
    )
    run(con, [file], constants={"InvoiceIssuer": "Acme Cloud", "model": "gpt-4o"})
    assert rows(con, "SELECT invoice_issuer_name, model FROM charges") == [("Acme Cloud", "gpt-4o")]
