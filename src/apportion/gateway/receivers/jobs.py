"""Jobs that are reported by HTTP: their start, what they have used up to now, their end; or all of it in one row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from apportion.gateway.jobs import OUTCOMES, SECOND_NS, Job
from apportion.gateway.receivers.posted import Fault, Tally, UnreadableError, refusal, rows_of
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.reported_jobs import ContradictionError, Report, ReportedJobs
from apportion.gateway.tags import LONGEST_VALUE, Tags

_EVENTS: Final = ("start", "heartbeat", "end")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_TEXTS: Final = {"name": "name", "item": "item", "host": "host", "user_id": "user_id", "gpu_model": "gpu_model"}
# By the names of what is known of a job, and how many of its units are in one of what is sent.
_AMOUNTS: Final = {
    "gpu_seconds": ("held_ns", SECOND_NS),
    "gpu_busy_seconds": ("busy_percent_ns", SECOND_NS * 100),
    "gpu_memory_byte_seconds": ("memory_byte_ns", SECOND_NS),
}
_COLUMNS: Final = (
    "job_id", "event", "at", "started_at", "gpus", "item_gpus", "outcome", "exit_code", "tags", *_TEXTS, *_AMOUNTS,
)  # fmt: skip
_NAMES: Final = {name: column for column, (name, _) in _AMOUNTS.items()}
_MOST: Final = Decimal(10) ** 24
_EXACT: Final = Context(prec=64)
_MOST_GPUS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Clocks of other hosts may be ahead by so much.
_AHEAD: Final = timedelta(hours=1)
_LONGEST: Final = timedelta(days=400)
_INSTANT: Final = "write an instant with its zone, as 2026-11-27T10:00:00Z"
_KEPT: list[ReportedJobs] = []


def keep_in(folder: Path) -> None:
    """Say where this process keeps the records of jobs; without it none are taken.

    Args:
        folder: Of them, which may be the one of jobs that run under watch.
    """
    _KEPT[:] = [ReportedJobs(folder)]


def receive(received: Received) -> Answered:
    """Take in what is said of jobs; it is on the disk when this returns."""
    if not _KEPT:
        return refusal(UnreadableError(404, "not-received", "this gateway keeps no records of jobs"))
    try:
        rows = rows_of(received)
    except UnreadableError as error:
        return refusal(error)
    tally, kept = Tally(), _KEPT[0]
    try:
        with kept.alone():
            for number, found in rows:
                faults = [found] if isinstance(found, Fault) else _taken(kept, found, received)
                if faults:
                    tally.reject(number, *faults)
                else:
                    tally.accept(())
            kept.seal_lost(received.received_at)
    except OSError as error:
        why = f"records of jobs cannot be written now ({error.strerror}); send it again"
        return refusal(UnreadableError(503, "log-full", why))
    return tally.answered()


def _taken(kept: ReportedJobs, row: Mapping[str, Any], received: Received) -> list[Fault]:
    """Take a row in; what is wrong with it, if it is not sound."""
    reading = _Reading(row, received)
    report = reading.report()
    if reading.faults:
        return reading.faults
    try:
        kept.take(report)
    except ContradictionError as error:
        return [Fault(_NAMES.get(error.column, error.column), str(error), error.cure)]
    return []


class _Reading:
    """A row while it is read; what is wrong with it is collected.

    Args:
        row: The row.
        received: The request that it came in.
    """

    def __init__(self, row: Mapping[str, Any], received: Received) -> None:
        self._row = row
        self._received = received
        self.faults: list[Fault] = []

    def report(self) -> Report:
        """The report; of no use where there are faults."""
        row = self._row
        for column in row.keys() - set(_COLUMNS):
            near = get_close_matches(column, _COLUMNS, n=1)
            cure = f"did you mean `{near[0]}`?" if near else "leave it out, or put it under `tags`"
            self._fault(None, "a column is not one of a job's", cure)
        event = self._one_of("event", _EVENTS) or "end"
        now = _EPOCH + timedelta(seconds=self._received.received_at)
        at = self._instant("at") or now
        began = self._instant("started_at")
        if at > now + _AHEAD:
            self._fault("at", "it lies in the future", "correct the clock of the sender")
        if began is not None and not began <= at <= began + _LONGEST:
            self._fault("started_at", f"it is not in the {_LONGEST.days} days before `at`", _INSTANT)
        outcome = self._one_of("outcome", OUTCOMES) or "succeeded"
        return Report(
            self._job(_nanoseconds(began or at)),
            began is not None or event == "start",
            event,  # type: ignore[arg-type]
            _nanoseconds(at),
            self._received.received_at,
            self._amounts(),
            self._whole("gpus", 0, _MOST_GPUS),
            outcome,  # type: ignore[arg-type]
            self._whole("exit_code", -(1 << 31), 1 << 31),
        )  # fmt: skip

    def _job(self, started_ns: int) -> Job:
        job_id = self._row.get("job_id")
        if not isinstance(job_id, str) or not _ID.fullmatch(job_id):
            cure = "send one that no other job has: up to 100 letters, digits, `.`, `_` and `-`"
            self._fault("job_id", "it is missing" if job_id is None else "it is none", cure)
            job_id = ""
        tags = Tags(dict(self._received.tags))
        given = self._row.get("tags")
        if given is not None and not isinstance(given, dict):
            self._fault("tags", "they are no object", 'send {"team": "ml"}')
        tags.add_all(given)
        if tags.dropped:
            self._fault(
                "tags", f"{tags.dropped} of them are too long, too many or no text", "send short names and texts"
            )
        texts = {name: self._text(column) for column, name in _TEXTS.items()}
        host = texts.pop("host")
        item = texts.pop("item") or host
        # What the first report does not say is said by none; a job has to be somewhere.
        found = Job(job_id, started_ns, host or "", item or "", tags=tags.values, **texts)  # type: ignore[arg-type]
        return found._replace(item_gpus=self._whole("item_gpus", 1, _MOST_GPUS))

    def _text(self, column: str) -> str | None:
        value = self._row.get(column)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not value.isprintable():
            self._fault(column, "it is no short text", f"send at most {LONGEST_VALUE} printable characters")
            return None
        return value

    def _one_of(self, column: str, choices: tuple[str, ...]) -> str | None:
        value = self._row.get(column)
        if value is None or value in choices:
            return value
        self._fault(column, "it is none of those that there are", f"send one of {', '.join(choices)}")
        return None

    def _whole(self, column: str, least: int, most: int) -> int | None:
        value = self._row.get(column)
        if value is None or (type(value) is int and least <= value <= most):
            return value
        self._fault(column, "it is no whole number that it could be", f"send a number from {least} to {most}")
        return None

    def _amounts(self) -> dict[str, int]:
        found = {name: self._amount(column, unit) for column, (name, unit) in _AMOUNTS.items()}
        return {name: amount for name, amount in found.items() if amount is not None}

    def _amount(self, column: str, unit: int) -> int | None:
        """A quantity in whole units, without the detour of a binary fraction where it came as text."""
        value = self._row.get(column)
        if value is None:
            return None
        try:
            found = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite() or not 0 <= found <= _MOST:
            self._fault(column, "it is no quantity", "send a number, or a decimal as text, from 0 on")
            return None
        return int(_EXACT.multiply(found, Decimal(unit)).to_integral_value())

    def _instant(self, column: str) -> datetime | None:
        value = self._row.get(column)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None or not 2000 <= found.year < 9999:  # noqa: PLR2004 - years
            self._fault(column, "it is no instant", _INSTANT)
            return None
        return found.astimezone(UTC)

    def _fault(self, column: str | None, reason: str, cure: str) -> None:
        self.faults.append(Fault(column, reason, cure))


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
