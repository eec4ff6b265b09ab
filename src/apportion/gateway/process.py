"""A worker's process: `python -m apportion.gateway.process PLAN DESCRIPTOR TALLIES PART`, watched by the supervisor.

It answers on a socket that the supervisor has opened, so that no call is lost where another takes its place, and ends
when it is told to or when the supervisor is gone: its standard input is a pipe that only the supervisor holds. What it
counts stands in memory of the supervisor's, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

import uvloop

from apportion.errors import ApportionError
from apportion.gateway import certificates
from apportion.gateway.inbound import Inbound
from apportion.gateway.metrics import Metrics
from apportion.gateway.plan import Plan
from apportion.gateway.tallies import Tally, tally_of
from apportion.gateway.telling import fault, set_up, tell
from apportion.gateway.usage_log import UsageLog
from apportion.gateway.worker import Worker

BACKLOG: Final = 1024
# What is at work when the process is told to end has so long.
DRAIN_SECONDS: Final = 25.0
_LOOK_SECONDS: Final = 0.5
_FAILED: Final = 1


class Door:
    """Where callers come in; a change of how they do opens another before this one closes, and nobody has to leave.

    Args:
        worker: That they come to.
        listening: Bound, and listening already.
    """

    def __init__(self, worker: Worker, listening: socket.socket) -> None:
        self._worker = worker
        self._listening = listening
        self._files: certificates.Files | None = None
        self._server: asyncio.Server | None = None

    async def open(self, files: certificates.Files | None) -> None:
        """Let callers in, with TLS if there are files for it; those who are in stay.

        Args:
            files: Of TLS.

        Raises:
            ApportionError: They cannot be used; the door stays as it was.
        """
        if self._server is not None and files == self._files:
            return
        secure: dict[str, Any] = {}
        if files is not None:
            secure = {"ssl": certificates.context(files), "ssl_handshake_timeout": certificates.HANDSHAKE_SECONDS}
        worker = self._worker
        # A copy of the descriptor: closing it leaves the socket that all share listening, with whoever waits there.
        server = await worker.loop.create_server(
            lambda: Inbound(worker), sock=self._listening.dup(), backlog=BACKLOG, **secure
        )
        self.close()
        self._server, self._files = server, files

    def close(self) -> None:
        """Let nobody else in."""
        if self._server is not None:
            self._server.close()


async def serve(path: Path, listening: socket.socket, tally: Tally) -> None:
    """Answer calls until told to end.

    Args:
        path: Of the plan.
        listening: Bound, and listening already.
        tally: Where the worker counts.

    Raises:
        OSError: The plan cannot be read, or the log not be written.
        ValueError: The plan is none.
        ApportionError: The files of TLS cannot be used.
    """
    loop = asyncio.get_running_loop()
    seen = _mark(path)
    plan = Plan.read(path)
    set_up(plan.logs, "worker")
    log = UsageLog(plan.log, socket.gethostname())
    worker = Worker(plan.terms(), plan.keys, log, loop, Metrics(tally))
    loop.set_exception_handler(lambda _, context: _failed(worker, context))
    worker.take_up(plan)
    door = Door(worker, listening)
    await door.open(plan.tls)
    worker.metrics.beat(ready=True)
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
            await _reload(path, worker, door)
    loop.remove_reader(sys.stdin.fileno())
    door.close()
    worker.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(worker.settled.wait(), DRAIN_SECONDS)
    worker.close()


async def _reload(path: Path, worker: Worker, door: Door) -> None:
    """Take up a new plan; calls at work keep the one that they began with."""
    try:
        plan = Plan.read(path)
        await door.open(plan.tls)
        worker.take_up(plan)
    except (OSError, ValueError, ApportionError) as error:
        tell("reload-refused", f"the new settings are not taken up: {error}", level=logging.ERROR)
        return
    set_up(plan.logs, "worker")


def _failed(worker: Worker, context: dict[str, Any]) -> None:
    """Tell of an error that the loop has caught; what it was about may hold what callers sent."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        worker.failed("the gateway's loop has caught an error", error)
    else:
        tell("fault", "the gateway's loop has caught an error", level=logging.ERROR)


def _mark(path: Path) -> tuple[int, int] | None:
    """What changes when the file is replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def main() -> None:
    """Run a worker."""
    set_up("text", "worker")
    path, descriptor, tallies, part = sys.argv[1:]
    listening = socket.socket(fileno=int(descriptor))
    listening.setblocking(False)  # noqa: FBT003 - the name of the standard library's argument
    try:
        uvloop.run(serve(Path(path), listening, tally_of(int(tallies), int(part))))
    except (OSError, ValueError, ApportionError) as error:
        tell("worker-cannot-work", str(error), level=logging.ERROR)
        sys.exit(_FAILED)
    except Exception as error:  # noqa: BLE001 - what it says may quote a call; what kind it is and where is told
        fault("the worker ends", error)
        sys.exit(_FAILED)


if __name__ == "__main__":
    main()
