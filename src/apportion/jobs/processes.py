"""Which processes are a job's: those that its command has started, and those that they have, wherever they went."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# In the environment of a job, so that a process of it is known even when its parents are gone.
MARK: Final = "APPORTION_JOB_ID"
_PROC: Final = Path("/proc")
_DEEPEST: Final = 1000


class Processes:
    """The processes of a job.

    Args:
        root: Of its command.
        job_id: Of the job.
    """

    def __init__(self, root: int, job_id: str) -> None:
        self._root = root
        self._mark = f"{MARK}={job_id}".encode()

    def has(self, pid: int) -> bool:
        """Whether a process is one of them."""
        at = pid
        for _ in range(_DEEPEST):
            if at == self._root:
                return True
            parent = _parent(at)
            if parent is None or parent <= 1:
                break
            at = parent
        try:
            return self._mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            return False


def visible(pid: int) -> bool:
    """Whether a process can be seen from here; from inside a container those outside cannot."""
    if not _PROC.is_dir():
        return False
    return (_PROC / str(pid)).exists()


def _parent(pid: int) -> int | None:
    try:
        said = (_PROC / str(pid) / "stat").read_bytes()
        # The name of the program stands in parentheses, and may hold anything.
        return int(said.rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def boot() -> str:
    """A name for the time since the host was started, in which its clock never goes back."""
    try:
        return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
    except OSError:
        return os.uname().nodename
