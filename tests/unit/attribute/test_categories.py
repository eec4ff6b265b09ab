"""Which kind of AI cost a charge is, and whether a method fits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from apportion.attribute.categories import (
    CATEGORIES,
    MethodUse,
    built_in_rules,
    category_rule_sql,
    method_fit,
    usage_category_sql,
)
from apportion.attribute.scope import decide_scope
from apportion.config.policies import CategoryRule, Scope
from tests.unit.attribute.bills import Row, as_charge, charges, labelled

SKUS = [sku for sku in labelled(Path(__file__).parents[2] / "golden" / "skus.csv") if sku["expected_scope"] == "ai"]
OPENAI = {"provider": "openai", "service_name": "OpenAI API", "charge_description": "gpt-5, input"}
SEAT = {"provider": "github", "service_name": "GitHub Copilot", "sku_meter": "copilot_for_business"}


def categories(rows: Sequence[Row], *rules: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    con = charges(rows)
    decide_scope(con, Scope(), [CategoryRule.model_validate(rule) for rule in rules])
    answers = con.execute("SELECT category, category_reason FROM scoped_charges ORDER BY charge_id").fetchall()
    return [(row[0], row[1]) for row in answers]


def test_99_percent_of_the_labelled_list_have_the_right_category() -> None:
    con = charges(as_charge(number, sku) for number, sku in enumerate(SKUS))
    decide_scope(con, Scope())
    found = dict(con.execute("SELECT CAST(charge_id AS INT), category FROM scoped_charges").fetchall())
    wrong = [(sku, found[n]) for n, sku in enumerate(SKUS) if found[n] != sku["expected_category"]]
    for sku, category in wrong:
        print(f"{category} instead of {sku['expected_category']}: {sku}")  # noqa: T201 - the wrong ones
    assert len(SKUS) >= 300
    assert {sku["expected_category"] for sku in SKUS} == set(CATEGORIES)
    assert len(wrong) <= len(SKUS) // 100


def test_every_built_in_rule_gives_a_category() -> None:
    assert {rule.value for rule in built_in_rules()} == set(CATEGORIES)


def test_the_users_rules_come_first_in_their_order() -> None:
    rows = [{**OPENAI, "tag:job_type": "finetune"}, OPENAI, SEAT]
    rules = [
        {"category": "training", "when": "tags.job_type = 'finetune'"},
        {"category": "overhead", "when": "provider = 'openai'"},
    ]
    assert categories(rows, *rules) == [
        ("training", "categories[1]"),
        ("overhead", "categories[2]"),
        ("licensing", "built-in copilot: Copilot seats, premium requests and credits"),
    ]


def test_a_rule_holds_from_its_first_day_to_before_its_last() -> None:
    rows = [{**OPENAI, "day": day} for day in ("2026-09-30", "2026-10-01", "2026-10-31 23:59:59", "2026-11-01")]
    rule = {"category": "overhead", "when": "provider = 'openai'", "from": "2026-10-01", "to": "2026-11-01"}
    assert [c for c, _ in categories(rows, rule)] == ["inference", "overhead", "overhead", "inference"]


def test_what_nothing_matches_is_unclassified_with_its_money() -> None:
    con = charges([{"provider": "acme", "service_name": "Acme Brain", "cost": "12.50"}])
    problems = decide_scope(con, Scope.model_validate({"include": ["provider = 'acme'"]}))
    row = con.execute("SELECT category, category_reason FROM scoped_charges").fetchone()
    assert row == ("unclassified", "no rule matches it")
    assert [(p.slug, p.severity, p.amount) for p in problems] == [("charge-unclassified", "warning", "12.50 USD")]


def test_out_of_scope_has_no_category() -> None:
    assert categories([{"provider": "aws", "service_name": "Amazon Athena"}]) == [(None, None)]


def test_a_credit_takes_the_category_of_what_it_offsets() -> None:
    offset = {"provider": "openai", "charge_category": "Credit", "charge_description": "Promotional credit"}
    assert categories([OPENAI, offset])[1] == ("inference", "follows its invoice, all of which is inference")
    plan = {"provider": "openai", "service_name": "ChatGPT", "charge_description": "ChatGPT Team seats"}
    mixed = categories([OPENAI, plan, offset])[2]
    assert mixed == ("overhead", "a credit, tax or adjustment of several categories")


def test_the_rules_mean_the_same_in_spark() -> None:
    text = category_rule_sql().sql("spark")
    again = sqlglot.parse_one(text, read="spark").sql("duckdb")
    assert again == category_rule_sql().sql("duckdb")


@pytest.mark.parametrize(
    ("operation", "category"),
    [
        ("chat", "inference"),
        ("embeddings", "inference"),
        (None, "inference"),
        ("fine_tuning", "training"),
        ("Fine-Tuning", "training"),
        ("training", "training"),
        ("constraining", "inference"),
    ],
)
def test_usage_is_inference_unless_it_makes_a_model(operation: str | None, category: str) -> None:
    value = exp.Literal.string(operation) if operation else exp.cast(exp.null(), "TEXT")
    row = duckdb.connect().execute(f"SELECT {usage_category_sql(value).sql('duckdb')}").fetchone()
    assert row == (category,)


def use(method: str, category: str, meter: str | None = None, *, is_gpu: bool = False) -> MethodUse:
    return MethodUse("r", method, meter, category, is_gpu, "17,280.00 USD")


@pytest.mark.parametrize(
    ("unfit", "meters", "words"),
    [
        (use("proportional", "licensing", "tokens"), [], "divides licences by tokens"),
        (use("fixed", "overhead", is_gpu=True), ["revenue", "gpu_hours"], "although the meter gpu_hours"),
        (use("headcount", "training"), [], "divides training by headcount"),
        (use("proportional", "training", "tokens"), [], "divides training by tokens"),
        (use("seats", "inference"), [], "divides inference by seats"),
        (use("even", "inference"), [], "divides inference by even"),
    ],
)
def test_a_method_that_does_not_fit_is_a_warning_with_its_money(
    unfit: MethodUse, meters: list[str], words: str
) -> None:
    problems = method_fit([unfit], meters)
    assert [(p.slug, p.severity, p.amount) for p in problems] == [("method-unfit", "warning", "17,280.00 USD")]
    assert words in problems[0].message
    assert problems[0].cure


@pytest.mark.parametrize(
    "fit",
    [
        use("seats", "licensing"),
        use("headcount", "licensing"),
        use("proportional", "overhead", "gpu_hours", is_gpu=True),
        use("fixed", "overhead", is_gpu=True),
        use("headcount", "overhead"),
        use("direct", "training"),
        use("direct", "inference"),
        use("proportional", "inference", "tokens"),
    ],
)
def test_a_method_that_fits_is_silent(fit: MethodUse) -> None:
    assert method_fit([fit], ["revenue"]) == []
