"""A command that runs under watch: its streams, signals and exit code are its own, and a record is left of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from apportion.gateway.jobs import Ending, Job, JobFile, Outcome, lines
from apportion.jobs.nvml import NoGpusError, Nvml
from apportion.jobs.processes import MARK, Processes
from apportion.jobs.watching import Watching

TICK_SECONDS: Final = 1.0
# What may be lost of a job that is killed together with whoever watches it.
BEAT_SECONDS: Final = 2.0
_FORWARDED: Final = (
    signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
# A terminal sends these to every process in front of it, the command among them.
_OF_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGQUIT})
_SIGNALLED: Final = 128
_LOST: Final = "nothing was heard of it after this: the job's watcher or its host was killed"


class Order(NamedTuple):
    """A job to run.

    Attributes:
        command: And its arguments.
        folder: Of the records of jobs.
        tags: Whom and what it is for.
        name: For people.
        item: What it uses, where a bill names it; None for this host.
        user_id: Who runs it.
        gpus: How many it has, where nobody can measure it.
        item_gpus: How many the item has.
    """

    command: Sequence[str]
    folder: Path
    tags: Mapping[str, str]
    name: str | None = None
    item: str | None = None
    user_id: str | None = None
    gpus: int | None = None
    item_gpus: int | None = None


class Done(NamedTuple):
    """What became of it.

    Attributes:
        exit_code: To end with: the command's own, or 128 and the number of the signal that ended it.
        outcome: Of the job.
        hours: Of GPUs, over all days; None where nobody knows.
        state: How sure they are.
        record: The file with its record; None where it could not be written.
    """

    exit_code: int
    outcome: Outcome
    hours: str | None
    state: str
    record: Path | None


def run(order: Order, tell: Callable[[str], None]) -> Done:
    """Run a command to its end.

    Args:
        order: The job.
        tell: Told what its user should know, in words.

    Raises:
        OSError: The command cannot be started, or nothing be written into the folder.
    """
    began = time.time_ns()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    host = socket.gethostname()
    job_id = f"job-{stamp}-{secrets.token_hex(6)}"
    job = Job(job_id, began, host, order.item or host, order.name, order.user_id, order.tags, None, order.item_gpus)
    gpus, why_not = None, ""
    try:
        gpus = Nvml()
    except NoGpusError as error:
        why_not = str(error)
    watching = Watching(job_id, order.folder, gpus=gpus, why_not=why_not, told=order.gpus, environ=os.environ,
                        wall_ns=began, now_ns=time.monotonic_ns)  # fmt: skip
    record = _Record(job, watching, JobFile(order.folder, job_id), tell)
    # It is there before the command is, so that no job is without one.
    record.begin()
    try:
        with _Signals() as signals:
            command = subprocess.Popen(order.command, env={**os.environ, MARK: job_id})  # noqa: S603 - what it is for
            signals.hand_to(command)
            code = _wait(command, signals, record, Processes(command.pid, job_id))
    except OSError:
        record.drop()
        raise
    return record.end(code)


def _wait(command: subprocess.Popen[bytes], signals: _Signals, record: _Record, processes: Processes) -> int:
    due = time.monotonic()
    while (code := command.poll()) is None:
        record.tick(processes)
        due = max(due + TICK_SECONDS, time.monotonic())
        while (left := due - time.monotonic()) > 0 and command.poll() is None:
            signals.wait(left)
    return code


class _Signals:
    """Hands signals to the command, and wakes whoever waits for its end."""

    def __init__(self) -> None:
        self._command: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)  # noqa: FBT003 - the name of the standard library's argument
        self._woken.setblocking(False)  # noqa: FBT003 - as above
        self._fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (*_FORWARDED, signal.SIGCHLD):
            # What is ignored, as under `nohup`, is ignored by the command, too.
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd)
        self._wake.close()
        self._woken.close()

    def hand_to(self, command: subprocess.Popen[bytes]) -> None:
        """Hand all signals to a command, those too that came before it was there."""
        self._command = command
        for number in self._early:
            self._forward(number)

    def wait(self, seconds: float) -> None:
        """Wait for a signal, so long."""
        select.select([self._woken], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def _take(self, number: int, _: object) -> None:
        if number == signal.SIGCHLD:
            return
        if self._command is None:
            self._early.append(number)
        elif not (number in _OF_TERMINAL and _in_front()):
            self._forward(number)

    def _forward(self, number: int) -> None:
        if self._command is not None:
            with contextlib.suppress(ProcessLookupError):
                self._command.send_signal(number)


def _in_front() -> bool:
    """Whether this process, and its command with it, is the one that the terminal speaks to."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


class _Record:
    """The record of a job, from its first moment to its last. What goes wrong with it is told and stops no job."""

    def __init__(self, job: Job, watching: Watching, file: JobFile, tell: Callable[[str], None]) -> None:
        self._job = job
        self._watching = watching
        self._file = file
        self._tell = tell
        self._told: set[str] = set()
        self._beat_at = 0.0

    def begin(self) -> None:
        """Write it for the first time.

        Raises:
            OSError: It cannot be written.
        """
        self._file.put(self._rows("lost"))
        self._beat_at = time.monotonic()

    def tick(self, processes: Processes) -> None:
        """Count, and write down what there is now and then."""
        with self._harmless("what the job uses cannot be measured for now"):
            self._watching.tick(processes)
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._beat_at = time.monotonic()
            with self._harmless("the job's record cannot be written for now"):
                self._file.put(self._rows("lost"))

    def end(self, code: int) -> Done:
        """Write it for the last time."""
        with self._harmless("the last moment of the job could not be measured"):
            self._watching.tick(None)
        outcome: Outcome = "succeeded" if code == 0 else "killed" if code < 0 else "failed"
        exit_code = _SIGNALLED - code if code < 0 else code
        rows = self._rows(outcome, exit_code)
        sealed = None
        with self._harmless("the job's record could not be written to its end"):
            sealed = self._file.end(rows)
        hours = [row["gpu_hours"] for row in rows]
        total = None if None in hours else str(sum(map(Decimal, hours)))
        return Done(exit_code, outcome, total, rows[0]["state"], sealed)

    def drop(self) -> None:
        """Forget a job that never began."""
        self._file.drop()

    def _rows(self, outcome: Outcome, exit_code: int | None = None) -> list[dict[str, Any]]:
        state, why = self._watching.judged()
        if outcome == "lost":
            state, why = "missing" if state == "missing" else "estimated", "; ".join(filter(None, (why, _LOST)))
        job = self._job._replace(gpu_model=self._watching.model)
        return lines(job, self._watching.days, Ending(self._watching.at_ns, outcome, exit_code, state, why))

    @contextlib.contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the job goes on, whatever it is
            if what not in self._told:
                self._told.add(what)
                self._tell(f"{what}: {error}")
