"""One provider has one name, on a bill and in usage; a model is read only where it is certain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apportion.normalize.providers import provider_sql
from tests.unit.normalize.tables import connect, item, rows, run


@pytest.mark.parametrize(
    ("provider", "service", "canonical"),
    [
        ("AWS", "Amazon Bedrock", "aws.bedrock"),
        ("Amazon Web Services, Inc.", "Claude Sonnet 4.5 (Amazon Bedrock Edition)", "aws.bedrock"),
        ("AWS", "Amazon Elastic Compute Cloud", "aws"),
        ("Microsoft", "Azure OpenAI Service", "azure.ai.openai"),
        ("Azure", "Foundry Models", "azure.ai.openai"),
        ("Microsoft", "Virtual Machines", "azure"),
        ("Google Cloud", "Vertex AI", "gcp.vertex_ai"),
        ("Google", "Gemini API", "gcp.gemini"),
        ("Google Cloud Platform", "Generative Language API", "gcp.gemini"),
        ("Google", "Compute Engine", "gcp"),
        ("OpenAI OpCo, LLC", "OpenAI API", "openai"),
        ("Anthropic, PBC", None, "anthropic"),
        ("GitHub", "GitHub Copilot", "github"),
        ("Anysphere", "Cursor", "cursor"),
        ("xAI", None, "x_ai"),
        ("Acme AI", "Acme", "acme ai"),
        ("it's; DROP TABLE x", None, "it's; drop table x"),
        (" ", None, None),
    ],
)
def test_a_bill(provider: str, service: str | None, canonical: str | None) -> None:
    found = connect().execute(
        f"SELECT {provider_sql('p', 's')} FROM (SELECT $1::VARCHAR AS p, $2::VARCHAR AS s)",
        [provider, service],
    )
    assert found.fetchall() == [(canonical,)]


@pytest.mark.parametrize(
    ("provider", "canonical"),
    [
        ("openai", "openai"),
        ("bedrock", "aws.bedrock"),
        ("aws", "aws.bedrock"),
        ("azure", "azure.ai.openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("gemini", "gcp.gemini"),
        ("google", "google"),
        ("Mistral", "mistral_ai"),
    ],
)
def test_usage(provider: str, canonical: str) -> None:
    found = connect().execute(f"SELECT {provider_sql('p')} FROM (SELECT $1::VARCHAR AS p)", [provider])
    assert found.fetchall() == [(canonical,)]


@pytest.mark.parametrize(
    ("columns", "model"),
    [
        ({"ChargeDescription": "gpt-5 input tokens"}, "gpt-5"),
        ({"ChargeDescription": "gpt-5.4-2026-03-05, cached input"}, "gpt-5.4-2026-03-05"),
        ({"ChargeDescription": "text-embedding-3-small embedding tokens"}, "text-embedding-3-small"),
        ({"ChargeDescription": "Gemini 2.5 Flash Lite Text Input - Predictions"}, "gemini-2.5-flash-lite"),
        ({"ChargeDescription": "Gemini 2.5 Flash Image Output"}, None),
        ({"SkuId": "claude-sonnet-4-5-20250929"}, "claude-sonnet-4-5-20250929"),
        ({"SkuId": "USW2-Claude4.6Sonnet-input-tokens"}, None),
        ({"ChargeDescription": "o3 input tokens"}, "o3"),
        ({"ChargeDescription": "GPT 4o mini 0718 cached Inp glbl Tokens"}, None),
        ({"ChargeDescription": "fine-tuning of gpt-5"}, None),
        ({"SkuPriceDetails": json.dumps({"ModelId": "atlas-large"}), "SkuId": "gpt-5"}, "atlas-large"),
        (
            {"x_ModelId": "atlas-small", "SkuPriceDetails": json.dumps({"ModelId": "atlas-large"})},
            "atlas-small",
        ),
        ({"Tags": json.dumps({"model": "gpt-5"})}, None),
        ({"SkuPriceDetails": "{broken"}, None),
    ],
)
def test_the_model_of_a_charge(tmp_path: Path, columns: dict[str, str], model: str | None) -> None:
    con = connect()
    line = {"BilledCost": 1, "BillingCurrency": "USD", "ChargePeriodStart": "2026-11-03", **columns}
    run(con, [item(tmp_path, "charges", "a.jsonl", json.dumps(line) + "\n")])
    assert rows(con, "SELECT model FROM charges") == [(model,)]
