"""The names by which instrumentations tell of a call: one table of them, the one that counts most first.

Sources, read 2026-11-27: OpenTelemetry's GenAI conventions (the registry of semantic-conventions-genai, and the older
names of semantic-conventions), OpenInference's semantic conventions, OpenLLMetry's packages for Anthropic and Bedrock,
Anthropic's span reference and SDK 2.12, Vercel's AI SDK 4 to 7, and what Claude Code, Codex and Gemini CLI say of their
telemetry. The GenAI conventions are in development: names change, so old ones stay in these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from apportion.gateway.meters.format import text
from apportion.gateway.receivers.telemetry import Scalar
from apportion.known_providers import provider_at

Attributes = Mapping[str, Scalar]


class Names(NamedTuple):
    """Under which names counts stand."""

    input_tokens: tuple[str, ...] = ()
    output_tokens: tuple[str, ...] = ()
    cache_read_tokens: tuple[str, ...] = ()
    cache_write_tokens: tuple[str, ...] = ()
    cache_write_5m_tokens: tuple[str, ...] = ()
    cache_write_1h_tokens: tuple[str, ...] = ()
    reasoning_tokens: tuple[str, ...] = ()
    tool_prompt_tokens: tuple[str, ...] = ()
    total_tokens: tuple[str, ...] = ()
    compaction_input_tokens: tuple[str, ...] = ()
    compaction_output_tokens: tuple[str, ...] = ()


SPANS: Final = Names(
    input_tokens=(
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens",
        "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens",
    ),
    output_tokens=(
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
        "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens",
    ),
    cache_read_tokens=(
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens", "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens",
    ),
    cache_write_tokens=(
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write", "llm.usage.cache_creation_input_tokens",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    cache_write_5m_tokens=("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    cache_write_1h_tokens=("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    reasoning_tokens=(
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens", "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens",
    ),
    total_tokens=(
        "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens",
    ),
    compaction_input_tokens=("anthropic.usage.compaction.input_tokens",),
    compaction_output_tokens=("anthropic.usage.compaction.output_tokens",),
)  # fmt: skip
CLAUDE_CODE: Final = Names(
    input_tokens=("input_tokens",),
    output_tokens=("output_tokens",),
    cache_read_tokens=("cache_read_tokens",),
    cache_write_tokens=("cache_creation_tokens",),
)
CODEX: Final = Names(
    input_tokens=("input_token_count",),
    output_tokens=("output_token_count",),
    cache_read_tokens=("cached_token_count",),
    cache_write_tokens=("cache_write_token_count",),
    reasoning_tokens=("reasoning_token_count",),
)
GEMINI_CLI: Final = Names(
    input_tokens=("input_token_count",),
    output_tokens=("output_token_count",),
    cache_read_tokens=("cached_content_token_count",),
    reasoning_tokens=("thoughts_token_count",),
    tool_prompt_tokens=("tool_token_count",),
    total_tokens=("total_token_count",),
)

# What is asked of a model and billed by itself.
_CALLS: Final = {
    "chat": "chat",
    "generate_content": "generate_content",
    "text_completion": "text_completion",
    "embeddings": "embeddings",
    "completion": "text_completion",
    "completions": "text_completion",
    "embedding": "embeddings",
    "embed": "embeddings",
    "message": "chat",
    "messages": "chat",
    "responses": "chat",
    "rerank": "rerank",
    "image_generation": "image_generation",
    "generate_image": "image_generation",
    "speech": "speech",
    "transcription": "transcription",
}
# What is made of calls, or makes none: its counts, where it has any, are those of the calls below it.
_NO_CALLS: Final = frozenset(
    {
        "invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "plan", "retrieval", "fetch_response",
        "create_memory", "create_memory_store", "delete_memory", "delete_memory_store", "search_memory",
        "update_memory", "upsert_memory", "agent", "chain", "evaluation", "guardrail", "handoff", "task", "tool",
        "workflow",
    }
)  # fmt: skip
_OPENINFERENCE: Final = {"LLM": "chat", "EMBEDDING": "embeddings"}
_VERCEL: Final = {"doGenerate": "chat", "doStream": "chat", "doEmbed": "embeddings"}
CLAUDE_CODE_SPAN: Final = "claude_code."
_CLAUDE_CODE_CALL: Final = "claude_code.llm_request"

# Names of providers by those that others give them, in lower case and without spaces.
_PROVIDERS: Final = {
    "google": "gcp.gemini", "gemini": "gcp.gemini", "google.generative-ai": "gcp.gemini", "google_genai": "gcp.gemini",
    "google-gla": "gcp.gemini", "google_ai_studio": "gcp.gemini", "generativeai": "gcp.gemini",
    "vertexai": "gcp.vertex_ai", "vertex_ai": "gcp.vertex_ai", "vertex": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai", "google-vertex": "gcp.vertex_ai", "google_vertexai": "gcp.vertex_ai",
    "aws": "aws.bedrock", "bedrock": "aws.bedrock", "amazon-bedrock": "aws.bedrock", "aws_bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock", "amazonbedrock": "aws.bedrock", "awsbedrock": "aws.bedrock",
    "azure": "azure.ai.openai", "azure-openai": "azure.ai.openai", "azure_openai": "azure.ai.openai",
    "azureopenai": "azure.ai.openai", "az.ai.openai": "azure.ai.openai", "az.ai.inference": "azure.ai.inference",
    "azure_ai_inference": "azure.ai.inference",
    "mistral": "mistral_ai", "mistralai": "mistral_ai", "xai": "x_ai", "x-ai": "x_ai", "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai", "watsonx": "ibm.watsonx.ai", "ibm": "ibm.watsonx.ai",
}  # fmt: skip
UNKNOWN: Final = "unknown"
_LONGEST_NUMBER: Final = 15


def counts_of(attributes: Attributes, names: Names) -> tuple[dict[str, Scalar], list[str]]:
    """The counts that are told, by our names, and those of them that are told twice and differently."""
    counts: dict[str, Scalar] = {}
    differing = []
    for ours, theirs in zip(names._fields, names, strict=True):
        told = [attributes[name] for name in theirs if name in attributes]
        if told:
            counts[ours] = told[0]
            if any(_plain(each) != _plain(told[0]) for each in told[1:]):
                differing.append(ours)
    return counts, differing


def raw_of(attributes: Attributes, names: Names) -> dict[str, Scalar]:
    """The counts as they were told; what is no number is left out."""
    told = ((name, attributes.get(name)) for theirs in names for name in theirs)
    return {name: value for name, value in told if value is not None and not isinstance(_plain(value), str | bool)}


def _plain(value: Scalar) -> Scalar:
    """A number as a number, also where it is written as text or as a fraction."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def operation(name: str, attributes: Attributes) -> str | None:
    """What a span asks of a model; empty where it is no call of one; None where that cannot be told.

    Args:
        name: Of the span.
        attributes: Of it.
    """
    if name.startswith(CLAUDE_CODE_SPAN):
        return "chat" if name == _CLAUDE_CODE_CALL else ""
    vercel = first(attributes, "ai.operationId", "operation.name") or ""
    if vercel.startswith("ai."):
        return _VERCEL.get(vercel.split(" ")[0].rpartition(".")[2], "")
    said = first(attributes, "gen_ai.operation.name")
    if said is None and (kind := first(attributes, "openinference.span.kind")):
        return _OPENINFERENCE.get(kind.upper(), "")
    if said is None and "traceloop.span.kind" in attributes:
        return ""
    said = (said or first(attributes, "llm.request.type") or "").lower()
    if said:
        return _CALLS.get(said, "" if said in _NO_CALLS else None)
    # The oldest instrumentations say no more than the model and the counts.
    tells = any(key in attributes for names in (SPANS.input_tokens, SPANS.output_tokens) for key in names)
    return "chat" if tells and (request_model(attributes) or response_model(attributes)) else ""


def provider(attributes: Attributes) -> tuple[str, str | None]:
    """Who answers, and where: the address of the server says it best, then what the instrumentation says."""
    address = first(attributes, "server.address")
    found = provider_at(address.lower()) if address else None
    if found is not None:
        return found.provider, found.region
    said = first(
        attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider",
        "llm.vendor",
    )  # fmt: skip
    return known_as(said) if said else UNKNOWN, None


def claude_code_provider(model: str | None) -> str:
    """Whom Claude Code called: it names models as the cloud does by which it calls them, and every provider alike."""
    if model and ("anthropic." in model or model.startswith("arn:")):
        return "aws.bedrock"
    return "gcp.vertex_ai" if model and "@" in model else "anthropic"


def known_as(said: str) -> str:
    """A provider's name in OpenTelemetry's words, by one that an instrumentation gives it."""
    name = said.lower().replace(" ", "")
    named = name
    while named:
        if named in _PROVIDERS:
            return _PROVIDERS[named]
        if named in {"openai", "anthropic"}:
            return named
        # Vercel's SDK names the interface behind the provider: `anthropic.messages`.
        named = named.rpartition(".")[0]
    return name


def request_model(attributes: Attributes) -> str | None:
    """The model that was asked for."""
    return first(
        attributes, "gen_ai.request.model", "llm.request.model_name", "llm.request.model", "llm.model_name",
        "embedding.model_name", "ai.model.id",
    )  # fmt: skip


def response_model(attributes: Attributes) -> str | None:
    """The model that answered."""
    return first(
        attributes, "gen_ai.response.model", "llm.response.model_name", "llm.response.model", "ai.response.model",
    )  # fmt: skip


def service_tier(attributes: Attributes) -> str | None:
    """The tier that served."""
    return first(
        attributes, "openai.response.service_tier", "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier", "aws.bedrock.response.service_tier",
    )  # fmt: skip


def first(attributes: Attributes, *names: str) -> str | None:
    """The first of these that is there and an identifier."""
    for name in names:
        if found := text(attributes.get(name)):
            return found
    return None


def whole(attributes: Attributes, *names: str) -> int | None:
    """The first of these that is a whole number, also where it is written as text."""
    for name in names:
        value = _plain(attributes.get(name, ""))
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
