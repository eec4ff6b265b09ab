"""Which line of models a model belongs to, and its tier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest
from genai_prices import data
from sqlglot import exp

from apportion.attribute.models import (
    TIERS,
    canonical_model_sql,
    families,
    tiers,
    write_model_values,
)
from apportion.warehouse import DuckDBEngine

MAIN_PROVIDERS = ("openai", "anthropic", "google", "aws", "mistral", "x-ai", "deepseek", "cohere", "azure")


def values(models: Sequence[str | None], day: str = "2026-10-01") -> list[tuple[str, str, str]]:
    engine = DuckDBEngine(threads=1)
    engine.register("cells", pa.table({"model": pa.array(models, pa.string())}))
    write_model_values(engine, "cells")
    found = engine.fetch(
        "SELECT model, model_family, model_tier, developer FROM model_values"
        " WHERE valid_from <= CAST($1 AS DATE) AND CAST($1 AS DATE) < valid_to",
        [day],
    )
    by_model = {row[0]: (row[1], row[2], row[3]) for row in found}
    return [by_model[model] for model in models if model is not None]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("gpt-5.4-2026-03-05", "gpt-5.4"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("global.anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("Claude Haiku 4.5", "claude-haiku-4-5"),
        ("Auto: Claude Haiku 4.5", "claude-haiku-4-5"),
        ("publishers/google/models/gemini-2.5-flash@default", "gemini-2.5-flash"),
        ("projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "claude-3-haiku",
        ),
        ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
        ("deepseek.r1-v1:0", "deepseek-r1"),
        ("deepseek/deepseek-r1:free", "deepseek-r1"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("openai/gpt-4o", "gpt-4o"),
        (" GPT-5 ", "gpt-5"),
        ("ft:gpt-4o-mini", "ft:gpt-4o-mini"),
    ],
)
def test_a_model_has_one_name(written: str, canonical: str) -> None:
    expression = canonical_model_sql(exp.Literal.string(written))
    assert duckdb.connect().execute(f"SELECT {expression.sql('duckdb')}").fetchone() == (canonical,)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-6-astra", ("gpt", "frontier", "openai")),
        ("gpt-6.1-terra", ("gpt", "standard", "openai")),
        ("gpt-5.6-luna", ("gpt", "small", "openai")),
        ("gpt-5-mini", ("gpt", "small", "openai")),
        ("o3-pro", ("o-series", "frontier", "openai")),
        ("text-embedding-3-large", ("openai-embedding", "small", "openai")),
        ("us.anthropic.claude-opus-4-8-v1:0", ("claude", "frontier", "anthropic")),
        ("claude-fable-5-2", ("claude", "frontier", "anthropic")),
        ("claude-sonnet-5.5", ("claude", "standard", "anthropic")),
        ("claude-haiku-5-5", ("claude", "small", "anthropic")),
        ("publishers/google/models/gemini-2.5-pro", ("gemini", "frontier", "google")),
        ("models/gemini-2.5-flash-lite", ("gemini", "small", "google")),
        ("amazon.nova-pro-v1:0", ("nova", "standard", "amazon")),
        ("meta.llama3-1-8b-instruct-v1:0", ("llama", "small", "meta")),
        ("mistral-large-2512", ("mistral", "frontier", "mistral")),
        ("grok-4.7", ("grok", "frontier", "x-ai")),
        ("writer.palmyra-x5-v1:0", ("palmyra", "standard", "writer")),
        ("atlas-large", ("unclassified", "unclassified", "unclassified")),
        ("gpt-7", ("gpt", "unclassified", "openai")),
        ("claude-opus-6", ("claude", "unclassified", "anthropic")),
    ],
)
def test_a_model_has_a_line_and_a_tier(model: str, expected: tuple[str, str, str]) -> None:
    assert values([model]) == [expected]


def test_a_replaced_generation_changes_tier_on_its_day() -> None:
    assert values(["gpt-4o"], "2025-08-06") == [("gpt", "frontier", "openai")]
    assert values(["gpt-4o"], "2025-08-07") == [("gpt", "standard", "openai")]


def test_the_spans_of_a_model_cover_every_day_once() -> None:
    engine = DuckDBEngine(threads=1)
    engine.run("CREATE TABLE cells AS SELECT 'gpt-4o' AS model UNION ALL SELECT NULL")
    write_model_values(engine, "cells")
    spans = engine.fetch("SELECT valid_from, valid_to FROM model_values ORDER BY valid_from")
    assert spans[0][0] == date(1, 1, 1)
    assert spans[-1][1] == date(9999, 12, 31)
    assert all(one[1] == two[0] for one, two in pairwise(spans))


@pytest.mark.parametrize("provider", MAIN_PROVIDERS)
def test_the_price_lists_of_the_main_providers_are_known(provider: str) -> None:
    models = [model.id for one in data.providers if one.id == provider for model in one.models]
    unknown = [model for model, found in zip(models, values(models), strict=True) if found[1] == "unclassified"]
    assert len(unknown) <= len(models) // 20, unknown


def test_the_catalogue_is_well_formed() -> None:
    assert {fact.value for fact in tiers()} == set(TIERS)
    assert all(fact.developer for fact in families())
    assert all(fact.valid_from < fact.valid_to for fact in (*families(), *tiers()))
