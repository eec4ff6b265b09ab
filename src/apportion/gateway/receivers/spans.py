"""Spans of calls: told from all others, freed of repetitions, each with the id that it has whenever it comes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from apportion.gateway.receivers.receiver import Received
from apportion.gateway.receivers.repetition import Key, Weight, repetition
from apportion.gateway.receivers.telemetry import Span
from apportion.gateway.receivers.told_usage import Told

# Only what Anthropic itself sends has these, and it counts cached tokens as the conventions say.
_ANTHROPIC: Final = "anthropic.usage."
_VERCEL: Final = "ai.usage."
_VERCEL_ITEMISED: Final = "ai.usage.inputTokenDetails."
_NANOSECONDS_PER_MS: Final = 10**6
_MILLISECONDS: Final = 1000
# So many spans above a call may lend it their tags.
_MOST_LENDERS: Final = 8
_LONGEST_OPERATION: Final = 64


class _Seen(NamedTuple):
    """A span of a call, and what it says of it."""

    span: Span
    told: Told
    response_id: str | None
    region: str | None


def read(spans: Iterable[Span], received: Received) -> Taken:
    """Take the calls out of spans.

    Args:
        spans: Of one message; all but those of calls are forgotten as they come.
        received: The request that they came with.
    """
    number = 0
    parents: dict[Key, Key] = {}
    calls: dict[Key, _Seen] = {}
    faults: list[str] = []
    unknown: Counter[str] = Counter()
    for span in spans:
        number += 1
        if span.span_id and span.parent_id:
            parents.setdefault((span.trace_id, span.span_id), (span.trace_id, span.parent_id))
        operation = conventions.operation(span.name, span.attributes)
        if operation is None and _told(span, "")[1].tells:
            unknown[_said_operation(span)] += 1
        if not operation:
            continue
        fault = _fault(span)
        if fault:
            faults.append(fault)
        else:
            calls.setdefault((span.trace_id, span.span_id), _seen(span, operation))
    weights = {key: Weight(seen.told.tells, seen.told.failed) for key, seen in calls.items()}
    found = repetition(parents, weights, lambda up, below: _same_call(calls[up], calls[below]))
    groups = []
    for key, seen in calls.items():
        if key not in found.repeated:
            lenders = [calls[each].span for each in _lenders(key, found.above, found.repeated)]
            groups.append(records_of(_call(seen, lenders, received), received.key_id))
    return Taken(groups, number - len(groups) - len(faults), faults, list(_notes(unknown)))


def _fault(span: Span) -> str:
    """Why a span of a call cannot be taken."""
    resource, scope, number = span.place
    where = f"resourceSpans[{resource}].scopeSpans[{scope}].spans[{number}]"
    if not span.trace_id:
        return f"{where} has no trace id of 16 bytes that are not all zero"
    if not span.span_id:
        return f"{where} has no span id of 8 bytes that are not all zero"
    if not is_time(span.started_ns):
        return f"{where} has no start time between 2015 and 2100, in nanoseconds of the epoch"
    return ""


def _notes(unknown: Counter[str]) -> Iterator[str]:
    for operation, number in sorted(unknown.items())[:5]:
        yield (
            f"{number} spans with token counts were not counted, because gen_ai.operation.name `{operation}` is not "
            "known here: name it `chat`, `text_completion`, `generate_content` or `embeddings` where it is one call "
            "of a model"
        )


def _said_operation(span: Span) -> str:
    said = conventions.first(span.attributes, "gen_ai.operation.name", "llm.request.type") or "?"
    return said[:_LONGEST_OPERATION]


def _seen(span: Span, operation: str) -> _Seen:
    region, told = _told(span, operation)
    # Claude Code's events know the request's id alone, and its spans both: the same call is to have the same.
    names = ("request_id", "gen_ai.response.id") if _is_claude_code(span) else ("gen_ai.response.id", "ai.response.id")
    return _Seen(span, told, conventions.first(span.attributes, *names), region)


def _told(span: Span, operation: str) -> tuple[str | None, Told]:
    """The region that the span names, and what it tells of usage."""
    attributes = span.attributes
    provider, region = conventions.provider(attributes)
    names = conventions.SPANS
    if _is_claude_code(span):
        names = conventions.CLAUDE_CODE
        provider = conventions.claude_code_provider(conventions.request_model(attributes))
    counts, differing = conventions.counts_of(attributes, names)
    told = Told(
        provider=provider,
        model=conventions.response_model(attributes) or conventions.request_model(attributes),
        operation=operation,
        scope=span.origin.scope,
        counts=counts,
        differing=tuple(differing),
        raw=conventions.raw_of(attributes, names),
        failed=span.failed or has_failed(attributes, status_of(attributes)),
        error=error_of(attributes),
    )
    if _is_claude_code(span):
        told = told._replace(cached="beside")
    elif any(key.startswith(_ANTHROPIC) for key in attributes):
        told = told._replace(cached="within")
    elif told.own_beside and any(key.startswith(_VERCEL) for key in attributes):
        itemised = any(key.startswith(_VERCEL_ITEMISED) for key in attributes)
        told = told._replace(cached="within" if itemised else "beside", writes_untold=not itemised)
    return region, told


def _is_claude_code(span: Span) -> bool:
    return span.name.startswith(conventions.CLAUDE_CODE_SPAN)


def _same_call(up: _Seen, below: _Seen) -> bool:
    """Whether two spans, one above the other, can be about the same call."""
    if up.response_id is not None and up.response_id == below.response_id:
        return True
    if conventions.UNKNOWN in {up.told.provider, below.told.provider} or up.told.provider == below.told.provider:
        return True
    if up.told.model is not None and up.told.model == below.told.model:
        return True
    return up.told.tells and up.told.counts == below.told.counts


def _lenders(key: Key, above: Mapping[Key, Key], repeated: frozenset[Key]) -> Iterator[Key]:
    """The spans above a call that it stands for; it gets their tags."""
    at = above.get(key)
    for _ in range(_MOST_LENDERS):
        if at is None or at not in repeated:
            return
        yield at
        at = above.get(at)


def _call(seen: _Seen, lenders: Sequence[Span], received: Received) -> Call:
    span, attributes, resource = seen.span, seen.span.attributes, seen.span.origin.resource
    took = span.ended_ns - span.started_ns
    return Call(
        record_id=f"{span.trace_id}-{span.span_id}",
        called_ns=span.started_ns,
        milliseconds=took // _NANOSECONDS_PER_MS if took >= 0 else None,
        first_byte_ms=_first_byte_ms(span),
        told=seen.told,
        region=seen.region,
        call_id=seen.response_id,
        request_model=conventions.request_model(attributes) or conventions.first(attributes, "model"),
        response_model=conventions.response_model(attributes),
        service_tier=conventions.service_tier(attributes),
        speed=conventions.first(attributes, "speed") if _is_claude_code(span) else None,
        user_id=user_of(attributes, resource, claude_code=_is_claude_code(span)),
        tags=tags_of(received.tags, [attributes, *(each.attributes for each in lenders)], resource),
        status=status_of(attributes),
        workspace=conventions.first(attributes, "anthropic.workspace.id"),
        billing_account_id=conventions.first(attributes, "anthropic.organization.id"),
    )


def _first_byte_ms(span: Span) -> int | None:
    seconds = span.attributes.get("gen_ai.response.time_to_first_chunk")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return milliseconds_of({"told": seconds * _MILLISECONDS}, "told")
    return milliseconds_of(span.attributes, "ttft_ms", "ai.response.msToFirstChunk")
