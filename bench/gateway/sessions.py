"""A program and all that it starts: what they use, and their end.

Everything that a program starts stays in its session unless it takes pains to leave; so a session is what is counted,
put to sleep while another is measured, and killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.25
# What a program may use while it counts as being at rest: of one core, over one look.
_REST = 0.04
_KILL_SECONDS = 0.05
_STARTED: list[Session] = []


@contextlib.contextmanager
def ending_all() -> Iterator[None]:
    """Leave nothing running that was started inside, however it is left."""
    try:
        yield
    finally:
        for session in _STARTED:
            session.kill()


class Session:
    """A program that was started in a session of its own.

    Args:
        command: What to start.
        said: The file that takes what it writes to both outputs.
        environment: Beside this process's own.
        folder: That it runs in.
    """

    def __init__(
        self, command: Sequence[str], said: Path, *, environment: Mapping[str, str] | None = None, folder: Path
    ) -> None:
        self.said = said
        self._over = False
        with said.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        _STARTED.append(self)

    @property
    def ended(self) -> bool:
        """Whether the program itself is gone."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = [line.strip() for line in self.said.read_text(encoding="utf-8", errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "it said nothing")

    def members(self) -> list[int]:
        """Its processes, the program itself last."""
        return sorted((process for process, _ in self._stats()), key=lambda process: process == self.process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of all of them, and of those that have ended and were waited for."""
        # Numbered from the state on: user and system time are 11 and 12, those of ended children 13 and 14.
        return sum(sum(int(field) for field in fields[11:15]) for _, fields in self._stats()) / _TICKS

    def kernel_seconds(self) -> float:
        """System time alone: what `cpu_seconds` has of the operating system's own work."""
        return sum(int(fields[12]) + int(fields[14]) for _, fields in self._stats()) / _TICKS

    def pss_kib(self) -> dict[int, int]:
        """The memory of each process, shared pages by share, in KiB."""
        return {process: account["Pss"] for process, account in self._memory()}

    def private_kib(self) -> dict[int, int]:
        """The memory of each process that no other process shares, in KiB: what others do does not move it."""
        return {process: account["Private_Clean"] + account["Private_Dirty"] for process, account in self._memory()}

    def busiest(self) -> int:
        """The process that has used most time: the one that serves."""
        return max(((sum(int(field) for field in fields[11:13]), process) for process, fields in self._stats()))[1]

    def rest(self, most_seconds: float) -> bool:
        """Wait until nothing is at work any more; whether that came to pass."""
        end = time.monotonic() + most_seconds
        before = self.cpu_seconds()
        while time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
            now = self.cpu_seconds()
            if now - before <= _REST * _LOOK_SECONDS:
                return True
            before = now
        return False

    def freeze(self) -> None:
        """Let none of them do anything until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def end(self, seconds: float = 30.0) -> None:
        """Ask the program to end, and wait for it."""
        self.thaw()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End all of them without a word, those that serve before the one that watches them."""
        # Once it is over its number may be somebody else's.
        while not self._over:
            self._signal(signal.SIGKILL)
            self.process.poll()
            self._over = not self.members()
            time.sleep(0 if self._over else _KILL_SECONDS)

    def _memory(self) -> Iterator[tuple[int, dict[str, int]]]:
        for process in self.members():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
                yield process, {line.split(":")[0]: int(line.split()[1]) for line in lines}

    def _signal(self, number: signal.Signals) -> None:
        for process in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _stats(self) -> Iterator[tuple[int, list[str]]]:
        """Each process with the fields of its account, from the state on; the ended are left out."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid and fields[0] not in "ZX":
                    yield int(stat.parent.name), fields
