"""What each instrumentation's own names and numbers come to, and what is said where they contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest

from apportion.gateway.receivers.conventions import known_as, operation, provider
from apportion.gateway.receivers.otlp import traces
from tests.unit.gateway.receivers.test_otlp import attributes, of, records, sent, span, tokens

CLAUDE = {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5"}
CACHED = {"gen_ai.usage.cache_read.input_tokens": 1000, "gen_ai.usage.cache_creation.input_tokens": 200}
GEMINI = {"gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "gcp.gemini"}
VERCEL = {"operation.name": "ai.streamText.doStream answers", "ai.operationId": "ai.streamText.doStream",
          "ai.model.provider": "anthropic.messages", "ai.model.id": "claude-sonnet-4-5"}  # fmt: skip
CLAUDE_CODE = {"span.type": "llm_request", "model": "claude-opus-5", "gen_ai.request.model": "claude-opus-5",
               "gen_ai.system": "anthropic", "input_tokens": 2, "output_tokens": 12, "cache_read_tokens": 84,
               "cache_creation_tokens": 70, "request_id": "req_1", "ttft_ms": 80, "speed": "fast"}  # fmt: skip


def only(said: dict[str, Any], scope: str = "of-somebody", **more: Any) -> dict[str, Any]:
    (record,) = records(sent(traces, of(span(1, said, **more), scope=scope)))
    return record


def told(whole: int, output: int, **more: int) -> dict[str, int]:
    return {"gen_ai.usage.input_tokens": whole, "gen_ai.usage.output_tokens": output, **more}


@pytest.mark.parametrize(
    ("said", "scope", "expected"),
    [
        # Anthropic by OpenTelemetry's own package, by OpenLLMetry and by its SDK: cached tokens are in the input.
        (CLAUDE | told(1212, 5) | CACHED, "opentelemetry.instrumentation.genai.anthropic", (12, 1000, 200, 5)),
        (CLAUDE | CACHED | {"gen_ai.usage.prompt_tokens": 1212, "gen_ai.usage.completion_tokens": 5},
         "opentelemetry.instrumentation.anthropic", (12, 1000, 200, 5)),
        (CLAUDE | told(1212, 5) | CACHED, "com.anthropic.sdk.python.bedrock", (12, 1000, 200, 5)),
        # Bedrock by OpenTelemetry's own package and by OpenLLMetry: Converse's numbers, cached tokens beside.
        (CLAUDE | told(12, 5) | CACHED | {"gen_ai.system": "aws.bedrock"},
         "opentelemetry.instrumentation.genai.bedrock", (12, 1000, 200, 5)),
        (CLAUDE | told(1300, 5) | CACHED | {"gen_ai.system": "AWS"},
         "opentelemetry.instrumentation.bedrock", (1300, 1000, 200, 5)),
        # Vercel's AI SDK 6 itemises and includes.
        (VERCEL | {"ai.usage.inputTokens": 1212, "ai.usage.outputTokens": 5,
                   "ai.usage.inputTokenDetails.cacheReadTokens": 1000,
                   "ai.usage.inputTokenDetails.cacheWriteTokens": 200}, "ai", (12, 1000, 200, 5)),
    ],
)  # fmt: skip
def test_cached_tokens_are_read_as_the_instrumentation_means_them(
    said: dict[str, Any], scope: str, expected: tuple[int, int, int, int]
) -> None:
    record = only(said, scope)
    names = ("uncached_input_tokens", "cache_read_tokens", "cache_write_other_tokens", "output_tokens")
    assert tuple(record[name] for name in names) == expected
    assert (record["state"], record.get("flags")) == ("measured", None)


def test_more_cached_than_input_stands_beside_it_and_is_flagged() -> None:
    record = only(CLAUDE | told(12, 5) | CACHED)
    assert tokens(record) == {"uncached_input": 12, "cache_read": 1000, "cache_write_other": 200, "output": 5}
    assert record["state"] == "measured"
    assert record["flags"] == ["input_tokens leaves the cached tokens out, against the conventions"]


def test_a_sum_tells_where_the_cached_tokens_are() -> None:
    record = only(CLAUDE | told(1500, 5) | CACHED | {"gen_ai.usage.total_tokens": 2705})
    assert tokens(record) == {"uncached_input": 1500, "cache_read": 1000, "cache_write_other": 200, "output": 5}
    assert record["state"] == "measured"


def test_more_cached_than_input_where_that_cannot_be_is_an_estimate_and_flagged() -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    record = only(said | told(10, 5, **{"gen_ai.usage.cache_read.input_tokens": 30}))
    assert tokens(record) == {"cache_read": 30, "output": 5}
    assert record["state"] == "estimated"
    assert record["flags"] == ["more cached and written than input"]


def test_vercel_s_sdk_before_version_6_does_not_tell_what_was_written() -> None:
    usage = {"ai.usage.inputTokens": 1212, "ai.usage.outputTokens": 5, "ai.usage.cachedInputTokens": 1000}
    record = only(VERCEL | usage, "ai")
    assert tokens(record) == {"uncached_input": 1212, "cache_read": 1000, "output": 5}
    assert (record["state"], record["provider"]) == ("estimated", "anthropic")
    assert "before version 6" in record["why"]


def test_claude_code_s_spans_count_cached_tokens_beside() -> None:
    record = only(CLAUDE_CODE, "com.anthropic.claude_code.tracing", name="claude_code.llm_request")
    assert tokens(record) == {"uncached_input": 2, "cache_read": 84, "cache_write_other": 70, "output": 12}
    assert (record["state"], record["call_id"], record["provider"]) == ("measured", "req_1", "anthropic")
    assert (record["first_byte_ms"], record["speed"]) == (80, "fast")


@pytest.mark.parametrize(
    ("model", "expected"),
    [("us.anthropic.claude-opus-5-v1:0", "aws.bedrock"), ("claude-opus-5@20260801", "gcp.vertex_ai")],
)
def test_claude_code_s_models_tell_whom_it_called(model: str, expected: str) -> None:
    said = CLAUDE_CODE | {"model": model, "gen_ai.request.model": model}
    assert only(said, name="claude_code.llm_request")["provider"] == expected


def test_a_compaction_that_anthropic_tells_of_is_a_part_of_its_own() -> None:
    said = CLAUDE | told(229, 5) | {"anthropic.usage.compaction.input_tokens": 55_096}
    first, second = records(sent(traces, of(span(1, said), scope="com.anthropic.claude-platform")))
    assert (tokens(first), tokens(second)) == ({"uncached_input": 229, "output": 5}, {"uncached_input": 55_096})
    assert (second["iteration"], first["requests"], second["requests"]) == ("compaction", 1, 0)
    assert first["state"] == "estimated"


@pytest.mark.parametrize(
    ("usage", "output", "reasoning", "state"),
    [
        # As the conventions say; beside, told by the sum; beside, as it cannot be otherwise; hidden in the sum.
        ({"gen_ai.usage.reasoning.output_tokens": 8}, 20, 8, "measured"),
        ({"gen_ai.usage.reasoning.output_tokens": 8, "gen_ai.usage.total_tokens": 128}, 28, 8, "measured"),
        ({"gen_ai.usage.reasoning.output_tokens": 50}, 70, 50, "measured"),
        ({"gen_ai.usage.total_tokens": 128}, 28, 8, "estimated"),
    ],
)
def test_gemini_s_thoughts_are_output(usage: dict[str, int], output: int, reasoning: int, state: str) -> None:
    record = only(GEMINI | told(100, 20) | usage)
    assert (record["output_tokens"], record["reasoning_tokens"], record["state"]) == (output, reasoning, state)


def test_tokens_that_only_a_sum_tells_of_are_told() -> None:
    said = {"openinference.span.kind": "LLM", "llm.provider": "aws", "llm.token_count.prompt": 12,
            "llm.token_count.completion": 5, "llm.token_count.total": 1017}  # fmt: skip
    record = only(said, "openinference.instrumentation.bedrock")
    assert (record["state"], record["flags"]) == ("estimated", ["total_tokens is not input and output"])
    assert "1000 tokens that only the sum tells of" in record["why"]


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        ({"gen_ai.usage.input_tokens": 7}, "no output tokens are told"),
        ({"gen_ai.usage.output_tokens": 7}, "no input tokens are told"),
        ({"gen_ai.usage.total_tokens": 7}, "only the sum of its tokens is told"),
        (told(7, 1) | {"llm.token_count.prompt": 8}, "input_tokens is told twice and differently"),
    ],
)
def test_half_a_story_is_an_estimate(usage: dict[str, Any], why: str) -> None:
    record = only(CLAUDE | usage)
    assert record["state"] == "estimated"
    assert why in record["why"]


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        ({}, "it tells no usage"),
        (told(0, 0), "it tells no tokens but zeros"),
        (told(-1, 5), "input_tokens is no count"),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": 5}, "input_tokens is no count"),
        ({"gen_ai.usage.input_tokens": 1.5, "gen_ai.usage.output_tokens": 5}, "input_tokens is no count"),
        (told(10**13, 5), "input_tokens is no count"),
        (told(7, 5) | {"gen_ai.usage.cache_read.input_tokens": True}, "cache_read_tokens is no count"),
    ],
)
def test_no_story_is_missing_and_no_zero(usage: dict[str, Any], why: str) -> None:
    record = only(CLAUDE | usage)
    assert (record["state"], record["requests"], tokens(record)) == ("missing", 1, {})
    assert why in record["why"]


def test_numbers_may_be_written_as_text_and_as_fractions() -> None:
    record = only(CLAUDE | {"gen_ai.usage.input_tokens": "7", "gen_ai.usage.output_tokens": 5.0})
    assert (tokens(record), record["state"]) == ({"uncached_input": 7, "output": 5}, "measured")


def test_an_embedding_has_no_output() -> None:
    record = only({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e", "llm.token_count.total": 7})
    assert (tokens(record), record["state"], record["operation"]) == ({"uncached_input": 7}, "measured", "embeddings")


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("x", {"gen_ai.operation.name": "chat"}, "chat"),
        ("x", {"gen_ai.operation.name": "text_completion"}, "text_completion"),
        ("x", {"gen_ai.operation.name": "invoke_agent"}, ""),
        ("x", {"gen_ai.operation.name": "fetch_response"}, ""),
        ("x", {"gen_ai.operation.name": "of_somebody"}, None),
        ("x", {"openinference.span.kind": "LLM"}, "chat"),
        ("x", {"openinference.span.kind": "AGENT"}, ""),
        ("x", {"openinference.span.kind": "CHAIN"}, ""),
        ("x", {"traceloop.span.kind": "workflow", "llm.request.type": "chat"}, ""),
        ("x", {"llm.request.type": "completion"}, "text_completion"),
        ("x", {"ai.operationId": "ai.generateText"}, ""),
        ("x", {"ai.operationId": "ai.generateText.doGenerate"}, "chat"),
        ("x", {"operation.name": "ai.embed.doEmbed named"}, "embeddings"),
        ("claude_code.llm_request", {}, "chat"),
        ("claude_code.tool", {"gen_ai.operation.name": "chat"}, ""),
        ("x", {"gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 1}, "chat"),
        ("x", {"gen_ai.request.model": "m"}, ""),
        ("GET /", {"http.request.method": "GET"}, ""),
    ],
)
def test_calls_are_told_from_everything_else(name: str, said: dict[str, Any], expected: str | None) -> None:
    assert operation(name, said) == expected


def test_an_operation_that_is_not_known_is_told_to_its_sender() -> None:
    odd = {"gen_ai.operation.name": "of_somebody", "gen_ai.provider.name": "openai"} | told(7, 5)
    answered = sent(traces, of(span(1, odd), span(2, CLAUDE | told(1, 1))))
    assert answered.counts == {"accepted": 1, "ignored": 1}
    assert b'"rejectedSpans":"0"' in answered.body
    assert b"1 spans with token counts were not counted" in answered.body
    assert b"`of_somebody`" in answered.body


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("OpenAI", "openai"), ("Anthropic", "anthropic"), ("anthropic.messages", "anthropic"),
        ("AWS", "aws.bedrock"), ("amazon-bedrock", "aws.bedrock"), ("google.generative-ai", "gcp.gemini"),
        ("Azure", "azure.ai.openai"), ("azure-openai.responses", "azure.ai.openai"),
        ("google.vertex.chat", "gcp.vertex_ai"), ("az.ai.openai", "azure.ai.openai"), ("MistralAI", "mistral_ai"),
        ("xai", "x_ai"), ("gcp.gen_ai", "gcp.gen_ai"), ("ours", "ours"),
    ],
)  # fmt: skip
def test_providers_have_one_name(said: str, expected: str) -> None:
    assert known_as(said) == expected


def test_the_server_s_address_says_best_who_answers() -> None:
    said = {"gen_ai.system": "openai", "server.address": "larkspur.openai.azure.com"}
    assert provider(said) == ("azure.ai.openai", None)
    bedrock = {"gen_ai.system": "AWS", "server.address": "bedrock-runtime.eu-central-1.amazonaws.com"}
    assert provider(bedrock) == ("aws.bedrock", "eu-central-1")
    assert provider({"gen_ai.system": "openai", "server.address": "127.0.0.1"}) == ("openai", None)
    assert provider({}) == ("unknown", None)


def test_tags_come_from_where_each_convention_has_them() -> None:
    said = CLAUDE | told(7, 5) | {
        "apportion.feature": "answers", "traceloop.association.properties.customer": "acme",
        "ai.telemetry.metadata.plan": "pro", "session.id": "s1", "gen_ai.conversation.id": "c1", "enduser.id": "ana",
        "http.request.method": "POST", "gen_ai.request.temperature": 0.5, "metadata": "anything",
    }  # fmt: skip
    resource = {"apportion.team": "search", "apportion.feature": "late", "service.name": "shop", "team": "growth",
                "deployment.environment": "prod", "cost_center": "CC-1", "host.name": "h",
                "note": "x" * 300}  # fmt: skip
    (record,) = records(sent(traces, of(span(1, said), resource=resource), tags={"team": "of the key"}))
    assert record["tags"] == {
        "team": "of the key", "feature": "answers", "customer": "acme", "plan": "pro", "session.id": "s1",
        "gen_ai.conversation.id": "c1", "enduser.id": "ana", "service.name": "shop",
        "deployment.environment": "prod", "cost_center": "CC-1",
    }  # fmt: skip
    assert (record["user_id"], record["tags_dropped"]) == ("ana", 1)


def test_tags_are_bounded() -> None:
    said = CLAUDE | told(7, 5) | {f"apportion.t{number}": "x" for number in range(100)}
    record = only(said)
    assert (len(record["tags"]), record["tags_dropped"]) == (32, 68)


def test_anthropic_s_own_spans_say_whose_workspace_it_was() -> None:
    said = CLAUDE | told(7, 5) | {"anthropic.workspace.id": "wrkspc_1", "anthropic.organization.id": "org-1",
                                  "anthropic.response.service_tier": "batch"}  # fmt: skip
    record = only(said, "com.anthropic.claude-platform")
    assert (record["workspace"], record["billing_account_id"]) == ("wrkspc_1", "org-1")
    assert (record["service_tier"], record["processing"]) == ("batch", "batch")


def test_attributes_that_are_no_plain_values_are_left_behind() -> None:
    body = of(span(1, CLAUDE | told(7, 5)))
    held = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    held += [
        {"key": "apportion.map", "value": {"kvlistValue": {"values": attributes({"a": "b"})}}},
        {"key": "apportion.bytes", "value": {"bytesValue": "AA=="}},
        {"key": "apportion.nothing", "value": {}},
        {"key": "apportion.null"},
        {"key": 5, "value": {"stringValue": "x"}},
    ]
    (record,) = records(sent(traces, body))
    assert record["tags"] == {}
