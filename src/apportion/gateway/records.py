"""What the usage log says of a call: one record for each attempt to make it, a line for each part that is billed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from apportion.gateway.meters.measure import Measure, Part

# How an attempt ended, beside what it used.
OUTCOMES: Final = ("ok", "error", "cut", "caller_gone", "refused_by_network", "timed_out", "sent_again", "shut_down")
_LONGEST_WHY: Final = 300


class Attempt(NamedTuple):
    """An attempt to make a call.

    Attributes:
        record_id: Of the attempt, in the log and in nothing else.
        called_at: When it began, in seconds of the epoch.
        upstream: Its name.
        provider: As OpenTelemetry names it.
        operation: What was asked for.
        request_model: The model that was asked for.
        deployment: Of Azure.
        project: Of Google.
        region: That the path names.
        key_id: Of the gateway's key, or the fingerprint of the caller's own.
        user_id: As the provider's own field has it.
        tags: Of the call.
        tags_dropped: How many were out of bounds.
        missing_tags: Required ones that it does not carry.
        batch: Whether it is billed as a batch.
        bills: Whether the route costs anything.
        status: Of the answer; None where there was none.
        outcome: One of `OUTCOMES`.
        milliseconds: From its beginning to its end.
        first_byte_ms: To the first byte of the answer.
        request_id: By which the provider knows it, beside the id of its answer.
        over_limits: Limits that it was beyond and that only warn.
        via: The way by which it was metered: `gateway`, `capture`, `otlp`, `litellm` or `rows`.
    """

    record_id: str
    called_at: float
    upstream: str | None
    provider: str
    operation: str
    request_model: str | None
    deployment: str | None
    project: str | None
    region: str | None
    key_id: str
    user_id: str | None
    tags: Mapping[str, str]
    tags_dropped: int
    missing_tags: tuple[str, ...]
    batch: bool
    bills: bool
    status: int | None
    outcome: str
    milliseconds: int | None
    first_byte_ms: int | None
    request_id: str | None = None
    over_limits: tuple[str, ...] = ()
    via: str = "gateway"


def lines(attempt: Attempt, measure: Measure) -> list[dict[str, Any]]:
    """The records of an attempt, the first of which counts the call."""
    called = datetime.fromtimestamp(attempt.called_at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    common: dict[str, Any] = {
        "record_id": attempt.record_id,
        "called_at": called,
        "via": attempt.via,
        "provider": attempt.provider,
        "upstream": attempt.upstream,
        "operation": attempt.operation,
        "request_model": attempt.request_model,
        "deployment": attempt.deployment,
        "project": attempt.project,
        "region": measure.region or attempt.region,
        "speed": measure.speed,
        "processing": "batch" if attempt.batch else None,
        "api_key_id": attempt.key_id,
        "user_id": attempt.user_id,
        "tags": dict(attempt.tags),
        "state": measure.state,
        "outcome": attempt.outcome,
        "status": attempt.status,
    }
    call_id = measure.call_id or attempt.record_id
    parts = measure.parts or (Part(),)
    found = []
    for number, part in enumerate(parts, start=1):
        first = number == 1
        row = {
            **common,
            "call_id": call_id if first else f"{call_id}#{number}",
            "part": number,
            "parts": len(parts),
            "response_model": part.model or measure.model,
            "service_tier": part.service_tier or measure.service_tier,
            "requests": 1 if first and attempt.bills else 0,
            "uncached_input_tokens": part.uncached_input,
            "cache_read_tokens": part.cache_read,
            "cache_write_5m_tokens": part.cache_write_5m,
            "cache_write_1h_tokens": part.cache_write_1h,
            "cache_write_other_tokens": part.cache_write_30m + part.cache_write_12h + part.cache_write_other,
            "tool_prompt_tokens": part.tool_prompt,
            "output_tokens": part.output,
            "reasoning_tokens": part.reasoning,
        }
        if part.cache_write_30m or part.cache_write_12h:
            row |= {"cache_write_30m_tokens": part.cache_write_30m, "cache_write_12h_tokens": part.cache_write_12h}
        if part.kind:
            row["iteration"] = part.kind
        if first:
            row |= _once(attempt, measure)
        found.append({key: value for key, value in row.items() if value is not None})
    return found


def _once(attempt: Attempt, measure: Measure) -> dict[str, Any]:
    """What is said of an attempt and not of each of its parts."""
    said: dict[str, Any] = {
        "milliseconds": attempt.milliseconds,
        "first_byte_ms": attempt.first_byte_ms,
        "provider_request_id": attempt.request_id,
        "why": measure.why[:_LONGEST_WHY] or None,
        "cost_reported": measure.cost,
        "usage": measure.raw or None,
    }
    if measure.fees:
        said["fees"] = dict(measure.fees)
    if measure.flags:
        said["flags"] = list(measure.flags)
    if attempt.tags_dropped:
        said["tags_dropped"] = attempt.tags_dropped
    if attempt.over_limits:
        said["over_limits"] = list(attempt.over_limits)
    if attempt.missing_tags:
        said["missing_tags"] = list(attempt.missing_tags)
    return said
