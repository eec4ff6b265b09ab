"""Providers whose addresses everybody shares, and whose usage a call to an address is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from apportion.addresses import Address

Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4", "none"]


class Known(NamedTuple):
    """A provider whose address everybody shares.

    Attributes:
        provider: As OpenTelemetry names it.
        url: Of its API.
        auth: How it is told who calls.
    """

    provider: str
    url: str
    auth: Auth = "bearer"


# Sources: the providers' API references, and the names of `gen_ai.provider.name`, read 2026-11-27.
KNOWN: Final[Mapping[str, Known]] = {
    "openai": Known("openai", "https://api.openai.com"),
    "anthropic": Known("anthropic", "https://api.anthropic.com", "x-api-key"),
    "gemini": Known("gcp.gemini", "https://generativelanguage.googleapis.com", "x-goog-api-key"),
    "mistral": Known("mistral_ai", "https://api.mistral.ai"),
    "groq": Known("groq", "https://api.groq.com/openai"),
    "deepseek": Known("deepseek", "https://api.deepseek.com"),
    "xai": Known("x_ai", "https://api.x.ai"),
    "perplexity": Known("perplexity", "https://api.perplexity.ai"),
    "cohere": Known("cohere", "https://api.cohere.com"),
    "openrouter": Known("openrouter", "https://openrouter.ai/api"),
}


class Found(NamedTuple):
    """Whose address it is.

    Attributes:
        name: Of the provider, as `gateway: providers:` names it.
        provider: As OpenTelemetry names it.
        region: That the address names.
    """

    name: str
    provider: str
    region: str | None = None


_BY_HOST: Final = {Address.of(each.url).host: Found(name, each.provider) for name, each in KNOWN.items()}
# Addresses that differ by customer or region. Sources: Azure OpenAI and Foundry endpoints, regional endpoints of
# OpenAI, locations of Vertex AI, endpoints of Amazon Bedrock (botocore 1.44.7, private links too), read 2026-11-27.
_AMAZON: Final = r"(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)"
_BY_FORM: Final = tuple(
    (re.compile(pattern), name, provider)
    for pattern, name, provider in (
        (r"[a-z]{2}\.api\.openai\.com", "openai", "openai"),
        (r"[a-z0-9-]+\.(?:openai|cognitiveservices)\.azure\.(?:com|us|cn)", "azure", "azure.ai.openai"),
        (r"[a-z0-9-]+\.services\.ai\.azure\.(?:com|us|cn)", "azure", "azure.ai.inference"),
        (r"(?:(?P<region>[a-z0-9-]+)-)?aiplatform(?:\.mtls)?\.googleapis\.com", "vertex", "gcp.vertex_ai"),
        (r"aiplatform\.(?P<region>[a-z0-9-]+)\.rep\.googleapis\.com", "vertex", "gcp.vertex_ai"),
        (r"generativelanguage\.mtls\.googleapis\.com", "gemini", "gcp.gemini"),
        (
            rf"(?:vpce-[a-z0-9-]+\.)?bedrock-(?:runtime|mantle)(?:-fips)?\.(?P<region>[a-z0-9-]+)\.{_AMAZON}",
            "bedrock",
            "aws.bedrock",
        ),
    )
)


def provider_at(host: str) -> Found | None:
    """Whose address a host's name is; None for one that is no provider's.

    Args:
        host: In lower case, without a port.
    """
    if found := _BY_HOST.get(host):
        return found
    for form, name, provider in _BY_FORM:
        if matched := form.fullmatch(host):
            return Found(name, provider, matched.groupdict().get("region"))
    return None
