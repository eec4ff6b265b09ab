"""Events of calls: those of coding agents, and the one of OpenTelemetry's conventions that repeats its span.

Sources, read 2026-11-27: Claude Code's page on monitoring (`api_request` and `api_error`; cached tokens stand beside
the input), the telemetry of Codex (`codex.sse_event` of a completed response), that of Gemini CLI
(`gemini_cli.api_response` and `api_error`; thoughts stand beside the output), and the conventions' own event
`gen_ai.client.inference.operation.details`, which happens in the span of its call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from apportion.gateway.receivers import conventions
from apportion.gateway.receivers.attribution import tags_of, user_of
from apportion.gateway.receivers.calls import (
    Call,
    Taken,
    error_of,
    has_failed,
    is_time,
    milliseconds_of,
    records_of,
    status_of,
)
from apportion.gateway.receivers.conventions import Names
from apportion.gateway.receivers.receiver import Received
from apportion.gateway.receivers.telemetry import Event, Scalar
from apportion.gateway.receivers.told_usage import Cached, Told

_NANOSECONDS_PER_MS: Final = 10**6
_DETAILS: Final = "gen_ai.client.inference.operation.details"
_GEMINI_CLI: Final = "gemini-cli"
# What tells one event from all others, and is the same when it is sent again.
_IDENTITY: Final = (
    "session.id", "event.sequence", "event.timestamp", "request_id", "client_request_id", "prompt.id", "prompt_id",
    "conversation.id", "gen_ai.response.id", "model",
)  # fmt: skip


class _Dialect(NamedTuple):
    """How one sender tells of a call."""

    provider: str
    names: Names
    failed: bool = False
    cached: Cached | None = None
    thoughts_beside: bool = False


_DIALECTS: Final = {
    "claude_code.api_request": _Dialect("anthropic", conventions.CLAUDE_CODE, cached="beside"),
    "claude_code.api_error": _Dialect("anthropic", Names(), failed=True),
    "codex.sse_event": _Dialect("openai", conventions.CODEX),
    "gemini_cli.api_response": _Dialect("gcp.gemini", conventions.GEMINI_CLI, thoughts_beside=True),
    "gemini_cli.api_error": _Dialect("gcp.gemini", Names(), failed=True),
    _DETAILS: _Dialect(conventions.UNKNOWN, conventions.SPANS),
}


def read(events: Iterable[Event], received: Received) -> Taken:
    """Take the calls out of log records.

    Args:
        events: Of one message.
        received: The request that they came with.
    """
    number = 0
    calls: dict[str, Call] = {}
    faults: list[str] = []
    for event in events:
        number += 1
        found = _dialect(event)
        if found is None:
            continue
        name, dialect = found
        if not is_time(event.happened_ns):
            resource, scope, item = event.place
            where = f"resourceLogs[{resource}].scopeLogs[{scope}].logRecords[{item}]"
            faults.append(f"{where} has no time between 2015 and 2100, in nanoseconds of the epoch")
            continue
        call = _call(event, name, dialect, received)
        calls.setdefault(call.record_id, call)
    groups = [records_of(call, received.key_id) for call in calls.values()]
    return Taken(groups, number - len(groups) - len(faults), faults)


def _dialect(event: Event) -> tuple[str, _Dialect] | None:
    """How an event tells of a call, with its full name; None where it tells of none."""
    name = event.name
    service = event.origin.resource.get("service.name")
    if "." not in name and (event.origin.scope.startswith("com.anthropic.claude_code") or service == "claude-code"):
        name = f"claude_code.{name}"
    if name == "codex.sse_event" and event.attributes.get("event.kind") != "response.completed":
        return None
    if name == _DETAILS and (service == _GEMINI_CLI or not conventions.operation("", event.attributes)):
        # Gemini CLI says the same in an event of its own.
        return None
    found = _DIALECTS.get(name)
    return None if found is None else (name, found)


def _call(event: Event, name: str, dialect: _Dialect, received: Received) -> Call:
    attributes, resource = event.attributes, event.origin.resource
    model = conventions.first(attributes, "model") or conventions.request_model(attributes)
    took = milliseconds_of(attributes, "duration_ms")
    status = status_of(attributes)
    provider, region = _provider(attributes, dialect, model)
    counts, differing = conventions.counts_of(attributes, dialect.names)
    told = Told(
        provider=provider,
        model=conventions.response_model(attributes) or model,
        operation=conventions.operation("", attributes) or "chat",
        scope=event.origin.scope,
        counts=counts,
        differing=tuple(differing),
        raw=_raw(event, dialect.names),
        cached=dialect.cached,
        thoughts_beside=dialect.thoughts_beside,
        failed=dialect.failed or has_failed(attributes, status),
        error=error_of(attributes) or (str(status) if status else None),
    )
    ours = name == _DETAILS
    return Call(
        record_id=_record_id(event, name, counts),
        called_ns=event.happened_ns - (took or 0) * _NANOSECONDS_PER_MS,
        milliseconds=took,
        first_byte_ms=milliseconds_of(attributes, "ttft_ms"),
        told=told,
        region=region,
        call_id=conventions.first(attributes, "gen_ai.response.id", "request_id"),
        request_model=model,
        response_model=conventions.response_model(attributes),
        service_tier=conventions.service_tier(attributes),
        speed=None if ours else conventions.first(attributes, "speed"),
        user_id=user_of(attributes, resource, claude_code=name.startswith("claude_code.")),
        tags=tags_of(received.tags, [attributes], resource),
        status=status,
        workspace=conventions.first(attributes, "anthropic.workspace.id"),
        billing_account_id=conventions.first(attributes, "anthropic.organization.id", "organization.id"),
    )


def _provider(attributes: conventions.Attributes, dialect: _Dialect, model: str | None) -> tuple[str, str | None]:
    """Who answers: what the event says, else what its sender's kind and the model's name tell."""
    said, region = conventions.provider(attributes)
    if said != conventions.UNKNOWN:
        return said, region
    if dialect.provider == "anthropic":
        return conventions.claude_code_provider(model), None
    if dialect.provider == "gcp.gemini" and "vertex" in (conventions.first(attributes, "auth_type") or ""):
        return "gcp.vertex_ai", None
    return dialect.provider, None


def _raw(event: Event, names: Names) -> dict[str, Scalar]:
    found = conventions.raw_of(event.attributes, names)
    # A list price that the sender works out for itself: kept as it came, and nobody's charge.
    cost = event.attributes.get("cost_usd")
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        found["cost_usd"] = cost
    return found


def _record_id(event: Event, name: str, counts: Mapping[str, Scalar]) -> str:
    """That of the span that an event repeats, else one of what the event alone has."""
    if name == _DETAILS and event.trace_id and event.span_id:
        return f"{event.trace_id}-{event.span_id}"
    parts = [name, str(event.happened_ns), event.trace_id, event.span_id]
    parts += [f"{key}={event.attributes.get(key)}" for key in _IDENTITY]
    parts += [f"{key}={value}" for key, value in sorted(counts.items())]
    return "event-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
