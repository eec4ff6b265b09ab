"""`apportion gateway`: starts the workers, watches them, and hands them what changes of settings and keys."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import typer

from apportion.cli.options import HERE, ProjectOption
from apportion.errors import ApportionError, writing

if TYPE_CHECKING:
    from apportion.cli.gateway_plan import Planner
    from apportion.gateway.plan import Plan

_LOOK_SECONDS: Final = 0.5
# A worker that ends sooner has not merely had an accident.
_TOO_SOON: Final = 5.0
_MOST_SOON: Final = 5
# For workers to end their calls; a little more than they allow themselves.
_END_SECONDS: Final = 30.0


def gateway(project: ProjectOption = HERE) -> None:
    """Meter calls on their way to the providers; runs until it is told to end."""
    from apportion.cli.gateway_plan import Planner
    from apportion.gateway.usage_log import recover
    from apportion.project import Project

    planner = Planner(Project.open(project))
    with writing("the usage log"):
        planner.plan.log.mkdir(parents=True, exist_ok=True)
        found = recover(planner.plan.log)
    for each in found:
        torn = f"; {each.torn_bytes:,} bytes of a torn line were cut off" if each.torn_bytes else ""
        typer.echo(f"{each.path or 'an empty segment'}: sealed with {each.records:,} records{torn}", err=True)
    _Supervisor(planner).run()


class _Supervisor:
    """Holds the socket and the workers.

    Args:
        planner: Says how they work.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._path = planner.state / f"plan-{os.getpid()}.json"
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._soon = 0
        self._ending = False

    def run(self) -> None:
        """Run until told to end.

        Raises:
            ApportionError: The address cannot be had, or workers do not stay.
        """
        listening = _listen(*self._planner.settings.address)
        before = {number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._planner.plan.write(self._path)
            with listening:
                _tell(listening, self._planner.plan)
                self._watch(listening)
        finally:
            self._stop()
            self._path.unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _watch(self, listening: socket.socket) -> None:
        while not self._ending:
            while len(self._workers) < self._planner.settings.workers:
                self._workers[self._start(listening)] = time.monotonic()
            time.sleep(_LOOK_SECONDS)
            for worker in [worker for worker in self._workers if worker.poll() is not None]:
                self._lost(worker)
            if self._planner.look():
                self._planner.plan.write(self._path)

    def _start(self, listening: socket.socket) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "apportion.gateway.process", str(self._path), str(listening.fileno())]
        # In a group of its own, so that a Ctrl-C reaches the workers once, and from here.
        return subprocess.Popen(  # noqa: S603 - the program that is running, and paths of its own
            command, stdin=subprocess.PIPE, pass_fds=[listening.fileno()], process_group=0
        )

    def _lost(self, worker: subprocess.Popen[bytes]) -> None:
        """A worker is gone that nobody told to end."""
        from apportion.gateway.usage_log import recover

        lived = time.monotonic() - self._workers.pop(worker)
        _let_go(worker)
        records = sum(each.records for each in recover(self._planner.plan.log))
        sealed = f"; {records:,} records of it were sealed" if records else ""
        typer.echo(f"a worker ended with {worker.returncode}{sealed}", err=True)
        self._soon = self._soon + 1 if lived < _TOO_SOON else 0
        if self._soon >= _MOST_SOON:
            typer.echo(err=True)
            cure = "Remove what the workers named above, then start it again."
            raise ApportionError("workers-end", "the workers end as soon as they are started", cure=cure)

    def _end(self, *_: object) -> None:
        self._ending = True

    def _stop(self) -> None:
        """Let every worker end its calls."""
        for worker in self._workers:
            worker.terminate()
        end = time.monotonic() + _END_SECONDS
        for worker in self._workers:
            try:
                worker.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            _let_go(worker)


def _tell(listening: socket.socket, plan: Plan) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"metering on http://{shown}:{port}, into {plan.log}", err=True)
    for name, each in plan.upstreams.items():
        typer.echo(f"  /{name:<12} {each.url}", err=True)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that callers can connect to.

    Raises:
        ApportionError: It cannot be had.
    """
    from apportion.gateway.process import BACKLOG

    try:
        family, kind, proto, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        cure = "Choose another under `gateway: listen:`, or end what listens there."
        raise ApportionError("cannot-listen", f"{host}:{port} cannot be had: {error.strerror}", cure=cure) from error
    return listening


def _let_go(worker: subprocess.Popen[bytes]) -> None:
    """Close the pipe by which a worker knows that it is watched."""
    if worker.stdin is not None:
        worker.stdin.close()
