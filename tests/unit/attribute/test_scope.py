"""What of a bill is AI."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from apportion.attribute.catalogue import check_pattern
from apportion.attribute.scope import decide_scope, gpu_rules, scope_rules
from apportion.config.policies import Scope
from apportion.errors import Problem
from tests.unit.attribute.bills import Row, as_charge, charges, labelled

SKUS = labelled(Path(__file__).parents[2] / "golden" / "skus.csv")

OPENAI = {"provider": "openai", "service_name": "OpenAI API", "charge_description": "gpt-5, input"}
GPU = {
    "provider": "aws",
    "service_name": "Amazon Elastic Compute Cloud",
    "service_category": "Compute",
    "sku_id": "4GQWNPC9K2PZAY97",
    "charge_description": "$1.624 per On Demand Linux g5.4xlarge Instance Hour",
}
VM = {**GPU, "sku_id": "VM", "charge_description": "$0.096 per On Demand Linux m5.large Instance Hour"}
S3 = {"provider": "aws", "service_name": "Amazon Simple Storage Service", "service_category": "Storage"}


def decided(rows: Sequence[Row], **scope: Any) -> tuple[list[tuple[str, str]], list[Problem]]:
    con = charges(rows)
    problems = decide_scope(con, Scope.model_validate(scope))
    answers = con.execute("SELECT scope, scope_reason FROM scoped_charges ORDER BY charge_id").fetchall()
    return [(row[0], row[1]) for row in answers], problems


def scopes(rows: Sequence[Row], **scope: Any) -> list[str]:
    return [answer[0] for answer in decided(rows, **scope)[0]]


def test_the_labelled_list_is_long_and_full_of_look_alikes() -> None:
    assert len(SKUS) >= 300
    assert sum(sku["expected_scope"] == "out_of_scope" for sku in SKUS) >= 80
    assert all(sku["source"] for sku in SKUS)


def test_99_percent_of_the_labelled_list_have_the_right_scope() -> None:
    con = charges(as_charge(number, sku) for number, sku in enumerate(SKUS))
    decide_scope(con, Scope())
    found = dict(con.execute("SELECT CAST(charge_id AS INT), scope FROM scoped_charges").fetchall())
    wrong = [(sku, found[n]) for n, sku in enumerate(SKUS) if found[n] != sku["expected_scope"]]
    for sku, scope in wrong:
        print(f"{scope} instead of {sku['expected_scope']}: {sku}")  # noqa: T201 - the wrong ones are shown
    assert len(found) == len(SKUS)
    assert len(wrong) <= len(SKUS) // 100


def test_every_row_has_a_scope_and_a_reason() -> None:
    answers, problems = decided([OPENAI, GPU, VM])
    assert [scope for scope, _ in answers] == ["ai", "ai", "out_of_scope"]
    assert answers[0][1] == "built-in model-provider: the provider sells nothing but AI"
    assert answers[1][1].startswith("built-in accelerator")
    assert answers[2][1] == "no rule names it as AI"
    assert problems == []


@pytest.mark.parametrize(
    "row",
    [
        {**S3, "tag:application": "ViennaAI", "tag:team": "sagemaker"},
        {**S3, "resource_name": "gpu-training-bucket"},
        {"provider": "aws", "service_name": "Amazon Athena", "charge_description": "data scanned"},
        {"provider": "aws", "service_name": "AmazonQLDB"},
        {"provider": "aws", "service_name": "AmazonQuickSight"},
        {**VM, "charge_description": "$0.08 per GB-month of General Purpose (gp3) provisioned storage"},
        {**VM, "charge_description": "inf of t4g.small, p3 sized t-shirts, g5 countries"},
        {"provider": "acme", "service_name": "Container Maintainance Claims"},
    ],
)
def test_look_alikes_stay_out(row: Row) -> None:
    assert scopes([row]) == ["out_of_scope"]


def test_exclude_beats_include_beats_default() -> None:
    rows = [OPENAI, {**VM, "resource_id": "arn:A"}, {**VM, "resource_id": "arn:B"}, VM]
    scope = {
        "exclude": ["provider = 'openai'", "resource_id = 'arn:B'"],
        "include": ["provider = 'openai'"],
        "resources": ["ARN:a", "arn:B"],
    }
    answers, _ = decided(rows, **scope)
    assert answers == [
        ("out_of_scope", "scope.exclude[1]"),
        ("ai", "scope.resources"),
        ("out_of_scope", "scope.exclude[2]"),
        ("out_of_scope", "no rule names it as AI"),
    ]


def test_a_condition_reads_tags_and_columns_that_focus_does_not_define() -> None:
    rows = [{**VM, "tag:pool": "gpu"}, {**VM, "extra:x_CostCenter": "CC-1"}, VM]
    assert scopes(rows, include=["tags.pool = 'gpu'", "x_CostCenter = 'CC-1'"]) == [
        "ai",
        "ai",
        "out_of_scope",
    ]


def test_a_gpu_left_out_by_the_user_is_an_error_with_its_money() -> None:
    rows = [{**GPU, "cost": "12000.00"}, {**GPU, "cost": "5280.00"}, VM]
    _, problems = decided(rows, exclude=["service_name like '%Compute%'"])
    assert len(problems) == 1
    problem = problems[0]
    assert (problem.slug, problem.severity, problem.held) == ("gpu-left-out", "error", True)
    assert problem.amount == "17,280.00 USD"
    assert "2 charges" in problem.message
    assert "scope.exclude[1]" in problem.message
    assert problem.cure == "Narrow or remove scope.exclude[1]"


def test_scope_none_keeps_only_what_is_listed_and_names_the_gpus() -> None:
    answers, problems = decided([OPENAI, GPU], ai="none", include=["provider = 'openai'"])
    assert [scope for scope, _ in answers] == ["ai", "out_of_scope"]
    assert problems[0].slug == "gpu-left-out"
    assert problems[0].cure == "Add to `scope: include:` the condition \"sku_id = '4GQWNPC9K2PZAY97'\""


def test_a_machine_named_after_gpus_is_a_doubt() -> None:
    _, problems = decided([{**VM, "resource_name": "k8s-gpu-node-7"}])
    assert [(p.slug, p.severity, p.amount) for p in problems] == [("gpu-left-out", "warning", "10.00 USD")]


def credit(kind: str, **more: str) -> Row:
    return {"provider": "aws", "charge_category": kind, "cost": "-5.00", **more}


def test_credit_and_tax_follow_an_invoice_that_is_all_ai() -> None:
    rows = [
        {**GPU},
        credit("Credit", charge_description="Promotional credit"),
        credit("Tax", service_name="Tax"),
    ]
    answers, problems = decided(rows)
    assert [scope for scope, _ in answers] == ["ai", "ai", "ai"]
    assert answers[1][1] == "follows its invoice, all of which is AI"
    assert problems == []


def test_credit_on_a_mixed_invoice_stays_out_and_says_so() -> None:
    answers, problems = decided([GPU, VM, credit("Credit", charge_description="Promotional credit")])
    assert answers[2] == ("out_of_scope", "its invoice is only partly AI")
    assert [(p.slug, p.severity) for p in problems] == [("credit-out-of-scope", "warning")]
    assert problems[0].amount == "\N{MINUS SIGN}5.00 USD"
    assert "1 of the 2 other charges are not AI" in problems[0].message


def test_tax_of_a_named_service_and_of_an_invoice_without_ai_is_no_doubt() -> None:
    answers, problems = decided(
        [S3, credit("Tax", service_name="AWS Glue"), credit("Tax", service_name="Tax", invoice_key="inv-1")]
    )
    assert {scope for scope, _ in answers} == {"out_of_scope"}
    assert problems == []


def test_tax_of_an_ai_vendor_is_in_by_itself() -> None:
    rows = [VM, {"provider": "openai", "charge_category": "Tax", "charge_description": "Sales tax"}]
    assert scopes(rows) == ["out_of_scope", "ai"]


def test_a_lone_credit_is_a_doubt() -> None:
    _, problems = decided([credit("Credit")])
    assert [p.slug for p in problems] == ["credit-out-of-scope"]


def test_a_bill_without_the_optional_columns_is_read() -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE bill AS SELECT 'a' AS charge_id, 'i' AS invoice_key, 'openai' AS provider,"
        " 'Usage' AS charge_category, 1.5 AS billed_cost, 'USD' AS billing_currency"
    )
    assert decide_scope(con, Scope(), charges="bill") == []
    assert con.execute("SELECT scope, category FROM scoped_charges").fetchall() == [("ai", "inference")]


def test_patterns_are_in_the_subset_of_both_engines() -> None:
    assert all(rule.why for rule in (*gpu_rules(), *scope_rules()))
    for bad in ("(?=x)", r"(a)\1", "GPU"):
        with pytest.raises(ValueError, match="common subset"):
            check_pattern(bad)


def focus_sample(shared: Path) -> duckdb.DuckDBPyConnection:
    wanted = {
        "ProviderName": "provider_name",
        "PublisherName": "publisher_name",
        "InvoiceIssuerName": "invoice_key",
        "ServiceName": "service_name",
        "ServiceCategory": "service_category",
        "SkuId": "sku_id",
        "ChargeDescription": "charge_description",
        "ChargeCategory": "charge_category",
        "ResourceId": "resource_id",
        "ResourceName": "resource_name",
        "ResourceType": "resource_type",
        "BillingCurrency": "billing_currency",
        "BilledCost": "cost",
    }
    with (shared / "focus_sample_1.0" / "focus_sample.csv").open(encoding="utf-8", newline="") as file:
        rows = [{wanted[k]: v for k, v in row.items() if k in wanted and v != "NULL"} for row in csv.DictReader(file)]
    return charges(rows)


def test_focus_sample_has_nine_rows_of_azure_ml_and_ten_gpu_hours(shared: Path) -> None:
    con = focus_sample(shared)
    assert decide_scope(con, Scope()) == []
    counts = con.execute(
        "SELECT scope, service_name = 'Azure Machine Learning', is_gpu, count(*) FROM scoped_charges"
        " GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert counts == [("ai", False, True, 10), ("ai", True, False, 9), ("out_of_scope", False, False, 981)]


def test_focus_sample_without_its_gpus_has_991_rows_out_of_scope_and_says_what_was_left(shared: Path) -> None:
    con = focus_sample(shared)
    out = Scope.model_validate({"exclude": ["charge_description like '%g3.4xlarge%'", "sku_id = '4GQWNPC9K2PZAY97'"]})
    problems = decide_scope(con, out)
    counts = dict(con.execute("SELECT scope, count(*) FROM scoped_charges GROUP BY scope").fetchall())
    assert counts == {"ai": 9, "out_of_scope": 991}
    assert [(p.slug, p.amount) for p in problems] == [
        ("gpu-left-out", "1.92 USD"),
        ("gpu-left-out", "10.20 USD"),
    ]
    total = con.execute("SELECT SUM(billed_cost) FROM scoped_charges").fetchone()
    assert total is not None
    assert re.match(r"20\.5202", str(Decimal(total[0])))
