"""LiteLLM's payloads, in the shapes that its types name: what each comes to, and what cannot be read."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.receivers.litellm import receive
from apportion.gateway.receivers.receiver import Answered, Received

NOW = datetime(2026, 11, 27, 14, 31, tzinfo=UTC).timestamp()
OPENAI = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
          "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": None},
          "completion_tokens_details": {"reasoning_tokens": 8}}  # fmt: skip
ANTHROPIC = {"prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97, "cache_read_input_tokens": 50,
             "cache_creation_input_tokens": 30, "service_tier": "priority", "speed": "fast", "inference_geo": "us",
             "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30, "cache_creation_token_details": {
                 "ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}}}  # fmt: skip
NAMES = {"uncached_input_tokens": 0, "cache_read_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
         "cache_write_other_tokens": 0, "tool_prompt_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0}  # fmt: skip


def payload(usage: Any = None, **more: Any) -> dict[str, Any]:
    """A payload as a proxy sends it; a key of two words leads into an object."""
    found: dict[str, Any] = {
        "id": "chatcmpl-1", "litellm_call_id": "call-1", "call_type": "acompletion", "stream": None,
        "status": "success", "custom_llm_provider": "openai", "cache_hit": None, "startTime": NOW - 1.5,
        "endTime": NOW - 0.5, "completionStartTime": NOW - 1.25, "model": "openai/gpt-4o", "model_group": "fast",
        "response_cost": 0.00037, "request_tags": [], "end_user": None,
        "messages": [{"role": "user", "content": "secret words"}],
        "metadata": {"user_api_key_hash": "ab12", "user_api_key_user_id": "default_user_id",
                     "usage_object": OPENAI if usage is None else usage},
        "response": {"model": "fast", "choices": [{"message": {"content": "secret words"}}]},
        "hidden_params": {"additional_headers": {}}, "error_information": {"error_code": "", "llm_provider": ""},
    }  # fmt: skip
    for key, value in more.items():
        outer, _, inner = key.partition("__")
        if inner:
            found[outer] = {**found.get(outer, {}), inner: value}
        else:
            found[outer] = value
    return found


def sent(body: object, *, tags: dict[str, str] | None = None, kind: str = "application/json") -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return receive(Received("/v1/litellm", {"content-type": kind}, content, "ak_1", tags or {}, NOW))


def records(*payloads: Any, **how: Any) -> list[dict[str, Any]]:
    answered = sent(list(payloads), **how)
    assert answered.status == 200, answered.body
    return [dict(record) for group in answered.groups for record in group]


def record(found: dict[str, Any], **how: Any) -> dict[str, Any]:
    (only,) = records(found, **how)
    return only


def tokens(found: dict[str, Any]) -> dict[str, int]:
    return {name: found[name] for name in NAMES if found[name]}


def test_a_payload_becomes_a_record() -> None:
    found = record(payload(response__service_tier="default"))
    assert found.pop("record_id").startswith("litellm_")
    assert found.pop("usage")
    assert found == {
        **NAMES, "called_at": "2026-11-27T14:30:58.500000Z", "via": "litellm", "provider": "openai",
        "operation": "chat", "request_model": "gpt-4o", "response_model": "gpt-4o", "service_tier": "default",
        "api_key_id": "ab12", "tags": {}, "state": "measured", "outcome": "ok", "status": 200, "call_id": "chatcmpl-1",
        "part": 1, "parts": 1, "requests": 1, "uncached_input_tokens": 36, "cache_read_tokens": 64,
        "output_tokens": 20, "reasoning_tokens": 8, "milliseconds": 1000, "sent_by": "ak_1", "model_group": "fast",
        "litellm_cost": "0.00037",
    }  # fmt: skip


@pytest.mark.parametrize("usage", [OPENAI, {**OPENAI, "cost": 0.5}])
def test_a_cost_that_litellm_estimates_is_not_the_providers(usage: dict[str, Any]) -> None:
    assert "cost_reported" not in record(payload(usage))
    assert "secret" not in json.dumps(record(payload(usage)))


def test_the_cost_of_openrouter_is_its_own() -> None:
    found = record(payload({**OPENAI, "cost": 0.25}, custom_llm_provider="openrouter"))
    assert found["cost_reported"] == "0.25"


@pytest.mark.parametrize(
    ("provider", "usage", "wanted"),
    [
        ("anthropic", ANTHROPIC, {"uncached_input_tokens": 10, "cache_read_tokens": 50, "cache_write_5m_tokens": 20,
                                  "cache_write_1h_tokens": 10, "output_tokens": 7}),
        # The same by way of Bedrock or Vertex AI.
        ("bedrock", ANTHROPIC, {"uncached_input_tokens": 10, "cache_read_tokens": 50, "cache_write_5m_tokens": 20,
                                "cache_write_1h_tokens": 10, "output_tokens": 7}),
        # Some clouds do not say for how long it was written.
        ("bedrock", {"prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97, "cache_read_input_tokens": 50,
                     "prompt_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 30}},
         {"uncached_input_tokens": 10, "cache_read_tokens": 50, "cache_write_other_tokens": 30, "output_tokens": 7}),
        # As it stands in the provider's own answer.
        ("anthropic", {"input_tokens": 10, "cache_read_input_tokens": 50, "output_tokens": 7},
         {"uncached_input_tokens": 10, "cache_read_tokens": 50, "output_tokens": 7}),
        # What tools put in is among the prompt; what a search brought is beside it.
        ("gemini", {"prompt_tokens": 105, "completion_tokens": 20, "total_tokens": 125,
                    "prompt_tokens_details": {"cached_tokens": 40, "tool_use_tokens": 5},
                    "completion_tokens_details": {"reasoning_tokens": 8}},
         {"uncached_input_tokens": 60, "cache_read_tokens": 40, "tool_prompt_tokens": 5, "output_tokens": 20,
          "reasoning_tokens": 8}),
        ("vertex_ai", {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 125,
                       "prompt_tokens_details": {"cached_tokens": 40, "tool_use_tokens": 5}},
         {"uncached_input_tokens": 60, "cache_read_tokens": 40, "tool_prompt_tokens": 5, "output_tokens": 20}),
        ("deepseek", {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "prompt_cache_hit_tokens": 4},
         {"uncached_input_tokens": 6, "cache_read_tokens": 4, "output_tokens": 2}),
    ],
)  # fmt: skip
def test_buckets_exclude_each_other(provider: str, usage: dict[str, Any], wanted: dict[str, int]) -> None:
    found = record(payload(usage, custom_llm_provider=provider))
    assert (tokens(found), found["state"], found.get("flags")) == (wanted, "measured", None)


def test_what_anthropic_tells_beside_tokens() -> None:
    found = record(
        payload({**ANTHROPIC, "server_tool_use": {"web_search_requests": 2}}, custom_llm_provider="anthropic")
    )
    said = {name: found[name] for name in ("service_tier", "speed", "region", "fees")}
    assert said == {"service_tier": "priority", "speed": "fast", "region": "us", "fees": {"web_searches": 2}}


def test_rounds_that_are_billed_by_themselves() -> None:
    rounds = [{"type": "message", "input_tokens": 10, "output_tokens": 5},
              {"type": "compaction", "input_tokens": 80, "output_tokens": 2, "model": "claude-haiku-4-5"}]  # fmt: skip
    usage = {"prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97, "iterations": rounds}
    first, second = records(payload(usage, custom_llm_provider="anthropic", model="anthropic/claude-sonnet-4-5"))
    assert (first["uncached_input_tokens"], second["uncached_input_tokens"]) == (10, 80)
    assert (second["response_model"], second["requests"], second["iteration"]) == ("claude-haiku-4-5", 0, "compaction")
    assert (first["parts"], "litellm_cost" in first, "litellm_cost" in second) == (2, True, False)


@pytest.mark.parametrize(
    ("usage", "more", "state", "why"),
    [
        ({}, {}, "missing", "LiteLLM tells no usage of it"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, {}, "missing", "LiteLLM counts nothing of it"),
        ({"prompt_tokens": "many"}, {}, "missing", "its usage cannot be read: prompt_tokens is no count"),
        ({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}, {"stream": True}, "estimated",
         "a stream that told no cached tokens; LiteLLM counts one that tells no usage itself"),
        (OPENAI, {"stream": True}, "measured", None),
        (OPENAI, {"error_information": {"error_code": "499"}}, "estimated",
         "the caller left; LiteLLM counted what had come"),
        ({}, {"status": "failure", "error_information": {"error_class": "RateLimitError", "error_code": "429",
                                                         "llm_provider": "openai"}},
         "missing", "the call failed (RateLimitError/429) and told no usage"),
        (OPENAI, {"status": "failure", "error_information": {"error_class": "Timeout", "llm_provider": "openai"}},
         "estimated", "the call failed (Timeout); what had come is counted"),
    ],
)  # fmt: skip
def test_what_is_not_measured_says_why(usage: Any, more: dict[str, Any], state: str, why: str | None) -> None:
    found = record(payload(usage, **more))
    assert (found["state"], found.get("why"), found["requests"]) == (state, why, 1)


def test_what_asked_no_provider_used_nothing() -> None:
    cached = record(payload(cache_hit=True, response_cost=0.0))
    refused = record(payload({}, status="failure", error_information={"error_class": "BudgetExceededError"}))
    for found in (cached, refused):
        assert (found["state"], found["requests"], tokens(found)) == ("measured", 0, {})
        assert found["call_id"] == found["record_id"]
        assert "no provider was asked" in found["why"]
    assert "litellm_cost" not in cached
    assert (cached["outcome"], refused["outcome"]) == ("ok", "error")
    assert "refused by LiteLLM (BudgetExceededError)" in refused["why"]


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        ({"error_code": "503", "error_class": "ServiceUnavailableError"}, 503, "error"),
        ({"error_code": "context_length_exceeded", "error_class": "ContextWindowExceededError"}, 400, "error"),
        ({"error_code": "", "error_class": "Timeout"}, 408, "timed_out"),
        ({"error_code": "", "error_class": "APIConnectionError"}, None, "refused_by_network"),
        ({"error_code": "007", "error_class": "Odd words of 1 person"}, None, "error"),
    ],
)
def test_how_a_call_failed(error: dict[str, str], status: int | None, outcome: str) -> None:
    found = record(payload({}, status="failure", error_information={**error, "llm_provider": "openai"}))
    assert (found.get("status"), found["outcome"], found["state"]) == (status, outcome, "missing")


def test_no_message_of_an_error_is_kept() -> None:
    error = {"error_class": "BadRequestError", "error_message": "no secret words", "traceback": "secret words",
             "llm_provider": "openai"}  # fmt: skip
    found = record(payload({}, status="failure", error_information=error, error_str="secret words"))
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("named", "model", "provider"),
    [
        ("azure", "azure/our-deployment", "azure.ai.openai"),
        ("vertex_ai-anthropic_models", "claude-sonnet-4-5", "gcp.vertex_ai"),
        ("xai", "xai/grok-4", "x_ai"),
        ("text-completion-openai", "gpt-3.5-turbo-instruct", "openai"),
        ("groq", "groq/llama", "groq"),
        (None, "mistral/large", "mistral_ai"),
        (None, "alone", "litellm"),
    ],
)
def test_providers_have_the_names_of_opentelemetry(named: str | None, model: str, provider: str) -> None:
    assert record(payload(custom_llm_provider=named, model=model))["provider"] == provider


@pytest.mark.parametrize(
    ("more", "requested", "answered", "deployment"),
    [
        ({"model": "bedrock/us.anthropic.claude-sonnet-4-5", "custom_llm_provider": "bedrock"},
         "us.anthropic.claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5", None),
        ({"model": "openrouter/openai/gpt-4o", "custom_llm_provider": "openrouter"},
         "openai/gpt-4o", "openai/gpt-4o", None),
        ({"response": {"model": "gpt-4o-2024-08-06"}}, "gpt-4o", "gpt-4o-2024-08-06", None),
        ({"apportion": {"response_model": "gpt-4o-2024-11-20"}}, "gpt-4o", "gpt-4o-2024-11-20", None),
        ({"model": "azure/ours", "custom_llm_provider": "azure"}, "ours", None, "ours"),
        ({"model": "azure/ours", "custom_llm_provider": "azure",
          "model_map_information": {"model_map_key": "azure/gpt-4o"}}, "ours", "gpt-4o", "ours"),
        ({"model": "azure/ours", "custom_llm_provider": "azure",
          "model_map_information": {"model_map_key": "azure/ours"}}, "ours", None, "ours"),
    ],
)  # fmt: skip
def test_the_model_is_the_providers(more: Any, requested: str, answered: str | None, deployment: str | None) -> None:
    found = record(payload(**more))
    assert (found["request_model"], found.get("response_model"), found.get("deployment")) == (
        requested,
        answered,
        deployment,
    )


PACKED = base64.b64encode(b"litellm:custom_llm_provider:openai;model_id:m;response_id:resp_26").decode().rstrip("=")


@pytest.mark.parametrize(
    ("more", "call_id"),
    [
        ({"id": f"resp_{PACKED}"}, "resp_26"),
        ({"id": "resp_26"}, "resp_26"),
        ({"id": f"resp_{'x' * 400}"}, "call-1"),
        ({"id": f"resp_{'x' * 400}", "apportion": {"response_id": "resp_27"}}, "resp_27"),
        ({"id": "words of a person!"}, "call-1"),
        ({"custom_llm_provider": "bedrock",
          "hidden_params": {"additional_headers": {"llm_provider-x-amzn-requestid": "r-1"}}}, "r-1"),
    ],
)  # fmt: skip
def test_the_call_is_known_by_the_providers_id(more: dict[str, Any], call_id: str) -> None:
    assert record(payload(**more))["call_id"] == call_id


def test_keys_go_before_what_callers_say() -> None:
    metadata = {
        "user_api_key_team_alias": "ranking", "user_api_key_team_id": "t-1", "user_api_key_org_id": "o-1",
        "user_api_key_alias": "nightly", "user_api_key_user_id": "ada", "user_api_key_end_user_id": "acme-7",
        "user_api_key_auth_metadata": {"cost_center": "4711"}, "usage_object": OPENAI,
        "requester_custom_headers": {"X-Apportion-Job-Type": "batch", "x-apportion-key": "apk-secret", "x-other": "1"},
        "requester_metadata": {"team": "someone else's", "customer": "acme", "headers": {"host": "h"}, "tags": ["a"],
                               "nested": {"a": 1}},
        "spend_logs_metadata": {"feature": "from spend logs", "run": 7},
    }  # fmt: skip
    listed = ["feature:answers", "team=stolen", "User-Agent: curl/8", "nightly-run", "a=b=c", 7]
    found = record(payload(metadata=metadata, request_tags=listed), tags={"env": "prod", "customer": "of the key"})
    assert found["tags"] == {
        "env": "prod", "customer": "of the key", "team": "ranking", "team_id": "t-1", "organization": "o-1",
        "key_alias": "nightly", "cost_center": "4711", "job_type": "batch", "feature": "answers",
        "nightly-run": "true", "a": "b=c", "run": "7", "end_user": "acme-7",
    }  # fmt: skip
    assert found["tags_dropped"] == 1
    assert (found["user_id"], found["api_key_id"]) == ("ada", "ak_1")


def test_the_same_payload_is_the_same_record() -> None:
    again = {**dict(reversed(payload().items())), "id": "another", "response_cost": 9}
    assert record(payload())["record_id"] == record(again)["record_id"]
    others = [payload(litellm_call_id="call-2"), payload(startTime=NOW - 2), payload(status="failure")]
    assert len({found["record_id"] for found in records(payload(), *others)}) == 4


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_all_three_forms_of_the_webhook_are_read(kind: str) -> None:
    one, two = payload(), payload(litellm_call_id="call-2")
    lines = b"\n".join(json.dumps(each).encode() for each in (one, two))
    assert [len(sent(body, kind=kind).groups) for body in ([one, two], lines, one)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        (None, None, "no JSON object"),
        ({}, "startTime", "is not there"),
        ({"startTime": "2026-11-27"}, "startTime", "is no number"),
        ({"startTime": 1e300}, "startTime", "not of a time"),
        ({"startTime": NOW + 90_000}, "startTime", "not of a time"),
        ({"startTime": "2026-11-27 14:30:00", "usage": "Usage(prompt_tokens=1)"}, "usage", "first form"),
    ],
)
def test_what_cannot_be_read_is_said(bad: Any, column: str | None, reason: str) -> None:
    answered = sent([payload(), bad])
    said = json.loads(answered.body)
    assert (answered.status, said["accepted"], said["rejected"]) == (200, 1, 1)
    (error,) = said["errors"]
    assert (error["row"], error["column"]) == (2, column)
    assert reason in error["reason"]
    assert error["cure"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
COUNTS = st.dictionaries(
    st.sampled_from([*OPENAI, *ANTHROPIC, "iterations", "input_tokens", "cost", "type", "seconds"]),
    ANYTHING | st.integers(0, 200) | st.dictionaries(st.sampled_from([
        "cached_tokens", "cache_write_tokens", "tool_use_tokens", "cache_creation_token_details", "reasoning_tokens",
        "web_search_requests"]), ANYTHING | st.integers(0, 200), max_size=4),
    max_size=8,
)  # fmt: skip
PLACES = st.sampled_from([*payload(), "apportion", "cost_breakdown", "model_map_information"])
INNER = st.sampled_from(["requester_metadata", "user_api_key_team_alias", "requester_custom_headers", "model",
                         "additional_headers", "error_code", "llm_provider", "response_id", "usage"])  # fmt: skip
CHANGES = st.dictionaries(PLACES, ANYTHING | st.dictionaries(INNER, ANYTHING, max_size=3), max_size=4)
PROVIDERS = st.sampled_from(["openai", "anthropic", "gemini", "bedrock", "vertex_ai", "azure", "odd"])


@given(st.lists(st.tuples(COUNTS, CHANGES, PROVIDERS) | ANYTHING, min_size=1, max_size=4))
def test_every_payload_is_taken_or_refused(made: list[Any]) -> None:
    rows = [
        {**payload(each[0], custom_llm_provider=each[2]), **each[1]} if isinstance(each, tuple) else each
        for each in made
    ]
    body = json.dumps(rows).replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null")
    answered = sent(body.encode())
    said = json.loads(answered.body)
    assert said["accepted"] + said["rejected"] == len(rows)
    assert len(answered.groups) == said["accepted"]
    for group in answered.groups:
        assert [each["part"] for each in group] == list(range(1, len(group) + 1))
        for found in group:
            assert found["provider"]
            assert found["state"] in {"measured", "estimated", "missing"}
            assert all(value >= 0 for name, value in found.items() if name.endswith("_tokens"))
            assert "secret" not in json.dumps(found)


@given(st.binary(max_size=200))
def test_no_bytes_end_it(body: bytes) -> None:
    assert sent(body).status in {200, 400, 413, 422}
