"""What OpenTelemetry's exporters send, whichever encoding it came in: spans, events and the names of metrics.

Only what names a call, counts its tokens or says whom it is for is taken out of a message. Attributes that are no plain
value, which is where conversations stand, are left behind; a text is cut at the length that a tag may have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from apportion.gateway.tags import LONGEST_VALUE

Scalar = str | int | float | bool
Place = tuple[int, int, int]

# One more than a tag may have, so that a text that is too long for one still is.
_KEPT: Final = LONGEST_VALUE + 1
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
# The body of an event is its name in some senders, and what a person wrote in others.
_EVENT_NAME: Final = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+", re.ASCII)
_LONGEST_EVENT_NAME: Final = 64


class UnreadableError(Exception):
    """A message is none of the protocol's; nothing of it is taken."""


class Origin(NamedTuple):
    """Where telemetry comes from.

    Attributes:
        resource: Attributes of the program that sent it.
        scope: The name of the instrumentation.
        version: Of the instrumentation.
    """

    resource: Mapping[str, Scalar]
    scope: str
    version: str


class Span(NamedTuple):
    """A span.

    Attributes:
        origin: Where it comes from.
        place: Its numbers in the message: resource, scope, span; from 0.
        trace_id: In hexadecimal; empty where it is none.
        span_id: The same.
        parent_id: The same.
        name: Of it.
        started_ns: In nanoseconds of the epoch; 0 where it does not say.
        ended_ns: The same.
        failed: Whether its status is an error.
        attributes: Those with a plain value.
    """

    origin: Origin
    place: Place
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    started_ns: int
    ended_ns: int
    failed: bool
    attributes: Mapping[str, Scalar]


class Event(NamedTuple):
    """A log record that has an event's name.

    Attributes:
        origin: Where it comes from.
        place: Its numbers in the message: resource, scope, record; from 0.
        trace_id: Of the span in which it happened, in hexadecimal; empty where there is none.
        span_id: The same.
        name: Of the event; empty where it has none.
        happened_ns: In nanoseconds of the epoch; 0 where it does not say.
        attributes: Those with a plain value.
    """

    origin: Origin
    place: Place
    trace_id: str
    span_id: str
    name: str
    happened_ns: int
    attributes: Mapping[str, Scalar]


class Metric(NamedTuple):
    """A metric.

    Attributes:
        name: Of it.
        points: How many data points it has.
    """

    name: str
    points: int


def short(text: str) -> str:
    """A text as it is kept."""
    return text[:_KEPT]


def identifier(value: bytes, *, of_trace: bool) -> str:
    """An id in hexadecimal; empty where it is none: of the wrong length, or all zero.

    Args:
        value: Its bytes.
        of_trace: Whether it is a trace's or a span's.
    """
    size = _TRACE_ID_BYTES if of_trace else _SPAN_ID_BYTES
    return value.hex() if len(value) == size and any(value) else ""


def event_name(field: Any, attributes: Mapping[str, Scalar], body: Any) -> str:
    """An event's name: its own field, the attribute that older senders have, or a body that is nothing but a name.

    Source: OpenTelemetry's log data model and the senders' own telemetry, read 2026-11-27.
    """
    for said in (field, attributes.get("event.name"), attributes.get("event_name")):
        if isinstance(said, str) and said:
            return said[:_LONGEST_EVENT_NAME]
    if isinstance(body, str) and len(body) <= _LONGEST_EVENT_NAME and _EVENT_NAME.fullmatch(body):
        return body
    return ""
