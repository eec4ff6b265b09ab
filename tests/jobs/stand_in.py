"""A stand-in for NVIDIA's management library, whose GPUs and processes stand in a file that a test can change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apportion.gateway.usage_log import read_segment

GIB = 1 << 30
# What the functions that are called answer, in the shapes of nvidia-ml-py 13.615.71, read 2026-11-27. A process stands
# in the file by its id or by a file that it writes its id into.
_LIBRARY = """
import json, os
from types import SimpleNamespace as Found

class NVMLError(Exception):
    pass

def _gpus():
    with open(os.environ["STAND_IN"]) as file:
        found = json.load(file)
    if isinstance(found, str):
        raise NVMLError(found)
    return found

def _pid(name):
    if name.isdigit():
        return int(name)
    try:
        return int(open(name).read())
    except (OSError, ValueError):
        return None

def nvmlInit():
    _gpus()

def nvmlDeviceGetCount():
    return len(_gpus())

def nvmlDeviceGetHandleByIndex(number):
    return _gpus()[number]

def nvmlDeviceGetUUID(gpu):
    return gpu["uuid"]

def nvmlDeviceGetName(gpu):
    return "NVIDIA H100 80GB HBM3"

def nvmlDeviceGetMemoryInfo(gpu):
    return Found(total=gpu["memory"])

def nvmlDeviceGetUtilizationRates(gpu):
    if gpu["busy"] is None:
        raise NVMLError("Not Supported")
    return Found(gpu=gpu["busy"])

def nvmlDeviceGetMigMode(gpu):
    if gpu.get("sliced") is None:
        raise NVMLError("Not Supported")
    return [int(gpu["sliced"]), int(gpu["sliced"])]

def nvmlDeviceGetComputeRunningProcesses(gpu):
    listed = [(_pid(name), used) for name, used in gpu["processes"].items()]
    return [Found(pid=pid, usedGpuMemory=used) for pid, used in listed if pid is not None]
"""


def gpu(uuid: str = "GPU-a", busy: int | None = 50, **processes: int | None) -> dict[str, Any]:
    """A GPU of 80 GiB; processes by what they are called."""
    return {"uuid": uuid, "memory": 80 * GIB, "busy": busy, "processes": processes}


class Host:
    """A host with GPUs on which jobs run.

    Args:
        folder: For everything.
    """

    def __init__(self, folder: Path) -> None:
        self.jobs = folder / "jobs"
        self._state = folder / "gpus.json"
        self._path = folder / "library"
        self._path.mkdir()
        self._started: list[subprocess.Popen[str]] = []
        (self._path / "pynvml.py").write_text(_LIBRARY)

    def has(self, *gpus: Mapping[str, Any] | str) -> None:
        """Say what GPUs there are; a text is an error of the library."""
        beside = self._state.with_suffix(".new")
        beside.write_text(json.dumps(gpus[0] if gpus and isinstance(gpus[0], str) else gpus))
        beside.replace(self._state)

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start a job."""
        command = [sys.executable, "-m", "apportion.cli", "job", "run", "--log", str(self.jobs), *words]
        given = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        found = {"PYTHONPATH": str(self._path), "STAND_IN": str(self._state), "COLUMNS": "200", "NO_COLOR": "1"}
        job = subprocess.Popen(
            command, env={**given, **found, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._started.append(job)
        return job

    def run(self, *words: str, **env: str) -> tuple[int, str, str]:
        """Run a job to its end: exit code, stdout, stderr."""
        job = self.start(*words, **env)
        out, err = job.communicate(timeout=60)
        return job.returncode, out, err

    def end(self) -> None:
        """End what a test has left running."""
        for job in self._started:
            if job.poll() is None:
                job.terminate()
                job.communicate(timeout=60)

    def rows(self, ending: str = ".jsonl") -> list[dict[str, Any]]:
        """The rows of all records."""
        found = [row for path in sorted(self.jobs.glob(f"*{ending}")) for row in read_segment(path)]
        assert None not in found
        return [row for row in found if row is not None]

    def until(self, what: Any, seconds: float = 20.0) -> None:
        """Wait for something to be so."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, f"it did not come to that: {self.rows('.open')}"
            time.sleep(0.02)


def total(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    """The sum of a quantity, near enough to compare it with a clock."""
    return sum(float(row[column]) for row in rows)
