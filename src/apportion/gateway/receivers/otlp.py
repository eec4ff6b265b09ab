"""OpenTelemetry's protocol over HTTP: traces, logs and metrics, in protobuf or JSON, answered in the same.

Source: the OpenTelemetry protocol's specification, section OTLP/HTTP, read 2026-11-27: 200 with the signal's response,
`partial_success` where items were rejected or the sender should know something, 400 with a `google.rpc.Status` for what
cannot be read, which is not to be sent again.

Metrics are taken and not counted. They carry no call: their sums say neither which request they are of nor whether a
span or an event of the same sender has told of it already, so that any row made of them may count a token twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import orjson

from apportion.gateway.receivers import events, spans, telemetry_json
from apportion.gateway.receivers.calls import Taken
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.receivers.telemetry import Metric, UnreadableError

Signal = Literal["spans", "log_records", "data_points"]

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_INVALID_ARGUMENT: Final = 3
_MOST_FAULTS: Final = 3
_LONGEST_MESSAGE: Final = 2000
# Metrics that count tokens of calls; their senders expect them to be counted.
_TOKENS: Final = (
    "gen_ai.client.token.usage",
    "gen_ai.client.inference.usage.",
    "gen_ai.client.inference.operation.",
    "claude_code.token.usage",
    "claude_code.cost.usage",
    "gemini_cli.token.usage",
    "codex.token",
)
_INSTEAD: Final = (
    "their sums carry no call, and spans or events of the same sender may tell of the same tokens: send spans to "
    "/v1/traces, or the events of Claude Code, Codex and Gemini CLI to /v1/logs (OTEL_LOGS_EXPORTER=otlp)"
)


def traces(received: Received) -> Answered:
    """What comes of spans."""
    return _answered(received, "spans", lambda body, json: spans.read(_decoded(body, "spans", json=json), received))


def logs(received: Received) -> Answered:
    """What comes of log records."""
    return _answered(
        received, "log_records", lambda body, json: events.read(_decoded(body, "events", json=json), received)
    )


def metrics(received: Received) -> Answered:
    """What comes of metrics."""
    return _answered(received, "data_points", lambda body, json: _ignored(_decoded(body, "metrics", json=json)))


def _ignored(found: Iterable[Metric]) -> Taken:
    points = tokens = 0
    for each in found:
        points += each.points
        tokens += each.points if each.name.startswith(_TOKENS) else 0
    return Taken((), points, notes=[f"{tokens} data points of tokens were not counted: {_INSTEAD}"] if tokens else ())


def _decoded(body: bytes, what: str, *, json: bool) -> Any:
    if json:
        return getattr(telemetry_json, what)(body)
    # Loaded on use: a worker that nobody sends protobuf to does without its classes.
    from apportion.gateway.receivers import telemetry_protobuf

    return getattr(telemetry_protobuf, what)(body)


def _answered(received: Received, signal: Signal, read: Callable[[bytes, bool], Taken]) -> Answered:
    kind = received.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {_PROTOBUF, _JSON}:
        why = f"content-type `{kind[:64]}` is not read; send {_PROTOBUF} or {_JSON}"
        return Answered(415, _JSON, _status(why if kind.isprintable() else "the content-type is not read", json=True))
    json = kind == _JSON
    try:
        taken = read(received.body, json)
    except UnreadableError as error:
        return Answered(400, kind, _status(str(error)[:_LONGEST_MESSAGE], json=json), counts={"unreadable": 1})
    rejected = len(taken.faults)
    counts = {"accepted": len(taken.groups), "rejected": rejected, "ignored": taken.ignored}
    body = _response(signal, rejected, _message(taken), json=json)
    return Answered(200, kind, body, taken.groups, {what: number for what, number in counts.items() if number})


def _message(taken: Taken) -> str:
    """What the sender is to know; empty where everything is well."""
    said = list(taken.notes)
    if taken.faults:
        more = len(taken.faults) - _MOST_FAULTS
        said.insert(0, "; ".join(taken.faults[:_MOST_FAULTS]) + (f"; and {more} more" if more > 0 else ""))
    return ". ".join(said)[:_LONGEST_MESSAGE]


def _response(signal: Signal, rejected: int, message: str, *, json: bool) -> bytes:
    if json:
        if not message:
            return b"{}"
        name = {"spans": "rejectedSpans", "log_records": "rejectedLogRecords", "data_points": "rejectedDataPoints"}
        # 64-bit integers are text in the protocol's JSON.
        return orjson.dumps({"partialSuccess": {name[signal]: str(rejected), "errorMessage": message}})
    if not message:
        return b""
    partial = (_number(1, rejected) if rejected else b"") + _bytes(2, message.encode())
    return _bytes(1, partial)


def _status(message: str, *, json: bool) -> bytes:
    """A `google.rpc.Status`, whose class is in a package that nothing else here needs."""
    if json:
        return orjson.dumps({"code": _INVALID_ARGUMENT, "message": message})
    return _number(1, _INVALID_ARGUMENT) + _bytes(2, message.encode())


def _number(field: int, value: int) -> bytes:
    """A field of protobuf's wire format that is a number."""
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    """A field of protobuf's wire format that is a text or a message."""
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
