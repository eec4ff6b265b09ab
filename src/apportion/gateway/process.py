"""A worker's process: `python -m apportion.gateway.process PLAN DESCRIPTOR`, started and watched by the supervisor.

It answers on a socket that the supervisor has opened, so that no call is lost where another takes its place, and ends
when it is told to or when the supervisor is gone: its standard input is a pipe that only the supervisor holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import uvloop

from apportion.gateway.inbound import Inbound
from apportion.gateway.plan import Plan
from apportion.gateway.usage_log import UsageLog
from apportion.gateway.worker import Worker

_LOG = logging.getLogger("apportion.gateway")
BACKLOG: Final = 1024
# What is at work when the process is told to end has so long.
DRAIN_SECONDS: Final = 25.0
_LOOK_SECONDS: Final = 0.5


async def serve(path: Path, listening: socket.socket) -> None:
    """Answer calls until told to end.

    Args:
        path: Of the plan.
        listening: Bound, and listening already.

    Raises:
        OSError: The plan cannot be read, or the log not be written.
        ValueError: The plan is none.
    """
    loop = asyncio.get_running_loop()
    seen = _mark(path)
    plan = Plan.read(path)
    worker = Worker(plan.terms(), plan.keys, UsageLog(plan.log, socket.gethostname()), loop)
    worker.take_up(plan)
    server = await loop.create_server(lambda: Inbound(worker), sock=listening, backlog=BACKLOG)
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    loop.add_reader(sys.stdin.fileno(), ending.set)
    while not ending.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), _LOOK_SECONDS)
        now = _mark(path)
        if now != seen:
            seen = now
            _reload(path, worker)
    loop.remove_reader(sys.stdin.fileno())
    server.close()
    worker.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(worker.settled.wait(), DRAIN_SECONDS)
    worker.close()


def _reload(path: Path, worker: Worker) -> None:
    """Take up a new plan; calls at work keep the one that they began with."""
    try:
        worker.take_up(Plan.read(path))
    except (OSError, ValueError) as error:
        _LOG.error("the new settings are not taken up: %s", error)


def _mark(path: Path) -> tuple[int, int] | None:
    """What changes when the file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def main() -> None:
    """Run a worker."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    listening = socket.socket(fileno=int(sys.argv[2]))
    listening.setblocking(False)  # noqa: FBT003 - the name of the standard library's argument
    uvloop.run(serve(Path(sys.argv[1]), listening))


if __name__ == "__main__":
    main()
