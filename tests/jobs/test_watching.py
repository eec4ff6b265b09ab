"""What is counted of a job, second by second, with GPUs and a clock that do as they are told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from apportion.gateway.jobs import Used
from apportion.jobs.nvml import Gpu, NoGpusError
from apportion.jobs.processes import Processes
from apportion.jobs.watching import Watching, allotted

SECOND = 10**9
GIB = 1 << 30
ME = os.getpid()
MINE = Processes(ME, "job-1")
WALL = int(datetime(2026, 11, 27, 23, 59, 58, tzinfo=UTC).timestamp()) * SECOND
DAY = date(2026, 11, 27)


class Told:
    """GPUs as a test has them, and a clock."""

    def __init__(self, *gpus: Gpu) -> None:
        self.gpus: list[Gpu] = list(gpus)
        self.now = 1000 * SECOND
        self.broken = False

    def look(self) -> list[Gpu]:
        if self.broken:
            raise NoGpusError("NVML: GPU is lost")
        return self.gpus


def gpu(uuid: str = "GPU-a", number: int = 0, processes: Mapping[int, int | None] | None = None) -> Gpu:
    mine: Mapping[int, int | None] = {ME: 20 * GIB}
    return Gpu(uuid, number, "NVIDIA H100", 80 * GIB, 40, mine if processes is None else processes)


def watching(folder: Path, host: Told, **more: Any) -> Watching:
    given: dict[str, Any] = {"gpus": host, "why_not": "", "told": None, "environ": {}, "wall_ns": WALL}
    return Watching("job-1", folder, **{**given, **more}, now_ns=lambda: host.now)


@pytest.mark.parametrize(
    ("said", "found"),
    [(None, None), ("", []), ("-1", []), ("none", []), ("0", ["0"]), ("0, 3", ["0", "3"]), ("GPU-a", ["GPU-a"])],
)
def test_what_a_job_was_given(said: str | None, found: list[str] | None) -> None:
    assert allotted({} if said is None else {"CUDA_VISIBLE_DEVICES": said}) == found


def test_a_gpu_counts_while_a_process_of_the_job_is_on_it(tmp_path: Path) -> None:
    told = Told(gpu(), gpu("GPU-b", 1, processes={}))
    found = watching(tmp_path, told)
    found.tick(MINE)
    told.now += SECOND
    found.tick(MINE)
    told.gpus = [gpu(processes={}), gpu("GPU-b", 1, processes={})]
    told.now += SECOND // 2
    found.tick(MINE)
    told.now += SECOND // 4
    found.tick(None)
    half = 3 * SECOND // 2
    assert found.days == {DAY: Used(half, 40 * half, 20 * GIB * half)}
    assert found.judged() == ("measured", "")
    assert found.model == "NVIDIA H100"
    assert found.at_ns == WALL + half + SECOND // 4


def test_a_gpu_that_was_given_counts_from_start_to_end(tmp_path: Path) -> None:
    told = Told(gpu(processes={}), gpu("GPU-b", 1, processes={}), gpu("GPU-c", 2, processes={ME: 5 * GIB}))
    found = watching(tmp_path, told, environ={"CUDA_VISIBLE_DEVICES": "0,GPU-b"})
    for _ in range(2):
        found.tick(MINE)
        told.now += SECOND // 2
    found.tick(None)
    assert found.days == {DAY: Used(2 * SECOND, 80 * SECOND, 0)}


def test_midnight_lies_where_it_lies(tmp_path: Path) -> None:
    told = Told(gpu())
    found = watching(tmp_path, told)
    found.tick(MINE)
    told.now += 5 * SECOND
    found.tick(MINE)
    two, three = 2 * SECOND, 3 * SECOND
    assert found.days == {
        DAY: Used(two, 40 * two, 20 * GIB * two),
        date(2026, 11, 28): Used(three, 40 * three, 20 * GIB * three),
    }


def test_processes_of_others_have_their_share(tmp_path: Path) -> None:
    told = Told(gpu(processes={ME: 20 * GIB, 1: 60 * GIB}))
    found = watching(tmp_path, told)
    found.tick(MINE)
    told.now += SECOND
    found.tick(None)
    assert found.days[DAY] == Used(SECOND // 4, 10 * SECOND, 20 * GIB * SECOND)


def test_when_nothing_can_be_seen_for_a_time_what_was_seen_holds_on(tmp_path: Path) -> None:
    told = Told(gpu())
    found = watching(tmp_path, told)
    found.tick(MINE)
    told.broken = True
    told.now += SECOND
    found.tick(MINE)
    told.broken = False
    told.now += SECOND // 2
    found.tick(MINE)
    assert found.days[DAY].held_ns == 3 * SECOND // 2
    assert found.judged() == ("estimated", "for a time nothing could be seen (NVML: GPU is lost)")


@pytest.mark.parametrize(
    ("processes", "memory"), [({ME: None}, None), ({ME: 20 * GIB, 1 << 30: 1}, None), ({ME: 3}, 3 * SECOND)]
)
def test_memory_that_cannot_be_seen_is_not_known(
    tmp_path: Path, processes: Mapping[int, int | None], memory: int | None
) -> None:
    told = Told(gpu(processes=processes))
    found = watching(tmp_path, told)
    found.tick(MINE)
    told.now += SECOND
    found.tick(None)
    assert found.days[DAY].memory_byte_ns == memory


def test_what_is_not_told_apart_is_said(tmp_path: Path) -> None:
    told = Told(gpu()._replace(sliced=True))
    found = watching(tmp_path, told, environ={"CUDA_VISIBLE_DEVICES": "MIG-1234"})
    found.tick(MINE)
    told.now += SECOND
    found.tick(None)
    assert found.days[DAY].held_ns == SECOND
    assert found.judged() == ("estimated", "a GPU is cut into slices (MIG), which are not told apart")
    lost = watching(tmp_path, Told(gpu()), environ={"CUDA_VISIBLE_DEVICES": "7"})
    lost.tick(MINE)
    assert lost.judged() == ("estimated", "CUDA_VISIBLE_DEVICES names `7`, which is no GPU here")


@pytest.mark.parametrize(
    ("more", "held", "state", "why"),
    [
        ({"told": 4}, 8 * SECOND, "estimated", "no NVML; counted from 4 GPUs that were told and the time"),
        ({"environ": {"CUDA_VISIBLE_DEVICES": "0,1"}}, 4 * SECOND, "estimated",
         "no NVML; counted from the GPUs that CUDA_VISIBLE_DEVICES names and the time"),
        ({}, None, "missing", "no NVML; `--gpus` can tell how many the job has"),
    ],
)  # fmt: skip
def test_without_a_library_it_is_the_time_that_counts(
    tmp_path: Path, more: dict[str, Any], held: int | None, state: str, why: str
) -> None:
    told = Told()
    found = watching(tmp_path, told, gpus=None, why_not="no NVML", **more)
    told.now += SECOND
    found.tick(MINE)
    told.now += SECOND
    found.tick(None)
    days = {day: used for day, used in found.days.items() if day == DAY}
    assert days == {DAY: Used(held, None, None)}
    assert found.judged() == (state, why)


def test_processes_are_known_by_their_parents_and_by_their_mark() -> None:
    assert MINE.has(ME)
    assert not Processes(ME, "job-1").has(1)
    assert not MINE.has(1 << 30)
    assert Processes(os.getppid(), "job-1").has(ME)
