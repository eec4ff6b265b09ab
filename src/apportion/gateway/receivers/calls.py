"""A call that telemetry tells of, as the usage log has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from apportion.gateway.receivers.conventions import Attributes, first, whole
from apportion.gateway.receivers.told_usage import Told, measure
from apportion.gateway.records import Attempt, lines
from apportion.gateway.tags import Tags

_NANOSECONDS: Final = 10**9
# Instants outside are faults: there was no such service yet, or a unit was mistaken.
_EARLIEST: Final = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) * _NANOSECONDS
_LATEST: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * _NANOSECONDS
_LEAST_STATUS, _MOST_STATUS = 100, 599
_LEAST_ERROR: Final = 400
_LONGEST_MS: Final = 10**9


class Taken(NamedTuple):
    """What was taken out of a message.

    Attributes:
        groups: Records, those of a call together.
        ignored: How many spans or records tell of no call, or of one that is told elsewhere in the message.
        faults: Why calls could not be taken, one for each.
        notes: What the sender should know beside.
    """

    groups: Sequence[Sequence[dict[str, Any]]]
    ignored: int
    faults: Sequence[str] = ()
    notes: Sequence[str] = ()


class Call(NamedTuple):
    """A call.

    Attributes:
        record_id: The same whenever the same telemetry comes again.
        called_ns: When it began, in nanoseconds of the epoch.
        milliseconds: How long it took.
        first_byte_ms: To the first of its answer.
        told: Of its usage.
        region: Where the model ran.
        call_id: The provider's, so that a call that the gateway saw too counts once.
        request_model: That was asked for.
        response_model: That answered.
        service_tier: That served.
        speed: The provider's mode.
        user_id: Who called.
        tags: Of it.
        status: Of HTTP.
        workspace: Of Anthropic.
        billing_account_id: To whom the provider bills it.
    """

    record_id: str
    called_ns: int
    milliseconds: int | None
    first_byte_ms: int | None
    told: Told
    region: str | None
    call_id: str | None
    request_model: str | None
    response_model: str | None
    service_tier: str | None
    speed: str | None
    user_id: str | None
    tags: Tags
    status: int | None
    workspace: str | None = None
    billing_account_id: str | None = None


def is_time(nanoseconds: int) -> bool:
    """Whether an instant can be that of a call."""
    return _EARLIEST <= nanoseconds < _LATEST


def records_of(call: Call, key_id: str) -> list[dict[str, Any]]:
    """The records of a call.

    Args:
        call: The call.
        key_id: Of the key that it was sent with.
    """
    told = call.told
    attempt = Attempt(
        record_id=call.record_id,
        called_at=call.called_ns / _NANOSECONDS,
        upstream=None,
        provider=told.provider,
        operation=told.operation,
        request_model=call.request_model,
        deployment=None,
        project=None,
        region=call.region,
        key_id=key_id,
        user_id=call.user_id,
        tags=call.tags.values,
        tags_dropped=call.tags.dropped,
        missing_tags=(),
        batch=call.service_tier == "batch",
        bills=True,
        status=call.status,
        outcome="error" if told.failed else "ok",
        milliseconds=call.milliseconds,
        first_byte_ms=call.first_byte_ms,
        via="otlp",
    )
    found = measure(told)._replace(
        call_id=call.call_id, model=call.response_model, service_tier=call.service_tier, speed=call.speed
    )
    beside = {"workspace": call.workspace, "billing_account_id": call.billing_account_id}
    said = {name: value for name, value in beside.items() if value is not None}
    return [{**record, **said} for record in lines(attempt, found)]


def status_of(attributes: Attributes) -> int | None:
    """The status of HTTP that a call ended with, where it is told."""
    found = whole(attributes, "http.response.status_code", "http.status_code", "status_code", "error.type")
    return found if found is not None and _LEAST_STATUS <= found <= _MOST_STATUS else None


def error_of(attributes: Attributes) -> str | None:
    """The kind of a failure; a message, which may quote a prompt, is none."""
    found = first(attributes, "error.type")
    return found if found and " " not in found else None


def has_failed(attributes: Attributes, status: int | None) -> bool:
    """Whether a call's attributes say that it failed."""
    said = attributes.get("success")
    return bool(attributes.get("error.type")) or (status or 0) >= _LEAST_ERROR or said is False or said == "false"


def milliseconds_of(attributes: Attributes, *names: str) -> int | None:
    """The first of these durations that is told, in milliseconds."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_MS:
            return int(value)
    return None
