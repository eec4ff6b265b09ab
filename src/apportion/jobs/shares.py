"""How the jobs of a host share one GPU: a ledger of its time and memory that they keep together.

Each job that has the GPU settles now and then: the time since anybody last settled is divided over all who had it in
that time, by the GPU memory that they use, and evenly while none uses any. Memory that belongs to no job of the ledger
has its share, which is nobody's. So whatever the jobs do, their shares of a second add up to a second at most, and of
memory to what there is.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from apportion.gateway.jobs import SECOND_NS, Used
from apportion.money import split

# Of a job that has not settled for longer nobody knows whether it is still there.
STALE_NS: Final = 30 * SECOND_NS


class Look(NamedTuple):
    """A GPU, as a job sees it.

    Attributes:
        mine_bytes: Of memory that the job's processes use.
        all_bytes: That all processes use.
        capacity_bytes: That there is.
        busy_percent: How busy it is, from 0 to 100; None where it does not say.
    """

    mine_bytes: int = 0
    all_bytes: int = 0
    capacity_bytes: int = 0
    busy_percent: int | None = None


@dataclass(slots=True)
class Holder:
    """A job that has the GPU.

    Attributes:
        bytes: Of memory that it uses.
        seen_ns: When it last settled.
        held_ns: What it has been given and has not fetched yet; so are the others.
        busy_percent_ns: See `Used`.
        memory_byte_ns: See `Used`.
    """

    bytes: int
    seen_ns: int
    held_ns: int = 0
    busy_percent_ns: int = 0
    memory_byte_ns: int = 0

    def fetch(self) -> Used:
        """What it has been given since it last asked."""
        found = Used(self.held_ns, self.busy_percent_ns, self.memory_byte_ns)
        self.held_ns = self.busy_percent_ns = self.memory_byte_ns = 0
        return found


@dataclass(slots=True)
class Ledger:
    """The ledger of a GPU.

    Attributes:
        settled_ns: Up to when its time is divided, by a clock that never goes back.
        all_bytes: Of memory that all processes used when a job last looked.
        capacity_bytes: That there are.
        busy_percent: How busy it was.
        holders: By the id of the job.
    """

    settled_ns: int = 0
    all_bytes: int = 0
    capacity_bytes: int = 0
    busy_percent: int = 0
    holders: dict[str, Holder] = field(default_factory=dict)

    def settle(self, job_id: str, now_ns: int, look: Look | None) -> Used:
        """Divide the time up to now, and say how a job has the GPU from now on.

        Args:
            job_id: Of the job.
            now_ns: By the clock of the ledger.
            look: What it sees; None where it no longer has the GPU.

        Returns:
            What the job has been given since it last asked.
        """
        for gone in [key for key, each in self.holders.items() if key != job_id and now_ns - each.seen_ns > STALE_NS]:
            del self.holders[gone]
        self._divide(max(0, now_ns - self.settled_ns))
        self.settled_ns = max(self.settled_ns, now_ns)
        mine = self.holders.get(job_id)
        given = Used(0, 0, 0) if mine is None else mine.fetch()
        if look is None:
            if mine is not None:
                del self.holders[job_id]
                self.all_bytes = max(0, self.all_bytes - mine.bytes)
            return given
        self.all_bytes, self.capacity_bytes = look.all_bytes, look.capacity_bytes
        self.busy_percent = look.busy_percent or 0
        if mine is None:
            self.holders[job_id] = Holder(look.mine_bytes, now_ns)
        else:
            mine.bytes, mine.seen_ns = look.mine_bytes, now_ns
        return given

    def _divide(self, elapsed_ns: int) -> None:
        listed = [self.holders[key] for key in sorted(self.holders)]
        if not listed or not elapsed_ns:
            return
        memory = [each.bytes for each in listed]
        used = sum(memory)
        others = max(0, self.all_bytes - used)
        weights = [*memory, others] if used else [1] * len(listed)
        # What the jobs saw at different moments may be more than there is; it is scaled down to that then.
        most = self.capacity_bytes or used
        bytes_ns = split(most * elapsed_ns, memory) if used > most else [each * elapsed_ns for each in memory]
        for each, held_ns, byte_ns in zip(listed, split(elapsed_ns, weights), bytes_ns, strict=False):
            each.held_ns += held_ns
            each.busy_percent_ns += held_ns * self.busy_percent
            each.memory_byte_ns += byte_ns


class GpuShare:
    """A job's part of the ledger of a GPU, which stands in a file that all jobs of the host can write.

    Args:
        path: Of the file.
        job_id: Of the job.
    """

    def __init__(self, path: Path, job_id: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._job_id = job_id

    def settle(self, now_ns: int, look: Look | None) -> Used:
        """See `Ledger.settle`.

        Raises:
            OSError: The file cannot be written.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            ledger = _read(os.pread(descriptor, 1 << 20, 0), now_ns)
            given = ledger.settle(self._job_id, now_ns, look)
            # Bytes times nanoseconds are wider than the numbers of faster writers of JSON.
            data = json.dumps(asdict(ledger)).encode()
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)
        return given


def _read(data: bytes, now_ns: int) -> Ledger:
    """The ledger in a file; a new one where there is none, or one that was torn: its last second is lost then."""
    try:
        found: dict[str, Any] = json.loads(data)
        holders = {key: Holder(**each) for key, each in found.pop("holders").items()}
        return Ledger(**found, holders=holders)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Ledger(now_ns)
