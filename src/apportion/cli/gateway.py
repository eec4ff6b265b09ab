"""`apportion gateway`: starts the workers, watches them, and hands them what changes of settings and keys."""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import typer

from apportion.cli.options import HERE, ProjectOption
from apportion.errors import ApportionError, writing

if TYPE_CHECKING:
    from apportion.cli.gateway_plan import Planner
    from apportion.gateway.tallies import Series
    from apportion.gateway.watching import Said, Watching

_LOOK_SECONDS: Final = 0.5
# A worker that ends sooner has not merely had an accident.
_TOO_SOON: Final = 5.0
_MOST_SOON: Final = 5
# For workers to end their calls; a little more than they allow themselves.
_END_SECONDS: Final = 30.0
_TEXT: Final = "text/plain; charset=utf-8"


def gateway(project: ProjectOption = HERE) -> None:
    """Meter calls on their way to the providers; runs until it is told to end."""
    from apportion.cli.gateway_plan import Planner
    from apportion.gateway.telling import set_up
    from apportion.project import Project

    opened = Project.open(project)
    if opened.settings.gateway is not None:
        set_up(opened.settings.gateway.logs, "gateway")
    supervisor = _Supervisor(Planner(opened))
    try:
        supervisor.run()
    except ApportionError:
        # What is wrong stands by itself, behind everything that was told.
        typer.echo(err=True)
        raise


class _Supervisor:
    """Holds the socket and the workers.

    Args:
        planner: Says how they work.
    """

    def __init__(self, planner: Planner) -> None:
        from apportion.gateway.metrics import Metrics
        from apportion.gateway.tallies import Shared

        self._planner = planner
        # Containers that share a folder have the same number, each its own.
        self._path = planner.state / f"plan-{socket.gethostname()}-{os.getpid()}.json"
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        # The first part is the supervisor's own; a worker has one, and hands it down to who takes its place.
        self._shared = Shared(planner.settings.workers + 1)
        self._metrics = Metrics(self._shared.tally(0))
        self._parts: dict[subprocess.Popen[bytes], int] = {}
        self._started = time.time()
        self._soon = 0
        self._ending = threading.Event()

    def run(self) -> None:
        """Run until told to end.

        Raises:
            ApportionError: The address cannot be had, or workers do not stay.
        """
        self._recover()
        listening = _listen(*self._planner.settings.address)
        watching = self._watched()
        before = {number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._planner.plan.write(self._path)
            with listening:
                self._tell(listening)
                self._watch(listening)
        finally:
            self._stop()
            if watching is not None:
                watching.close()
            self._path.unlink(missing_ok=True)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _recover(self) -> None:
        """Seal what a gateway that was killed has left."""
        from apportion.gateway.telling import tell
        from apportion.gateway.usage_log import recover

        with writing("the usage log"):
            self._planner.plan.log.mkdir(parents=True, exist_ok=True)
            found = recover(self._planner.plan.log)
        for each in found:
            torn = f"; {each.torn_bytes:,} bytes of a torn line were cut off" if each.torn_bytes else ""
            self._metrics.add("segments_sealed", number=int(each.path is not None))
            message = f"{each.path or 'an empty segment'}: sealed with {each.records:,} records{torn}"
            tell("segment-recovered", message, records=each.records, torn_bytes=each.torn_bytes)

    def _watch(self, listening: socket.socket) -> None:
        from apportion.gateway.telling import set_up

        while not self._ending.is_set():
            while len(self._workers) < self._planner.settings.workers:
                self._start(listening)
            if self._ending.wait(_LOOK_SECONDS):
                # Whoever tells this process to end may have told the workers, too.
                return
            for worker in [worker for worker in self._workers if worker.poll() is not None]:
                self._lost(worker)
            refused = self._planner.refused
            if self._planner.look():
                set_up(self._planner.plan.logs, "gateway")
                self._planner.plan.write(self._path)
                self._metrics.add("reloads", "taken")
            self._metrics.add("reloads", "refused", number=self._planner.refused - refused)

    def _start(self, listening: socket.socket) -> None:
        part = next(each for each in range(1, self._shared.parts) if each not in self._parts.values())
        handed = [listening.fileno(), self._shared.descriptor]
        command = [sys.executable, "-m", "apportion.gateway.process", str(self._path), *map(str, handed), str(part)]
        # In a group of its own, so that a Ctrl-C reaches the workers once, and from here.
        worker = subprocess.Popen(  # noqa: S603 - the program that is running, and paths of its own
            command, stdin=subprocess.PIPE, pass_fds=handed, process_group=0
        )
        self._parts[worker] = part
        self._workers[worker] = time.monotonic()

    def _lost(self, worker: subprocess.Popen[bytes]) -> None:
        """A worker is gone that nobody told to end."""
        from apportion.gateway.telling import tell
        from apportion.gateway.usage_log import recover

        lived = time.monotonic() - self._workers.pop(worker)
        del self._parts[worker]
        _let_go(worker)
        found = recover(self._planner.plan.log)
        records = sum(each.records for each in found)
        sealed = f"; {records:,} records of it were sealed" if records else ""
        self._metrics.add("worker_ends")
        self._metrics.add("segments_sealed", number=sum(each.path is not None for each in found))
        message = f"a worker ended with {worker.returncode}{sealed}"
        tell("worker-end", message, level=logging.ERROR, code=worker.returncode, records=records, worker=worker.pid)
        self._soon = self._soon + 1 if lived < _TOO_SOON else 0
        if self._soon >= _MOST_SOON:
            cure = "Remove what the workers named above, then start it again."
            raise ApportionError("workers-end", "the workers end as soon as they are started", cure=cure)

    def _end(self, *_: object) -> None:
        self._ending.set()

    def _stop(self) -> None:
        """Let every worker end its calls."""
        from apportion.gateway.telling import tell

        self._ending.set()
        tell("stop", "the gateway takes no more calls and ends those at work")
        for worker in self._workers:
            worker.terminate()
        end = time.monotonic() + _END_SECONDS
        for worker in self._workers:
            try:
                worker.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                tell("worker-killed", "a worker did not end in time", level=logging.ERROR, worker=worker.pid)
            _let_go(worker)
        tell("stopped", "the gateway has ended")

    # --- for those who watch

    def _watched(self) -> Watching | None:
        from apportion.gateway.watching import Watching

        address = self._planner.settings.watched_at
        if address is None:
            return None
        listening = _listen(*address, setting="metrics")
        self._metrics_at = _shown(listening)
        return Watching(listening, self._says)

    _metrics_at = ""

    def _tell(self, listening: socket.socket) -> None:
        from apportion.gateway.telling import tell

        plan = self._planner.plan
        scheme = "http" if plan.tls is None else "https"
        at = f"{scheme}://{_shown(listening)}"
        block = "\n".join(f"  /{name:<12} {each.url}" for name, each in plan.upstreams.items())
        workers = self._planner.settings.workers
        tell("start", f"metering on {at}, into {plan.log}", block=block, address=at, workers=workers)
        if self._metrics_at:
            tell("watched", f"watched on http://{self._metrics_at}/metrics")

    def _says(self, path: str, accept: str) -> Said | None:
        """What whoever watches is told."""
        from apportion.gateway.watching import Said

        if path == "/metrics":
            return self._scraped(accept)
        if path == "/healthz":
            young = time.time() - self._started < _TOO_SOON
            lives = young or any(at_leisure for at_leisure, _ in self._states().values())
            return Said(200, _TEXT, b"ok\n") if lives else Said(503, _TEXT, b"no worker is at leisure\n")
        if path == "/readyz":
            ready = not self._ending.is_set() and any(ready for _, ready in self._states().values())
            return Said(200, _TEXT, b"ready\n") if ready else Said(503, _TEXT, b"not ready\n")
        return None

    def _scraped(self, accept: str) -> Said:
        from apportion import __version__
        from apportion.gateway.exposition import OPEN_METRICS, TEXT, Known, render, summed, wants_open_metrics
        from apportion.gateway.watching import Said

        parts = range(self._shared.parts)
        running = {0, *self._running()}
        sums = summed(map(self._shared.values, parts), living=[part in running for part in parts])
        states = self._states()
        said: dict[Series, int] = {
            ("workers",): len(states),
            ("workers_ready",): sum(ready for _, ready in states.values()),
            ("keys",): len({key.key_id for key in self._planner.plan.keys.keys.values()}),
        }
        if self._planner.securing.ends_at is not None:
            said["certificate_end_timestamp",] = int(self._planner.securing.ends_at)
        sums |= {series: [number] for series, number in said.items()}
        opened = wants_open_metrics(accept)
        known = Known(__version__, platform.python_version(), self._started)
        return Said(200, OPEN_METRICS if opened else TEXT, render(sums, known, open_metrics=opened))

    def _running(self) -> list[int]:
        return [part for worker, part in list(self._parts.items()) if worker.returncode is None]

    def _states(self) -> dict[int, tuple[bool, bool]]:
        """By the parts of the workers that run: whether each is at leisure now and then, and takes calls."""
        from apportion.gateway.metrics import BEAT_SECONDS

        latest = (time.monotonic() - BEAT_SECONDS) * 1000
        found = {}
        for part in self._running():
            values = self._shared.values(part)
            at_leisure = values.get(("beat",), [0])[0] >= latest
            found[part] = (at_leisure, at_leisure and values.get(("ready",), [0])[0] == 1)
        return found


def _listen(host: str, port: int, *, setting: str = "listen") -> socket.socket:
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
        cure = f"Choose another under `gateway: {setting}:`, or end what listens there."
        raise ApportionError("cannot-listen", f"{host}:{port} cannot be had: {error.strerror}", cure=cure) from error
    return listening


def _shown(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _let_go(worker: subprocess.Popen[bytes]) -> None:
    """Close the pipe by which a worker knows that it is watched."""
    if worker.stdin is not None:
        worker.stdin.close()
