"""Telemetry of calls: counts become disjoint buckets, each call is one, nothing of what was said is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apportion.gateway.receivers.otlp import logs, metrics, traces
from apportion.gateway.receivers.receiver import Answered, Received, Receiver

NOW = datetime(2026, 11, 27, 14, 31, tzinfo=UTC).timestamp()
STARTED = int(NOW * 10**9)
JSON, PROTOBUF = "application/json", "application/x-protobuf"
CANARY = "what a person said"


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": value}


def attributes(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in found.items()]


def span(number: int, said: dict[str, Any], parent: int = 0, name: str = "chat", **more: Any) -> dict[str, Any]:
    ids = {"traceId": "ab" * 16, "spanId": f"{number:016x}"} | ({"parentSpanId": f"{parent:016x}"} if parent else {})
    times = {"startTimeUnixNano": str(STARTED), "endTimeUnixNano": str(STARTED + 2 * 10**9)}
    return {**ids, **times, "name": name, "attributes": attributes(said), **more}


def of(*spans: dict[str, Any], scope: str = "test", resource: dict[str, Any] | None = None) -> dict[str, Any]:
    held = {"resource": {"attributes": attributes(resource or {})}}
    return {"resourceSpans": [held | {"scopeSpans": [{"scope": {"name": scope}, "spans": list(spans)}]}]}


def sent(receiver: Receiver, body: object, kind: str = JSON, tags: dict[str, str] | None = None) -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return receiver(Received("/v1/traces", {"content-type": kind}, content, "ak_1", tags or {}, NOW))


def records(answered: Answered) -> list[dict[str, Any]]:
    assert answered.status == 200, answered.body
    return [dict(record) for group in answered.groups for record in group]


def tokens(record: dict[str, Any]) -> dict[str, int]:
    return {name.removesuffix("_tokens"): value for name, value in record.items() if "_tokens" in name and value}


CURRENT = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o",
           "gen_ai.response.id": "chatcmpl-1", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
           "gen_ai.usage.cache_read.input_tokens": 60}  # fmt: skip
OLDER = {"gen_ai.system": "openai", "llm.request.type": "chat", "gen_ai.response.model": "gpt-4o",
         "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20}  # fmt: skip
OPEN_INFERENCE = {"openinference.span.kind": "LLM", "llm.provider": "openai", "llm.model_name": "gpt-4o",
                  "llm.token_count.prompt": 100, "llm.token_count.completion": 20,
                  "llm.token_count.prompt_details.cache_read": 60}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "scope", "expected"),
    [
        (CURRENT, "x", {"uncached_input": 40, "cache_read": 60, "output": 20}),
        (OLDER, "x", {"uncached_input": 100, "output": 20}),
        (OPEN_INFERENCE, "openinference.instrumentation.openai",
         {"uncached_input": 40, "cache_read": 60, "output": 20}),
        (CURRENT | {"gen_ai.usage.reasoning.output_tokens": 8}, "x",
         {"uncached_input": 40, "cache_read": 60, "output": 20, "reasoning": 8}),
        (CURRENT | {"gen_ai.provider.name": "anthropic", "gen_ai.usage.cache_write.input_tokens": 30,
                    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 30},
         "com.anthropic.claude-platform",
         {"uncached_input": 10, "cache_read": 60, "cache_write_1h": 30, "output": 20}),
        (CURRENT | {"gen_ai.provider.name": "aws.bedrock"}, "opentelemetry.instrumentation.bedrock",
         {"uncached_input": 100, "cache_read": 60, "output": 20}),
    ],
)  # fmt: skip
def test_counts_become_disjoint_buckets(said: dict[str, Any], scope: str, expected: dict[str, int]) -> None:
    (record,) = records(sent(traces, of(span(1, said), scope=scope)))
    assert tokens(record) == expected
    assert (record["state"], record["via"], record["requests"]) == ("measured", "otlp", 1)


def test_where_nobody_can_know_whether_cached_tokens_are_among_the_input_it_is_an_estimate() -> None:
    said = CURRENT | {"gen_ai.provider.name": "anthropic"}
    (record,) = records(sent(traces, of(span(1, said), scope="of-somebody")))
    assert record["state"] == "estimated"
    assert "of-somebody counts cached tokens" in record["why"]


def test_a_record_says_whose_call_it_was_and_when() -> None:
    said = CURRENT | {"apportion.team": "other", "apportion.feature": "x", "user.id": "ana"}
    (record,) = records(sent(traces, of(span(1, said), resource={"service.name": "shop"}), tags={"team": "search"}))
    assert record["tags"] == {"team": "search", "feature": "x", "service.name": "shop", "user.id": "ana"}
    assert (record["user_id"], record["call_id"], record["milliseconds"]) == ("ana", "chatcmpl-1", 2000)
    assert record["called_at"] == "2026-11-27T14:31:00.000000Z"
    assert record["record_id"] == f"{'ab' * 16}-{1:016x}"


def test_a_span_that_comes_again_is_the_same_record() -> None:
    body = of(span(1, CURRENT))
    assert records(sent(traces, body)) == records(sent(traces, body))


def test_spans_of_agents_and_tools_do_not_repeat_their_children() -> None:
    agent = CURRENT | {"gen_ai.operation.name": "invoke_agent"}
    tool = {"gen_ai.operation.name": "execute_tool"}
    answered = sent(traces, of(span(1, agent), span(2, CURRENT, 1), span(3, tool, 1), span(4, CURRENT, 3)))
    assert [record["record_id"][-1] for record in records(answered)] == ["2", "4"]
    assert answered.counts == {"accepted": 2, "ignored": 2}


def test_of_a_framework_s_span_and_its_client_s_one_counts() -> None:
    found = records(sent(traces, of(span(1, OPEN_INFERENCE | {"apportion.team": "ml"}), span(2, CURRENT, 1))))
    assert [(record["record_id"][-1], record["tags"]) for record in found] == [("2", {"team": "ml"})]


def test_a_call_that_failed_is_missing_and_says_why() -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "error.type": "429"}
    (record,) = records(sent(traces, of(span(1, said, status={"code": 2, "message": CANARY}))))
    assert (record["state"], record["outcome"], record["status"]) == ("missing", "error", 429)
    assert CANARY not in json.dumps(record)


def test_nothing_that_was_said_in_a_call_is_kept() -> None:
    texts = ("gen_ai.prompt.0.content", "gen_ai.completion.0.content", "gen_ai.input.messages", "input.value",
             "output.value", "llm.input_messages.0.message.content", "gen_ai.system_instructions",
             "ai.prompt.messages", "traceloop.entity.input")  # fmt: skip
    said = CURRENT | dict.fromkeys(texts, CANARY)
    event = {"name": "gen_ai.content.prompt", "attributes": attributes({"gen_ai.prompt": CANARY})}
    answered = sent(traces, of(span(1, said, events=[event])))
    assert len(records(answered)) == 1
    assert CANARY not in json.dumps(records(answered))


def log(said: dict[str, Any], name: str) -> dict[str, Any]:
    record = {"timeUnixNano": str(STARTED), "body": {"stringValue": name}, "attributes": attributes(said)}
    return {
        "resourceLogs": [
            {
                "resource": {},
                "scopeLogs": [{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": [record]}],
            }
        ]
    }


def test_claude_code_s_own_events() -> None:
    said = {"event.name": "api_request", "model": "claude-sonnet-4-5", "request_id": "req_1", "input_tokens": 5,
            "output_tokens": 7, "cache_read_tokens": 100, "cache_creation_tokens": 20, "cost_usd": 0.01,
            "prompt": CANARY}  # fmt: skip
    answered = sent(logs, log(said, "claude_code.api_request"))
    (record,) = records(answered)
    assert tokens(record) == {"uncached_input": 5, "cache_read": 100, "cache_write_other": 20, "output": 7}
    assert (record["provider"], record["call_id"]) == ("anthropic", "req_1")
    assert CANARY not in json.dumps(record)


def test_metrics_are_taken_and_their_sender_is_told_that_they_are_not_counted() -> None:
    point = {"asInt": "5", "timeUnixNano": str(STARTED)}
    metric = {"name": "claude_code.token.usage", "sum": {"dataPoints": [point]}}
    answered = sent(metrics, {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
    assert (answered.status, answered.groups, answered.counts) == (200, (), {"ignored": 1})
    assert "send spans to /v1/traces" in json.loads(answered.body)["partialSuccess"]["errorMessage"]


def test_a_span_that_cannot_be_taken_is_rejected_as_the_protocol_says() -> None:
    bad = span(2, CURRENT) | {"startTimeUnixNano": "0"}
    answered = sent(traces, of(span(1, CURRENT), bad))
    assert len(records(answered)) == 1
    said = json.loads(answered.body)["partialSuccess"]
    assert said["rejectedSpans"] == "1"
    assert "spans[1] has no start time" in said["errorMessage"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", JSON, 400), (b"\xff\xff", PROTOBUF, 400), (b"", "text/plain", 415), (b"[]", JSON, 400)],
)
def test_what_cannot_be_read_is_refused_for_good(body: bytes, kind: str, status: int) -> None:
    answered = sent(traces, body, kind)
    assert answered.status == status
    assert answered.groups == ()


def test_an_answer_is_in_the_encoding_of_the_request() -> None:
    assert ExportTraceServiceResponse.FromString(sent(traces, b"", PROTOBUF).body) == ExportTraceServiceResponse()
    assert ExportLogsServiceResponse.FromString(sent(logs, b"", PROTOBUF).body) == ExportLogsServiceResponse()
    assert sent(traces, {}).body == b"{}"


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
KEYS = st.sampled_from([*CURRENT, *OLDER, *OPEN_INFERENCE, "error.type", "gen_ai.usage.total_tokens"])


@settings(max_examples=150)
@given(st.dictionaries(KEYS, PLAIN.filter(lambda value: value is not None), max_size=12), st.text(max_size=12))
def test_no_counts_end_it_and_none_becomes_negative(said: dict[str, Any], scope: str) -> None:
    answered = sent(traces, of(span(1, said), scope=scope))
    for record in records(answered):
        assert all(value >= 0 for name, value in record.items() if name.endswith("_tokens"))
        assert record["state"] in {"measured", "estimated", "missing"}


@settings(max_examples=150)
@given(st.sampled_from([traces, logs, metrics]), st.sampled_from([JSON, PROTOBUF]), st.binary(max_size=300))
def test_no_bytes_end_it(receiver: Receiver, kind: str, body: bytes) -> None:
    answered = sent(receiver, body, kind)
    assert answered.status in {200, 400}
    assert len(answered.body) < 5000


@settings(max_examples=150)
@given(st.data())
def test_a_message_that_was_cut_or_changed_ends_nothing(data: st.DataObject) -> None:
    body = bytearray(json.dumps(of(span(1, CURRENT), span(2, OLDER, 1))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=3))
        if not body:
            break
    assert sent(traces, bytes(body)).status in {200, 400}
