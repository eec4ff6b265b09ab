"""Both encodings say the same, answers are the protocol's own messages, and no message ends the receiver."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from apportion.gateway.receivers.otlp import logs, metrics, traces
from apportion.gateway.receivers.receiver import Answered, Receiver
from tests.unit.gateway.receivers.test_otlp import CURRENT, JSON, OPEN_INFERENCE, PROTOBUF, STARTED, of, records, sent
from tests.unit.gateway.receivers.test_otlp import span as made
from tests.unit.gateway.receivers.test_otlp_events import API_REQUEST, message

REQUESTS: dict[str, Any] = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
}
METRICS = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
    {"name": "gen_ai.client.token.usage", "unit": "{token}", "histogram": {"aggregationTemporality": 1, "dataPoints": [
        {"startTimeUnixNano": "1", "timeUnixNano": "2", "count": "2", "sum": 120.0},
        {"startTimeUnixNano": "1", "timeUnixNano": "2", "count": "1", "sum": 20.0}]}},
    {"name": "http.server.duration", "gauge": {"dataPoints": [{"asDouble": 0.1}]}},
    {"name": "nothing"}]}]}]}  # fmt: skip


def as_protobuf(document: dict[str, Any]) -> bytes:
    """A message in JSON, in protobuf: OpenTelemetry writes ids in hexadecimal where protobuf has base64."""

    def changed(value: Any) -> Any:
        if isinstance(value, list):
            return [changed(each) for each in value]
        if isinstance(value, dict):
            return {
                key: b64encode(bytes.fromhex(each)).decode() if key.endswith(("raceId", "panId")) else changed(each)
                for key, each in value.items()
            }
        return value

    (kind,) = document
    data: bytes = ParseDict(changed(document), REQUESTS[kind]()).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("receiver", "document"),
    [
        (traces, of(made(1, OPEN_INFERENCE), made(2, CURRENT, 1, status={"code": 2}), resource={"service.name": "s"})),
        (traces, of(made(1, CURRENT, status={"code": 1}), made(2, CURRENT | {"a": True, "b": 0.5, "c": ["x"]}))),
        (logs, message(("claude_code.api_request", API_REQUEST), resource={"team": "x"}, traceId="ab" * 16)),
        (metrics, METRICS),
    ],
)
def test_both_encodings_say_the_same(receiver: Receiver, document: dict[str, Any]) -> None:
    plain, packed = sent(receiver, document), sent(receiver, as_protobuf(document), PROTOBUF)
    assert (packed.groups, packed.counts) == (plain.groups, plain.counts)
    assert (plain.kind, packed.kind) == (JSON, PROTOBUF)


def _said(response: Any) -> str:
    text: str = response.partial_success.error_message
    return text


def test_partial_success_in_protobuf_is_the_protocol_s_own() -> None:
    lost = made(1, CURRENT) | {"startTimeUnixNano": "0"}
    answered = sent(traces, as_protobuf(of(*[lost | {"spanId": f"{n:016x}"} for n in range(1, 301)])), PROTOBUF)
    spans = ExportTraceServiceResponse.FromString(answered.body)
    assert spans.partial_success.rejected_spans == 300
    assert _said(spans).endswith("and 297 more")
    assert answered.counts == {"rejected": 300}
    late = as_protobuf(message(("claude_code.api_request", API_REQUEST), timeUnixNano="0"))
    found = ExportLogsServiceResponse.FromString(sent(logs, late, PROTOBUF).body)
    assert found.partial_success.rejected_log_records == 1
    counted = ExportMetricsServiceResponse.FromString(sent(metrics, as_protobuf(METRICS), PROTOBUF).body)
    assert counted.partial_success.rejected_data_points == 0
    assert "2 data points of tokens were not counted" in _said(counted)


def test_metrics_of_other_things_are_no_news() -> None:
    other = {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": METRICS["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][1:]}]}
        ]
    }
    assert sent(metrics, other).body == b"{}"
    assert sent(metrics, other).counts == {"ignored": 1}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"resourceSpans": {}}, "`resourceSpans` of the body is no list"),
        ({"resourceSpans": ["x"]}, "`resourceSpans[0]` of the body is no object"),
        ({"resourceSpans": [{"scopeSpans": 5}]}, "`scopeSpans` of resourceSpans[0] is no list"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [None]}]}]},
         "`spans[0]` of resourceSpans[0].scopeSpans[0] is no object"),
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": {"a": 1}}]}]}]},
         "`attributes` of a span is no list"),
        ({"resourceLogs": []}, "`resourceLogs` was sent to /v1/traces; it belongs to /v1/logs"),
        ([], "the body is no JSON object with `resourceSpans`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_json_is_told_with_its_place(document: Any, why: str) -> None:
    answered = sent(traces, document)
    assert (answered.status, answered.kind) == (400, JSON)
    assert json.loads(answered.body) == {"code": 3, "message": why}


def test_what_is_wrong_with_protobuf_is_a_status_of_google_s() -> None:
    answered = sent(traces, b"\xff\xff\xff", PROTOBUF)
    assert (answered.status, answered.kind) == (400, PROTOBUF)
    status = Status.FromString(answered.body)
    assert status.code == 3
    assert status.message.startswith("the body is no ExportTraceServiceRequest: ")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/grpc", "application/x-protobuf2", "a\x01b"])
def test_other_types_are_not_read(kind: str) -> None:
    answered = sent(traces, b"", kind)
    assert (answered.status, answered.kind) == (415, JSON)
    assert "content-type" in json.loads(answered.body)["message"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", " application/json "])
def test_a_type_may_have_parameters(kind: str) -> None:
    assert len(records(sent(traces, of(made(1, CURRENT)), kind))) == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"traceId": ""}, "has no trace id"),
        ({"traceId": "00" * 16}, "has no trace id"),
        ({"traceId": "ab" * 15}, "has no trace id"),
        ({"traceId": "q83vq6vNq83vq6vNq83vqw=="}, "has no trace id"),
        ({"traceId": None}, "has no trace id"),
        ({"traceId": " " + "ab" * 16}, "has no trace id"),
        ({"spanId": "0" * 16}, "has no span id"),
        ({"spanId": 7}, "has no span id"),
        ({"startTimeUnixNano": None}, "has no start time"),
        ({"startTimeUnixNano": "-5"}, "has no start time"),
        ({"startTimeUnixNano": str(2**64 - 1)}, "has no start time"),
        ({"startTimeUnixNano": "1" * 5000}, "has no start time"),
        ({"startTimeUnixNano": STARTED // 10**9}, "has no start time"),
    ],
)
def test_a_span_without_an_identity_or_a_time_is_rejected(more: dict[str, Any], why: str) -> None:
    answered = sent(traces, of(made(1, CURRENT), made(2, CURRENT) | more))
    assert len(records(answered)) == 1
    partial = json.loads(answered.body)["partialSuccess"]
    assert (partial["rejectedSpans"], answered.counts) == ("1", {"accepted": 1, "rejected": 1})
    assert f"resourceSpans[0].scopeSpans[0].spans[1] {why}" in partial["errorMessage"]


def test_ids_in_capitals_and_numbers_as_numbers_are_the_same() -> None:
    odd = made(1, CURRENT) | {"traceId": "AB" * 16, "startTimeUnixNano": STARTED, "unknown": {"deep": []}}
    assert records(sent(traces, of(odd))) == records(sent(traces, of(made(1, CURRENT))))


@pytest.mark.parametrize("size", [900, 100_000])
def test_depth_ends_nothing(size: int) -> None:
    deep = b"[" * size + b"]" * size
    assert sent(traces, deep).status == 400
    value = b'{"arrayValue":{"values":[' * size + b"]}}" * size
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":' + value + b"}]}]}]}]}"
    assert sent(traces, body).status in {200, 400}


def test_many_spans_have_a_short_answer() -> None:
    odd = CURRENT | {"gen_ai.operation.name": "x" * 200}
    many = [made(n, odd | {"gen_ai.operation.name": f"{n}" + "x" * 190}) for n in range(1, 2000)]
    assert len(sent(traces, of(*many)).body) < 3000


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
FIELDS = st.sampled_from(
    ["resourceSpans", "resource", "attributes", "scopeSpans", "scope", "name", "spans", "traceId", "spanId", "key",
     "value", "intValue", "stringValue", "doubleValue", "status", "code", "startTimeUnixNano", "resourceLogs",
     "scopeLogs", "logRecords", "body", "resourceMetrics", "scopeMetrics", "metrics", "sum", "dataPoints"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=5), max_leaves=40
)


def sound(answered: Answered) -> None:
    """What holds of every answer."""
    assert answered.status in {200, 400}
    assert len(answered.body) < 5000
    for group in answered.groups:
        assert group[0]["requests"] == 1
        for record in group:
            assert json.loads(json.dumps(record)) == record
            assert record["state"] in {"measured", "estimated", "missing"}
            assert all(value >= 0 for name, value in record.items() if name.endswith("_tokens"))


@settings(max_examples=200)
@given(st.sampled_from([traces, logs, metrics]), DOCUMENTS)
def test_no_document_ends_it(receiver: Receiver, document: Any) -> None:
    sound(sent(receiver, document))


@settings(max_examples=200)
@example([(0, 0, 0)])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 255)), max_size=6))
def test_a_protobuf_message_that_was_changed_ends_nothing(changes: list[tuple[int, int, int]]) -> None:
    body = bytearray(as_protobuf(of(made(1, OPEN_INFERENCE), made(2, CURRENT, 1), resource={"team": "x"})))
    for at, cut, byte in changes:
        place = at % (len(body) or 1)
        body[place : place + cut] = bytes([byte])
    sound(sent(traces, bytes(body), PROTOBUF))


COUNTS = {
    "gen_ai.usage.input_tokens": "input",
    "gen_ai.usage.output_tokens": "output",
    "gen_ai.usage.cache_read.input_tokens": "read",
    "gen_ai.usage.cache_write.input_tokens": "write",
}


@settings(max_examples=300)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(COUNTS, st.integers(-2, 50) | st.sampled_from(["7", "x", 2.5]))),
    st.sampled_from(["openai", "anthropic", "aws.bedrock", "gcp.gemini"]),
    st.sampled_from(["com.anthropic.sdk.python", "opentelemetry.instrumentation.bedrock", "of-somebody"]),
)
def test_what_is_measured_is_what_was_told(counts: dict[str, Any], provider: str, scope: str) -> None:
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, **counts}
    (record,) = records(sent(traces, of(made(1, said), scope=scope)))
    plain = {name: int(value) for name, value in counts.items() if str(value).isdigit()}
    if record["state"] != "measured":
        assert record["why"]
        return
    # Nothing unreadable, both sides told, and every token of every bucket is one that was told.
    assert len(plain) == len(counts)
    whole, output = plain["gen_ai.usage.input_tokens"], plain["gen_ai.usage.output_tokens"]
    cached = record["cache_read_tokens"] + record["cache_write_other_tokens"]
    assert cached == sum(value for name, value in plain.items() if "cache" in name)
    assert record["output_tokens"] == output
    assert record["uncached_input_tokens"] in {whole, whole - cached}
    if provider not in {"anthropic", "aws.bedrock"}:
        assert record["uncached_input_tokens"] == whole - cached


def test_examples_of_five_spans_in_both_encodings(shared: Path) -> None:
    folder = shared / "providers" / "otlp"
    plain = sent(traces, (folder / "synthetic_genai_spans.json").read_bytes())
    packed = sent(traces, (folder / "synthetic_genai_spans.pb").read_bytes(), PROTOBUF)
    assert plain.groups == packed.groups
    assert plain.counts == {"accepted": 4, "ignored": 1}
    names = ("uncached_input_tokens", "cache_read_tokens", "output_tokens")
    told = [tuple(record[name] for name in names) for record in records(plain)]
    assert told == [(8, 4012, 4), (3, 1111, 33), (22, 0, 10), (3, 1111, 33)]
