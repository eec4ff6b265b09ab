"""Jobs that others watch and report of: what is known of each until it ends, and its record then.

What was reported of a job stands in a file until the job ends, because its next report may reach another worker. The
file becomes a record like that of a job which ran under watch. A job is told by its id: a report that comes again, or
late, changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from apportion.gateway.jobs import Ending, Job, JobFile, Outcome, State, Used, add, by_day, lines

# A job of which nothing was heard for so long is taken for lost.
LOST_SECONDS: Final = 3600.0
_REPORTED: Final = ".reported"
_PREFIX: Final = "reported-"
_SILENT: Final = "nothing was heard of it after this"
_UNTOLD: Final = "for a part of its time nobody told what it used"
_MISSING: Final = "nobody told how many GPUs it has, or for how long"

Event = Literal["start", "heartbeat", "end"]


class ContradictionError(Exception):
    """A report cannot be true together with those before it.

    Args:
        column: That contradicts; by its name in `Used`, or `started_at`.
        reason: Why.
        cure: What to send.
    """

    def __init__(self, column: str, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.column = column
        self.cure = cure


class Report(NamedTuple):
    """What is said of a job at a moment.

    Attributes:
        job: As far as this report tells; what it leaves out is known from before.
        began: Whether it says when the job began.
        event: What happens.
        at_ns: In nanoseconds of the epoch.
        heard_at: When it came, in seconds of the epoch.
        totals: What the job has used since it began, by the names of `Used`.
        gpus: How many it has, where no total says it.
        outcome: Of an end.
        exit_code: Of an end.
    """

    job: Job
    began: bool
    event: Event
    at_ns: int
    heard_at: float
    totals: Mapping[str, int]
    gpus: int | None = None
    outcome: Outcome = "succeeded"
    exit_code: int | None = None


class _Kept(NamedTuple):
    """What is known of a job that has not ended.

    Attributes:
        job: The job.
        at_ns: Up to when it is told.
        heard_at: When that was heard, in seconds of the epoch.
        known: The quantities of which anything was told, by the names of `Used`.
        days: What it used; a quantity of which nothing was told is 0 there.
        state: How sure its GPU hours are.
        why: They are not measured.
    """

    job: Job
    at_ns: int
    heard_at: float
    known: frozenset[str]
    days: dict[date, Used]
    state: State
    why: str


class ReportedJobs:
    """The jobs that are reported into a folder.

    Args:
        folder: Of the records of jobs; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder for oneself, among all workers of the host.

        Raises:
            OSError: It cannot be had.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def take(self, report: Report) -> None:
        """Add a report to what is known of its job; to be called alone.

        Raises:
            ContradictionError: It cannot be true together with those before it. Nothing of it is taken.
            OSError: It cannot be written down.
        """
        path = self._folder / f"{_PREFIX}{report.job.job_id}{_REPORTED}"
        if path.with_suffix(".jsonl").exists():
            return
        kept = _read(path)
        if kept is None and not report.began:
            cure = "send `started_at`, or a `start` before it"
            raise ContradictionError("started_at", "nothing was heard of this job before: when did it begin?", cure)
        kept = kept or _Kept(report.job, report.job.started_ns, report.heard_at, frozenset(), {}, "missing", _MISSING)
        # A report that a later one has overtaken says nothing that the later one did not.
        if report.at_ns >= kept.at_ns:
            now = _grown(kept, report)
            if report.event == "end":
                self._seal(path, now, report.outcome, report.exit_code)
            else:
                _write(path, now)

    def seal_lost(self, now: float) -> list[str]:
        """Give its record to each job of which nothing was heard for long; to be called alone.

        Args:
            now: In seconds of the epoch.

        Returns:
            The ids of the jobs.

        Raises:
            OSError: One cannot be written down.
        """
        found = []
        for path in sorted(self._folder.glob(f"*{_REPORTED}")):
            kept = _read(path)
            if kept is not None and now - kept.heard_at > LOST_SECONDS:
                state: State = "estimated" if kept.state == "measured" else kept.state
                why = "; ".join(filter(None, (kept.why, _SILENT)))
                self._seal(path, kept._replace(state=state, why=why), "lost", None)
                found.append(kept.job.job_id)
        return found

    def _seal(self, path: Path, kept: _Kept, outcome: Outcome, exit_code: int | None) -> None:
        untold = {name: None for name in Used._fields if name not in kept.known}
        days = {day: used._replace(**untold) for day, used in kept.days.items()}
        rows = lines(kept.job, days, Ending(kept.at_ns, outcome, exit_code, kept.state, kept.why))
        JobFile(self._folder, path.stem).end(rows)
        path.unlink(missing_ok=True)


def _grown(kept: _Kept, report: Report) -> _Kept:
    """What is known of a job with one more report."""
    elapsed = report.at_ns - kept.at_ns
    grown = {}
    for name, total in report.totals.items():
        counted = sum(getattr(used, name) for used in kept.days.values())
        if total < counted:
            cure = "send what the job has used since it began, and not since its last report"
            raise ContradictionError(name, "it is less than what was counted before", cure)
        grown[name] = total - counted
    state, why = kept.state, kept.why
    if "held_ns" in grown:
        state, why = "measured", ""
    elif report.gpus is not None and elapsed:
        grown["held_ns"] = report.gpus * elapsed
        state, why = "estimated", f"counted from {report.gpus} GPUs that were told and the time"
    elif elapsed and state == "measured":
        state, why = "estimated", _UNTOLD
    days = dict(kept.days)
    add(days, by_day(Used(0, 0, 0)._replace(**grown), kept.at_ns, report.at_ns))
    told = {name: value for name, value in report.job._asdict().items() if value not in (None, "")}
    tags = {**kept.job.tags, **report.job.tags}
    job = kept.job._replace(**{**told, "started_ns": kept.job.started_ns, "tags": tags})
    return _Kept(job, report.at_ns, report.heard_at, kept.known | grown.keys(), days, state, why)


def _write(path: Path, kept: _Kept) -> None:
    days = {day.isoformat(): list(used) for day, used in kept.days.items()}
    said = {**kept._asdict(), "job": kept.job._asdict(), "known": sorted(kept.known), "days": days}
    beside = path.with_name(f".{path.name}")
    with beside.open("w", encoding="utf-8") as file:
        # Bytes times nanoseconds are wider than the numbers of faster writers of JSON.
        json.dump(said, file)
        file.flush()
        os.fdatasync(file.fileno())
    beside.replace(path)


def _read(path: Path) -> _Kept | None:
    """What is known of a job; None where nothing is, or it was torn."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        days = {date.fromisoformat(day): Used(*used) for day, used in said["days"].items()}
        made = {"job": Job(**said["job"]), "known": frozenset(said["known"]), "days": days}
        return _Kept(**{**said, **made})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
