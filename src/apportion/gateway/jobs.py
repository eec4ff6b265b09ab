"""Jobs as they are written down: what each used on each day, in rows that a meter reads, in a file of its own.

While a job is at work its file ends in `.open`, is locked, and always holds the rows that would be its last ones if
nothing more were heard of it; so whoever finds it unlocked seals it as it is (`usage_log.recover`), and a job has one
record however it ends. A line is one job and day. Its quantities are columns, each with the name of the meter that
reads it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from apportion.gateway.usage_log import line_of
from apportion.money import half_up_div, split

Outcome = Literal["succeeded", "failed", "killed", "lost"]
State = Literal["measured", "estimated", "missing"]

OUTCOMES: Final[tuple[Outcome, ...]] = ("succeeded", "failed", "killed", "lost")
SECOND_NS: Final = 1_000_000_000
_HOUR_NS: Final = 3_600 * SECOND_NS
_DAY_NS: Final = 24 * _HOUR_NS
_GIBIBYTE: Final = 1 << 30
_HUNDRED: Final = 100
# A quantity is kept in millionths of its unit; what is written has no finer digits, so that days add up to their job.
_MICRO: Final = 1_000_000
_HOURS_OF_DAY: Final = 24
_FIRST: Final = date(1970, 1, 1)
_LONGEST_WHY: Final = 300


class Used(NamedTuple):
    """What a job used of GPUs. A quantity is None where nothing is known of it.

    Attributes:
        held_ns: For how long it had GPUs to itself, those that it shares by its share; nanoseconds of one GPU.
        busy_percent_ns: The same, weighted by how busy the GPU was, from 0 to 100.
        memory_byte_ns: Bytes of GPU memory that it had, times the time.
    """

    held_ns: int | None = 0
    busy_percent_ns: int | None = 0
    memory_byte_ns: int | None = 0

    def plus(self, other: Used) -> Used:
        """Both together; what is not known of one is not known of both."""
        return Used(*(None if a is None or b is None else a + b for a, b in zip(self, other, strict=True)))


class Job(NamedTuple):
    """A job.

    Attributes:
        job_id: That no other has.
        started_ns: In nanoseconds of the epoch.
        host: That it runs on.
        item: What it uses, where a bill names it: a machine, a cluster.
        name: For people.
        user_id: Who runs it.
        tags: Whom and what it is for.
        gpu_model: Of the GPUs.
        item_gpus: How many the item has, for what of them is idle; None where nobody says.
    """

    job_id: str
    started_ns: int
    host: str
    item: str
    name: str | None = None
    user_id: str | None = None
    tags: Mapping[str, str] = {}
    gpu_model: str | None = None
    item_gpus: int | None = None


class Ending(NamedTuple):
    """How a job stands at a moment, which may be its last.

    Attributes:
        at_ns: In nanoseconds of the epoch.
        outcome: One of `OUTCOMES`.
        exit_code: Of its command.
        state: How sure its GPU hours are.
        why: For people, where they are not measured.
    """

    at_ns: int
    outcome: Outcome
    exit_code: int | None = None
    state: State = "measured"
    why: str = ""


def by_day(used: Used, began_ns: int, ended_ns: int) -> dict[date, Used]:
    """Divide what was used over the days of a span, in proportion to the time and without a remainder.

    Args:
        used: In the whole of it.
        began_ns: In nanoseconds of the epoch.
        ended_ns: The same, not before `began_ns`.
    """
    first, last = began_ns // _DAY_NS, max(began_ns, ended_ns - 1) // _DAY_NS
    days = [_FIRST + timedelta(days=number) for number in range(first, last + 1)]
    if first == last:
        return {days[0]: used}
    edges = [began_ns, *(number * _DAY_NS for number in range(first + 1, last + 1)), ended_ns]
    lengths = [after - before for before, after in pairwise(edges)]
    parts = [[None] * len(days) if each is None else split(each, lengths) for each in used]
    return {day: Used(*values) for day, *values in zip(days, *parts, strict=True)}


def add(days: dict[date, Used], more: Mapping[date, Used]) -> None:
    """Add days to days."""
    for day, used in more.items():
        days[day] = days[day].plus(used) if day in days else used


def lines(job: Job, days: Mapping[date, Used], ending: Ending) -> list[dict[str, Any]]:
    """The rows of a job, one for each of its days.

    Args:
        job: The job.
        days: What it used; the day on which it began is among them, or is added.
        ending: How it stands.
    """
    began = datetime.fromtimestamp(job.started_ns // SECOND_NS, UTC).date()
    listed = sorted({began: Used(0, 0, 0), **days}.items())
    hours = _decimals([used.held_ns for _, used in listed], _HOUR_NS)
    busy = _decimals([used.busy_percent_ns for _, used in listed], _HOUR_NS * _HUNDRED)
    memory = _decimals([used.memory_byte_ns for _, used in listed], _HOUR_NS * _GIBIBYTE)
    said = {
        "job_id": job.job_id,
        "job_name": job.name,
        "user_id": job.user_id,
        "host": job.host,
        "gpu_model": job.gpu_model,
        "started_at": _instant(job.started_ns),
        "ended_at": _instant(ending.at_ns),
        "outcome": ending.outcome,
        "exit_code": ending.exit_code,
        "state": ending.state,
        "why": ending.why[:_LONGEST_WHY] or None,
        "gpu_hours_capacity": None if job.item_gpus is None else str(job.item_gpus * _HOURS_OF_DAY),
        "tags": dict(job.tags),
    }
    kept = {key: value for key, value in said.items() if value is not None}
    return [
        {
            "day": day.isoformat(),
            "item": job.item,
            # A quantity that nobody knows stays in the row, so that whoever reads it as a meter is told of the row.
            "gpu_hours": hours[number],
            "gpu_busy_hours": busy[number],
            "gpu_memory_gib_hours": memory[number],
            "part": number + 1,
            "parts": len(listed),
            **kept,
        }
        for number, (day, _) in enumerate(listed)
    ]


def _decimals(amounts: Sequence[int | None], unit: int) -> list[str | None]:
    """Amounts in a unit as decimals that add up to the rounded sum of them all."""
    found: list[str | None] = []
    total = before = 0
    for amount in amounts:
        if amount is None:
            found.append(None)
            continue
        total += amount
        now = half_up_div(total * _MICRO, unit)
        whole, rest = divmod(now - before, _MICRO)
        found.append(f"{whole}.{rest:06d}".rstrip("0").rstrip("."))
        before = now
    return found


def _instant(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, SECOND_NS)
    found = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JobFile:
    """The file of a job that is at work.

    Args:
        folder: Of all jobs; made if it is not there.
        name: Of the file, without its ending.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._open = folder / f"{name}.open"
        self._descriptor: int | None = None

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows in place of those that are there, in one step.

        Raises:
            OSError: They cannot be written; what was there is still there.
        """
        beside = self._folder / f".{self._open.stem}.{secrets.token_hex(4)}"
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            # It is locked before anybody can find it under its name.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            data = b"".join(map(line_of, rows))
            while data:
                data = data[os.write(descriptor, data) :]
            os.fdatasync(descriptor)
            beside.replace(self._open)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        before, self._descriptor = self._descriptor, descriptor
        if before is not None:
            os.close(before)

    def end(self, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Put the last rows and give the file its last name.

        Raises:
            OSError: They cannot be written.
        """
        self.put(rows)
        sealed = self._open.with_suffix(".jsonl")
        self._open.rename(sealed)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.let_go()
        return sealed

    def drop(self) -> None:
        """Remove it, for a job that never began."""
        with contextlib.suppress(OSError):
            self._open.unlink()
        self.let_go()

    def let_go(self) -> None:
        """Close the file; what it holds is the record of its job, for whoever seals it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
