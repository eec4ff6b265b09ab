"""What real senders tell: Anthropic's SDK, beside what the gateway sees of its calls, and OpenTelemetry's own."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.gateway.answers import CHAT, says, streams, whole
from tests.gateway.stage import SECRET, Caller, Stage, playing, request
from tests.unit.gateway.receivers.test_otlp import CURRENT, of, span

SAID = "what a person said"
USAGE: dict[str, Any] = {
    "input_tokens": 12,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 5,
    "service_tier": "standard",
}
MESSAGE: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
           "content": [{"type": "text", "text": SAID}], "stop_reason": "end_turn", "usage": USAGE}  # fmt: skip
BEGUN: dict[str, Any] = MESSAGE | {"content": [], "stop_reason": None, "usage": USAGE | {"output_tokens": 1}}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("message_start", {"message": BEGUN}),
    ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": SAID}}),
    ("content_block_stop", {"index": 0}),
    ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}),
    ("message_stop", {}),
]
STREAM = [f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode() for kind, said in EVENTS]


def sender(stage: Stage, exporter: Any, path: str) -> Any:
    return exporter(f"http://127.0.0.1:{stage.port}/v1/{path}", headers={"x-apportion-key": SECRET}, timeout=10)


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_s_sdk_and_the_gateway_tell_of_one_call_alike(tmp_path: Path, *, stream: bool) -> None:
    play = streams(STREAM) if stream else says(whole(json.dumps(MESSAGE).encode()))
    with playing(play, tmp_path, auth="x-api-key", provider="anthropic") as stage:
        tracing = TracerProvider(resource=Resource({"service.name": "shop"}))
        tracing.add_span_processor(SimpleSpanProcessor(sender(stage, OTLPSpanExporter, "traces")))
        client = Anthropic(
            api_key=SECRET,
            base_url=f"http://127.0.0.1:{stage.port}/up",
            open_telemetry={"tracer_provider": tracing, "traces": {"content_mode": "content"}},
            max_retries=0,
        )
        asked: Any = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": [{"role": "user", "content": SAID}]}
        with client:
            if stream:
                with client.messages.stream(**asked) as events:
                    assert events.get_final_message().id == "msg_1"
            else:
                assert client.messages.create(**asked).id == "msg_1"
        tracing.shutdown()
        seen, told = sorted(stage.records(2), key=lambda record: str(record["via"]))
    assert (seen["via"], told["via"]) == ("gateway", "otlp")
    same = ("call_id", "provider", "operation", "state", "request_model", "response_model", "service_tier", "requests",
            "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_other_tokens",
            "output_tokens", "status", "outcome")  # fmt: skip
    assert [told.get(name) for name in same] == [seen.get(name) for name in same]
    assert (told["uncached_input_tokens"], told["cache_write_5m_tokens"], told["state"]) == (12, 200, "measured")
    assert SAID not in json.dumps([seen, told])


def test_anthropic_s_sdk_tells_of_a_call_that_failed(tmp_path: Path) -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": SAID}}
    play = says(whole(json.dumps(error).encode(), status="429 Too Many Requests"))
    with playing(play, tmp_path, auth="x-api-key", provider="anthropic") as stage:
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(sender(stage, OTLPSpanExporter, "traces")))
        client = Anthropic(
            api_key=SECRET,
            base_url=f"http://127.0.0.1:{stage.port}/up",
            open_telemetry={"tracer_provider": tracing},
            max_retries=0,
        )
        with client, pytest.raises(Exception, match="429"):
            client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": SAID}])
        tracing.shutdown()
        (told,) = [record for record in stage.records(2) if record["via"] == "otlp"]
    assert (told["state"], told["outcome"], told["status"]) == ("missing", "error", 429)
    assert told["why"] == "the call failed (rate_limit_error) and tells no usage"


def test_opentelemetry_s_sdk_sends_events(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "event.name": "api_request",
        "model": "claude-sonnet-5",
        "request_id": "req_1",
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_tokens": 100,
        "cache_creation_tokens": 20,
    }
    with playing(says(whole(CHAT)), tmp_path) as stage:
        provider = LoggerProvider(resource=Resource({"service.name": "claude-code", "team.id": "platform"}))
        provider.add_log_record_processor(SimpleLogRecordProcessor(sender(stage, OTLPLogExporter, "logs")))
        provider.get_logger("com.anthropic.claude_code.events").emit(
            body="claude_code.api_request", attributes=said, timestamp=1_790_000_000_000_000_000
        )
        provider.shutdown()
        (record,) = stage.records(1)
    assert (record["via"], record["call_id"], record["uncached_input_tokens"]) == ("otlp", "req_1", 5)
    assert record["tags"]["team.id"] == "platform"


def test_opentelemetry_s_sdk_sends_metrics_that_are_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, caplog.at_level(logging.ERROR):
        reader = PeriodicExportingMetricReader(sender(stage, OTLPMetricExporter, "metrics"), 60_000)
        provider = MeterProvider([reader])
        counter = provider.get_meter("com.anthropic.claude_code").create_counter("claude_code.token.usage")
        counter.add(5, {"type": "input", "model": "claude-sonnet-5"})
        assert provider.force_flush()
        provider.shutdown()
        assert stage.call(lambda: stage.worker.metrics.of("received", "metrics", "ignored")) >= 1
        assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_json_that_is_sent_twice_is_two_lines_of_one_record(tmp_path: Path) -> None:
    body = json.dumps(of(span(1, CURRENT), resource={"service.name": "shop"})).encode()
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        for _ in range(2):
            status, headers, answer = caller.send(request("/v1/traces", body)).answer()
            assert (status, headers["content-type"], answer) == (200, "application/json", b"{}")
        first, again = stage.records(2)
    assert (first["record_id"], first["call_id"]) == (again["record_id"], again["call_id"])


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        status, headers, answer = caller.send(request("/v1/traces", b"{")).answer()
        assert (status, headers["content-type"], json.loads(answer)["code"]) == (400, "application/json", 3)
        assert stage.call(lambda: stage.worker.metrics.of("received", "traces", "unreadable")) == 1
        assert list(tmp_path.iterdir()) == []
