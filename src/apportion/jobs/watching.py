"""What a job uses, second by second: from the GPUs where they can be seen, else from what is told of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from apportion.gateway.jobs import State, Used, add, by_day
from apportion.jobs.nvml import Gpu, NoGpusError
from apportion.jobs.processes import Processes, boot, visible
from apportion.jobs.shares import GpuShare, Look

_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
_SLICE: Final = "MIG-"
_NONE: Final = ("", "-1", "none", "void", "NoDevFiles")


class Gpus(Protocol):
    """Whoever tells of the GPUs of a host."""

    def look(self) -> Sequence[Gpu]:
        """Every GPU as it is now.

        Raises:
            NoGpusError: Nothing can be told.
        """


def allotted(environ: Mapping[str, str]) -> list[str] | None:
    """The GPUs that a job was given, by index or the start of their id; None where nobody says.

    Args:
        environ: Of the job. `CUDA_VISIBLE_DEVICES` is set by Slurm and others that allot GPUs, and bounds every
            process of CUDA (CUDA C++ Programming Guide, read 2026-11-27).
    """
    said = environ.get(_VISIBLE)
    if said is None:
        return None
    listed = [each.strip() for each in said.split(",")]
    return [] if listed[0] in _NONE else [each for each in listed if each and each not in _NONE]


class Watching:
    """What a job has used up to now.

    Args:
        job_id: Of it.
        folder: Where the jobs of the host keep the ledgers of its GPUs.
        gpus: Who tells of them; None where nobody can.
        why_not: Why nobody can.
        told: How many the job has, as its user says; counts only where nobody tells.
        environ: Of the job.
        wall_ns: When it began, in nanoseconds of the epoch.
        now_ns: A clock that never goes back, the same for all processes of the host.
    """

    def __init__(
        self,
        job_id: str,
        folder: Path,
        *,
        gpus: Gpus | None,
        why_not: str,
        told: int | None,
        environ: Mapping[str, str],
        wall_ns: int,
        now_ns: Callable[[], int],
    ) -> None:
        self._job_id = job_id
        self._folder = folder
        self._gpus = gpus
        self._why_not = why_not
        self._told = told
        self._allotted = allotted(environ)
        self._clock = now_ns
        self._began = self._last = now_ns()
        self._wall_ns = wall_ns
        self._shares: dict[str, GpuShare] = {}
        self._doubts: dict[str, None] = {}
        self._blind = False
        self.model: str | None = None
        self.days: dict[date, Used] = {}

    @property
    def at_ns(self) -> int:
        """The moment up to which all is counted, in nanoseconds of the epoch."""
        return self._wall_ns + self._last - self._began

    def judged(self) -> tuple[State, str]:
        """How sure the GPU hours are, and why they are not measured."""
        if self._gpus is not None:
            return ("estimated", "; ".join(self._doubts)) if self._doubts else ("measured", "")
        if self._told is not None:
            return "estimated", f"{self._why_not}; counted from {self._told} GPUs that were told and the time"
        if self._allotted is not None:
            return "estimated", f"{self._why_not}; counted from the GPUs that {_VISIBLE} names and the time"
        return "missing", f"{self._why_not}; `--gpus` can tell how many the job has"

    def tick(self, processes: Processes | None) -> None:
        """Count up to now.

        Args:
            processes: Of the job; None when it has ended.
        """
        now = self._clock()
        used = self._counted(now - self._last) if self._gpus is None else self._measured(self._gpus, processes, now)
        began, ended = self.at_ns, self._wall_ns + now - self._began
        add(self.days, by_day(used, began, ended))
        self._last = now

    def _counted(self, elapsed_ns: int) -> Used:
        number = self._told if self._told is not None else None if self._allotted is None else len(self._allotted)
        return Used(None if number is None else number * elapsed_ns, None, None)

    def _measured(self, gpus: Gpus, processes: Processes | None, now: int) -> Used:
        looks: dict[str, Look] = {}
        if processes is not None:
            try:
                looks = self._looks(gpus.look(), processes)
            except NoGpusError as error:
                # What was seen last is taken to hold on; the ledgers know it.
                self._doubts[f"for a time nothing could be seen ({error})"] = None
                if self._shares:
                    return Used(0, 0, None if self._blind else 0)
        for uuid in looks:
            if uuid not in self._shares:
                path = self._folder / "gpus" / f"{os.uname().nodename}-{boot()}-{uuid}.json"
                self._shares[uuid] = GpuShare(path, self._job_id)
        used = Used(0, 0, None if self._blind else 0)
        for uuid in list(self._shares):
            used = used.plus(self._shares[uuid].settle(now, looks.get(uuid)))
            if uuid not in looks:
                del self._shares[uuid]
        return used

    def _looks(self, found: Sequence[Gpu], processes: Processes) -> dict[str, Look]:
        """The GPUs that the job has now: those that it was given, else those that its processes are on."""
        given = self._given(found)
        looks = {}
        for gpu in found:
            mine = [pid for pid in gpu.processes if processes.has(pid)]
            if not (mine if given is None else gpu.uuid in given):
                continue
            if gpu.sliced:
                self._doubts["a GPU is cut into slices (MIG), which are not told apart"] = None
            unknown = any(gpu.processes[pid] is None for pid in mine)
            if unknown or any(not visible(pid) for pid in gpu.processes):
                # Behind the walls of a container NVML names processes by ids that mean nothing here.
                self._blind = True
            self.model = self.model or gpu.model
            memory = sum(gpu.processes[pid] or 0 for pid in mine)
            everything = sum(each or 0 for each in gpu.processes.values())
            looks[gpu.uuid] = Look(memory, everything, gpu.memory_bytes, gpu.busy_percent)
        return looks

    def _given(self, found: Sequence[Gpu]) -> set[str] | None:
        if self._allotted is None or any(name.startswith(_SLICE) for name in self._allotted):
            return None
        given = set()
        for name in self._allotted:
            named = [gpu.uuid for gpu in found if str(gpu.number) == name or (name and gpu.uuid.startswith(name))]
            if not named:
                self._doubts[f"{_VISIBLE} names `{name[:50]}`, which is no GPU here"] = None
            given.update(named)
        return given
