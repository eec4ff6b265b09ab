"""Events of coding agents, and the conventions' own, each the same record whenever it comes."""

from __future__ import annotations

from typing import Any

from apportion.gateway.receivers.otlp import logs, traces
from tests.unit.gateway.receivers.test_otlp import CURRENT, STARTED, attributes, of, records, sent, span, tokens

API_REQUEST = {"event.name": "api_request", "event.sequence": 4, "session.id": "s1", "user.id": "installation",
               "user.email": "ana@example.com", "model": "claude-sonnet-4-5", "request_id": "req_1",
               "input_tokens": "5", "output_tokens": "7", "cache_read_tokens": "100", "cache_creation_tokens": "20",
               "cost_usd": 0.01, "duration_ms": "1500"}  # fmt: skip


def message(*found: tuple[str, dict[str, Any]], resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    held = [
        {"timeUnixNano": str(STARTED), "body": {"stringValue": name}, "attributes": attributes(said), **more}
        for name, said in found
    ]
    return {"resourceLogs": [{"resource": {"attributes": attributes(resource or {})}, "scopeLogs": [
        {"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": held}]}]}  # fmt: skip


def only(name: str, said: dict[str, Any], **more: Any) -> dict[str, Any]:
    (record,) = records(sent(logs, message((name, said), **more)))
    return record


def test_claude_code_s_requests() -> None:
    resource = {"service.name": "claude-code", "team.id": "platform", "cost_center": "eng-1"}
    record = only("claude_code.api_request", API_REQUEST, resource=resource)
    assert tokens(record) == {"uncached_input": 5, "cache_read": 100, "cache_write_other": 20, "output": 7}
    assert (record["state"], record["requests"], record["user_id"]) == ("measured", 1, "ana@example.com")
    # The event is written when the answer is there; the call began before.
    assert (record["called_at"], record["milliseconds"]) == ("2026-11-27T14:30:58.500000Z", 1500)
    assert record["tags"] | {"user.email": "", "user.id": ""} == {
        "session.id": "s1", "user.email": "", "user.id": "", "service.name": "claude-code", "team.id": "platform",
        "cost_center": "eng-1",
    }  # fmt: skip
    # What it works out for itself is no cost that the provider reports.
    assert "cost_reported" not in record
    assert '"cost_usd":0.01' in record["usage"]


def test_claude_code_s_errors_are_calls_without_usage() -> None:
    said = {
        "event.name": "api_error",
        "model": "claude-sonnet-4-5",
        "error": "what a person said",
        "status_code": "529",
    }
    record = only("claude_code.api_error", said)
    assert (record["state"], record["outcome"], record["status"]) == ("missing", "error", 529)
    assert record["why"] == "the call failed (529) and tells no usage"
    assert "person" not in str(record)


def test_its_event_and_its_span_are_one_call() -> None:
    event = only("claude_code.api_request", API_REQUEST)
    said = API_REQUEST | {"gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.response.id": "msg_1"}
    (seen,) = records(sent(traces, of(span(1, said, name="claude_code.llm_request"))))
    assert (event["provider"], event["call_id"]) == (seen["provider"], seen["call_id"])
    assert tokens(event) == tokens(seen)


def test_an_event_that_comes_again_is_the_same_record_and_another_is_not() -> None:
    first, again = only("claude_code.api_request", API_REQUEST), only("claude_code.api_request", API_REQUEST)
    assert first == again
    other = only("claude_code.api_request", API_REQUEST | {"event.sequence": 5, "request_id": "req_2"})
    assert other["record_id"] != first["record_id"]
    twice = sent(logs, message(("claude_code.api_request", API_REQUEST), ("claude_code.api_request", API_REQUEST)))
    assert (len(records(twice)), twice.counts) == (1, {"accepted": 1, "ignored": 1})


def test_codex_tells_with_the_response_that_is_complete() -> None:
    said = {"event.name": "codex.sse_event", "event.kind": "response.completed", "conversation.id": "c1",
            "model": "gpt-6-astra", "input_token_count": 23, "output_token_count": 7, "cached_token_count": 5,
            "reasoning_token_count": 3}  # fmt: skip
    record = only("", said)
    assert tokens(record) == {"uncached_input": 18, "cache_read": 5, "output": 7, "reasoning": 3}
    assert (record["provider"], record["state"], record["request_model"]) == ("openai", "measured", "gpt-6-astra")
    assert records(sent(logs, message(("", said | {"event.kind": "response.created"})))) == []


def test_gemini_cli_s_thoughts_stand_beside_its_output() -> None:
    said = {"event.name": "gemini_cli.api_response", "model": "gemini-3-pro", "status_code": 200, "duration_ms": 100,
            "input_token_count": 100, "output_token_count": 10, "cached_content_token_count": 40,
            "thoughts_token_count": 30, "tool_token_count": 6, "total_token_count": 146,
            "auth_type": "vertex-ai", "response_text": "what a person said"}  # fmt: skip
    record = only("", said)
    assert tokens(record) == {
        "uncached_input": 60, "cache_read": 40, "tool_prompt": 6, "output": 40, "reasoning": 30,
    }  # fmt: skip
    assert (record["provider"], record["state"], record["outcome"]) == ("gcp.vertex_ai", "measured", "ok")
    assert "person" not in str(record)


def test_the_conventions_event_is_the_record_of_its_span() -> None:
    ids = {"traceId": "ab" * 16, "spanId": f"{1:016x}"}
    said = CURRENT | {"gen_ai.input.messages": "what a person said"}
    event = only("", said, eventName="gen_ai.client.inference.operation.details", **ids)
    (seen,) = records(sent(traces, of(span(1, CURRENT))))
    same = ("record_id", "call_id", "provider", "uncached_input_tokens", "cache_read_tokens", "output_tokens")
    assert [event[name] for name in same] == [seen[name] for name in same]
    assert "person" not in str(event)


def test_gemini_cli_says_it_once() -> None:
    said = CURRENT | {"event.name": "gen_ai.client.inference.operation.details"}
    assert records(sent(logs, message(("", said), resource={"service.name": "gemini-cli"}))) == []


def test_other_records_are_left_alone() -> None:
    other = [("a line of a log", {}), ("claude_code.user_prompt", {"prompt": "what a person said"}),
             ("", {"event.name": "api_request_of_others"}), ("", {})]  # fmt: skip
    answered = sent(logs, message(*other))
    assert (answered.counts, answered.body) == ({"ignored": 4}, b"{}")


def test_an_event_without_a_time_is_rejected() -> None:
    body = message(("claude_code.api_request", API_REQUEST), timeUnixNano="0")
    answered = sent(logs, body)
    assert answered.counts == {"rejected": 1}
    assert b'"rejectedLogRecords":"1"' in answered.body
    assert b"resourceLogs[0].scopeLogs[0].logRecords[0] has no time" in answered.body
