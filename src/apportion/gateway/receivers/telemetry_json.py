"""OTLP in JSON: ids in hexadecimal, enumerations as numbers, 64-bit integers as text, unknown fields ignored.

Source: the OpenTelemetry protocol's specification, section JSON Protobuf Encoding, read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from apportion.gateway.receivers.telemetry import (
    Event,
    Metric,
    Origin,
    Place,
    Scalar,
    Span,
    UnreadableError,
    event_name,
    identifier,
    short,
)

_FAILED: Final = (2, "STATUS_CODE_ERROR")
_DATA: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_LONGEST_NUMBER: Final = 20


class _Signal(NamedTuple):
    """The names of a signal's three lists."""

    resources: str
    scopes: str
    items: str
    path: str


_SPANS: Final = _Signal("resourceSpans", "scopeSpans", "spans", "/v1/traces")
_LOGS: Final = _Signal("resourceLogs", "scopeLogs", "logRecords", "/v1/logs")
_METRICS: Final = _Signal("resourceMetrics", "scopeMetrics", "metrics", "/v1/metrics")


def spans(body: bytes) -> Iterator[Span]:
    """The spans of a message.

    Raises:
        UnreadableError: It is none.
    """
    for origin, place, each in _items(body, _SPANS):
        yield Span(
            origin,
            place,
            _identifier(each.get("traceId"), of_trace=True),
            _identifier(each.get("spanId"), of_trace=False),
            _identifier(each.get("parentSpanId"), of_trace=False),
            _text(each.get("name")),
            _whole(each.get("startTimeUnixNano")),
            _whole(each.get("endTimeUnixNano")),
            _code(each.get("status")) in _FAILED,
            _attributes(each, "a span"),
        )


def events(body: bytes) -> Iterator[Event]:
    """The log records of a message.

    Raises:
        UnreadableError: It is none.
    """
    for origin, place, each in _items(body, _LOGS):
        attributes = _attributes(each, "a log record")
        told = each.get("body")
        name = event_name(each.get("eventName"), attributes, told.get("stringValue") if type(told) is dict else None)
        happened = _whole(each.get("timeUnixNano")) or _whole(each.get("observedTimeUnixNano"))
        trace_id = _identifier(each.get("traceId"), of_trace=True)
        span_id = _identifier(each.get("spanId"), of_trace=False)
        yield Event(origin, place, trace_id, span_id, name, happened, attributes)


def metrics(body: bytes) -> Iterator[Metric]:
    """The metrics of a message.

    Raises:
        UnreadableError: It is none.
    """
    for _, _, each in _items(body, _METRICS):
        data: Any = next((each[name] for name in _DATA if type(each.get(name)) is dict), {})
        yield Metric(_text(each.get("name")), len(_objects(data, "dataPoints", "a metric")))


def _items(body: bytes, signal: _Signal) -> Iterator[tuple[Origin, Place, Mapping[str, Any]]]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"the body is no JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    if type(document) is not dict:
        raise UnreadableError(f"the body is no JSON object with `{signal.resources}`")
    for other in (_SPANS, _LOGS, _METRICS):
        if other.resources in document and signal.resources not in document:
            raise UnreadableError(f"`{other.resources}` was sent to {signal.path}; it belongs to {other.path}")
    for first, resource in enumerate(_objects(document, signal.resources, "the body")):
        held = resource.get("resource")
        attributes = _attributes(held, "a resource") if type(held) is dict else {}
        for second, scope in enumerate(_objects(resource, signal.scopes, f"{signal.resources}[{first}]")):
            named = scope.get("scope")
            named = named if type(named) is dict else {}
            origin = Origin(attributes, _text(named.get("name")), _text(named.get("version")))
            where = f"{signal.resources}[{first}].{signal.scopes}[{second}]"
            for third, item in enumerate(_objects(scope, signal.items, where)):
                yield origin, (first, second, third), item


def _objects(holder: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    found = holder.get(key)
    if found is None:
        return []
    if type(found) is not list:
        raise UnreadableError(f"`{key}` of {where} is no list")
    for number, each in enumerate(found):
        if type(each) is not dict:
            raise UnreadableError(f"`{key}[{number}]` of {where} is no object")
    return found


def _attributes(holder: Mapping[str, Any], where: str) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for each in _objects(holder, "attributes", where):
        key, value = each.get("key"), each.get("value")
        if isinstance(key, str) and type(value) is dict:
            plain = _scalar(value)
            if plain is not None:
                found.setdefault(key, plain)
    return found


def _scalar(value: Mapping[str, Any]) -> Scalar | None:
    """A plain value; None for a list, a map, bytes and nothing."""
    for key in ("stringValue", "boolValue"):
        said = value.get(key)
        if isinstance(said, str | bool):
            return short(said) if isinstance(said, str) else said
    number = value.get("intValue", value.get("doubleValue"))
    if isinstance(number, str):
        # What is no number stays a text, and is told as no count where it should be one.
        return int(number) if _is_whole(number) else short(number)
    return number if isinstance(number, int | float) else None


def _identifier(value: Any, *, of_trace: bool) -> str:
    if not isinstance(value, str):
        return ""
    try:
        return identifier(bytes.fromhex(value), of_trace=of_trace) if value.isalnum() else ""
    except ValueError:
        return ""


def _whole(value: Any) -> int:
    """A 64-bit number that is none is 0, as if it were not there."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and _is_whole(value) else 0


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER


def _text(value: Any) -> str:
    return short(value) if isinstance(value, str) else ""


def _code(status: Any) -> Any:
    return status.get("code") if type(status) is dict else None
