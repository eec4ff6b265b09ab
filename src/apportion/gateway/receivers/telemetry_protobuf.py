"""OTLP in protobuf, decoded by OpenTelemetry's own classes, which are loaded when the first such message comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from apportion.gateway.receivers.telemetry import (
    Event,
    Metric,
    Origin,
    Scalar,
    Span,
    UnreadableError,
    event_name,
    identifier,
    short,
)

_STATUS_CODE_ERROR: Final = 2


def spans(body: bytes) -> Iterator[Span]:
    """The spans of a message.

    Raises:
        UnreadableError: It is none.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for first, resource in enumerate(_parsed(ExportTraceServiceRequest, body).resource_spans):
        attributes = _attributes(resource.resource.attributes)
        for second, scope in enumerate(resource.scope_spans):
            origin = _origin(attributes, scope.scope)
            for third, each in enumerate(scope.spans):
                yield Span(
                    origin,
                    (first, second, third),
                    identifier(each.trace_id, of_trace=True),
                    identifier(each.span_id, of_trace=False),
                    identifier(each.parent_span_id, of_trace=False),
                    short(each.name),
                    each.start_time_unix_nano,
                    each.end_time_unix_nano,
                    each.status.code == _STATUS_CODE_ERROR,
                    _attributes(each.attributes),
                )


def events(body: bytes) -> Iterator[Event]:
    """The log records of a message.

    Raises:
        UnreadableError: It is none.
    """
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for first, resource in enumerate(_parsed(ExportLogsServiceRequest, body).resource_logs):
        held = _attributes(resource.resource.attributes)
        for second, scope in enumerate(resource.scope_logs):
            origin = _origin(held, scope.scope)
            for third, each in enumerate(scope.log_records):
                attributes = _attributes(each.attributes)
                yield Event(
                    origin,
                    (first, second, third),
                    identifier(each.trace_id, of_trace=True),
                    identifier(each.span_id, of_trace=False),
                    event_name(each.event_name, attributes, each.body.string_value),
                    each.time_unix_nano or each.observed_time_unix_nano,
                    attributes,
                )


def metrics(body: bytes) -> Iterator[Metric]:
    """The metrics of a message.

    Raises:
        UnreadableError: It is none.
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    for resource in _parsed(ExportMetricsServiceRequest, body).resource_metrics:
        for scope in resource.scope_metrics:
            for each in scope.metrics:
                kind = each.WhichOneof("data")
                points = len(getattr(each, kind).data_points) if kind else 0
                yield Metric(short(each.name), points)


def _parsed(kind: Any, body: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError as error:
        # The decoder's own words say what is broken and quote nothing of the message.
        reason = str(error).rpartition(": ")[2]
        raise UnreadableError(f"the body is no {kind.DESCRIPTOR.name}: {reason}") from None


def _origin(resource: dict[str, Scalar], scope: Any) -> Origin:
    return Origin(resource, short(scope.name), short(scope.version))


def _attributes(held: Iterable[Any]) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for each in held:
        value = each.value
        match value.WhichOneof("value"):
            case "string_value":
                found.setdefault(each.key, short(value.string_value))
            case "int_value":
                found.setdefault(each.key, value.int_value)
            case "double_value":
                found.setdefault(each.key, value.double_value)
            case "bool_value":
                found.setdefault(each.key, value.bool_value)
    return found
