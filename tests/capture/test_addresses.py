"""Whose usage a call to an address is."""

from __future__ import annotations

import pytest

from apportion.known_providers import Found, provider_at

OPENAI = Found("openai", "openai")
BEDROCK = "aws.bedrock"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("api.openai.com", OPENAI),
        ("eu.api.openai.com", OPENAI),
        ("api.anthropic.com", Found("anthropic", "anthropic")),
        ("generativelanguage.googleapis.com", Found("gemini", "gcp.gemini")),
        ("aiplatform.googleapis.com", Found("vertex", "gcp.vertex_ai")),
        ("europe-west4-aiplatform.googleapis.com", Found("vertex", "gcp.vertex_ai", "europe-west4")),
        ("aiplatform.eu.rep.googleapis.com", Found("vertex", "gcp.vertex_ai", "eu")),
        ("larkspur.openai.azure.com", Found("azure", "azure.ai.openai")),
        ("larkspur.services.ai.azure.com", Found("azure", "azure.ai.inference")),
        ("bedrock-runtime.eu-central-1.amazonaws.com", Found("bedrock", BEDROCK, "eu-central-1")),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Found("bedrock", BEDROCK, "us-gov-west-1")),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Found("bedrock", BEDROCK, "cn-north-1")),
        ("bedrock-runtime.us-east-1.api.aws", Found("bedrock", BEDROCK, "us-east-1")),
        ("vpce-0a1-b2.bedrock-runtime.us-east-1.vpce.amazonaws.com", Found("bedrock", BEDROCK, "us-east-1")),
        ("openrouter.ai", Found("openrouter", "openrouter")),
    ],
)
def test_a_providers_address_is_known(host: str, found: Found) -> None:
    assert provider_at(host) == found


@pytest.mark.parametrize(
    "host",
    [
        "example.com", "api.openai.com.example.com", "notapi.openai.com", "storage.googleapis.com",
        "s3.eu-central-1.amazonaws.com", "bedrock.eu-central-1.amazonaws.com", "login.microsoftonline.com", "127.0.0.1",
        "xopenai.azure.com", "",
    ],
)  # fmt: skip
def test_an_address_of_anybody_else_is_not(host: str) -> None:
    assert provider_at(host) is None
