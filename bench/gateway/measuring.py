"""How sides are measured: by turns, one awake at a time, light steps before heavy ones.

CPU is what the operating system counted for a side's session from before a load to when the side is at rest again, so
that what it puts off is counted too, divided by the calls that reached the upstream meanwhile. While one side is
measured the others are stopped; nobody's backlog is in another's figures.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from loads import Load, Mock
from sides import Ground, Side, apportion, records

_REST_SECONDS = 20.0
_KILL_CONNECTIONS = 16
_NUMBER = "call"
_WINDOW_SECONDS = 5
_WINDOW_CALLS = 100_000
_STREAM_SECONDS = 0.34


class Lengths(NamedTuple):
    """How long each step takes.

    Attributes:
        light: Seconds of calls one at a time, and of streams a few at a time.
        streams: Seconds of streams at once.
        wrk: The most seconds of wrk.
    """

    light: float = 2.5
    streams: float = 3.0
    wrk: int = 4


@dataclass
class Found:
    """What was found of a side; lists have an entry for each round.

    Attributes:
        side: Which.
        pss_first_kib: Of each process before anything was measured.
        pss_last_kib: Of each process after everything was.
        server: The process that serves.
        call_ms: CPU milliseconds for a call.
        stream_ms: CPU milliseconds for a paced stream.
        call_kernel_ms: What of a call's is the operating system's own work.
        stream_kernel_ms: What of a paced stream's is.
        calls_a_second: Answered while load and upstream shared the machine.
        median_us: To the last byte of a call that was alone.
        first_us: To the first byte of a stream.
        failed: Calls that did not go well.
        looked_at: Answers whose bytes were compared.
        other_bytes: Those whose bytes were not the upstream's.
        served: Calls and streams that reached the upstream.
        restless: Steps after which the side was not at rest in time, so that some of its work is not counted.
    """

    side: Side
    pss_first_kib: dict[int, int]
    pss_last_kib: dict[int, int] = field(default_factory=dict)
    server: int = 0
    call_ms: list[float] = field(default_factory=list)
    stream_ms: list[float] = field(default_factory=list)
    call_kernel_ms: list[float] = field(default_factory=list)
    stream_kernel_ms: list[float] = field(default_factory=list)
    calls_a_second: list[float] = field(default_factory=list)
    median_us: list[int] = field(default_factory=list)
    first_us: list[int] = field(default_factory=list)
    failed: int = 0
    looked_at: int = 0
    other_bytes: int = 0
    served: int = 0
    restless: int = 0

    def heard(self, load: Load) -> Load:
        """Add up what callers say beside their times."""
        self.failed += load.failed
        if load.other_bytes is not None:
            self.looked_at += load.calls
            self.other_bytes += load.other_bytes
        return load


class Killed(NamedTuple):
    """What was left of a gateway that was killed under load.

    Attributes:
        released: Answers that came whole.
        lost: Of these, without a record.
    """

    released: int
    lost: int


class Window(NamedTuple):
    """A part of a long run.

    Attributes:
        calls: So far.
        pss_kib: Of the worker, shared pages by share.
        private_kib: Of the worker, what it shares with nobody.
        call_ms: CPU milliseconds for a call in this part.
    """

    calls: int
    pss_kib: int
    private_kib: int
    call_ms: float


def begun(side: Side, mock: Mock, served: int) -> Found:
    """A side that answers, at rest, and put to sleep; so many calls have gone through it."""
    side.session.rest(_REST_SECONDS)
    found = Found(side, side.session.pss_kib(), served=served)
    if side.session is not mock.session:
        side.session.freeze()
    return found


def one_round(found: list[Found], mock: Mock, lengths: Lengths) -> None:
    """Every side once, the light steps of all of them first."""
    for each in found:
        with awake(each, mock):
            _light(each, mock, lengths)
    for each in found:
        with awake(each, mock):
            _heavy(each, mock, lengths)


def done(found: list[Found], mock: Mock) -> None:
    """Look at the memory of every side."""
    for each in found:
        with awake(each, mock):
            each.server = each.side.session.busiest()
            each.pss_last_kib = each.side.session.pss_kib()


@contextlib.contextmanager
def awake(found: Found, mock: Mock) -> Iterator[None]:
    """Let a side work, and count what reaches the upstream; the upstream itself never sleeps."""
    session, before = found.side.session, sum(mock.counts())
    session.thaw()
    try:
        yield
    finally:
        if session is not mock.session:
            session.freeze()
        found.served += sum(mock.counts()) - before


def _light(found: Found, mock: Mock, lengths: Lengths) -> None:
    place, pace = found.side.place, found.side.pace
    alone = mock.calls(place, "json", seconds=lengths.light, connections=1, rate=pace.calls_a_second)
    found.median_us.append(found.heard(alone).median_us)
    streams = mock.calls(place, "stream", seconds=lengths.light, connections=64, rate=pace.streams_a_second)
    found.first_us.append(found.heard(streams).first_us or 0)
    found.restless += not found.side.session.rest(_REST_SECONDS)


def _heavy(found: Found, mock: Mock, lengths: Lengths) -> None:
    place, pace = found.side.place, found.side.pace
    with _cost(found, mock, found.call_ms, found.call_kernel_ms, 0):
        load = found.heard(mock.wrk(place, min(pace.wrk_seconds, lengths.wrk)))
    found.calls_a_second.append(load.calls / load.seconds)
    with _cost(found, mock, found.stream_ms, found.stream_kernel_ms, 1):
        # Begun one after the other, so that their chunks do not all come at the same moment.
        rate = pace.at_once / _STREAM_SECONDS
        found.heard(mock.calls(place, "stream", seconds=lengths.streams, connections=pace.at_once, rate=rate))


@contextlib.contextmanager
def _cost(found: Found, mock: Mock, into: list[float], of_kernel: list[float], kind: int) -> Iterator[None]:
    """CPU milliseconds for each call that reaches the upstream, until the side is at rest again."""
    session = found.side.session
    calls, seconds, kernel = mock.counts()[kind], session.cpu_seconds(), session.kernel_seconds()
    yield
    found.restless += not session.rest(_REST_SECONDS)
    each = 1000 / max(1, mock.counts()[kind] - calls)
    into.append(each * (session.cpu_seconds() - seconds))
    of_kernel.append(each * (session.kernel_seconds() - kernel))


def kill(ground: Ground, number: int) -> Killed:
    """Kill a gateway at a random moment under load; what its callers have, and what its log has."""
    name = f"killed-{number}"
    side = apportion(ground, name)
    ids = ground.scratch / f"{name}.ids"
    calling = threading.Thread(
        target=ground.mock.calls,
        args=(side.place, "json"),
        kwargs={"seconds": 10, "connections": _KILL_CONNECTIONS, "ids": ids},
    )
    calling.start()
    time.sleep(random.uniform(0.5, 1.5))
    side.session.kill()
    calling.join()
    released = set(ids.read_text(encoding="utf-8").split())
    recorded = {_number(record) for record in records(ground.scratch / name)}
    shutil.rmtree(ground.scratch / name)
    return Killed(len(released), len(released - recorded))


def _number(record: dict[str, object]) -> str | None:
    tags = record.get("tags")
    return tags.get(_NUMBER) if isinstance(tags, dict) else None


def recorded(folder: Path) -> int:
    """How many records a log has."""
    return sum(1 for _ in records(folder))


def soak(ground: Ground, calls: int) -> Iterator[Window]:
    """Call a gateway of its own so many times, and look at its worker every hundred thousand calls or so."""
    side = apportion(ground, "soak")
    session, mock = side.session, ground.mock
    first = mock.counts()[0]
    before, seconds, so_far = 0, session.cpu_seconds(), 0
    try:
        while so_far < calls:
            load = mock.wrk(side.place, _WINDOW_SECONDS)
            if load.failed:
                raise SystemExit(f"{load.failed} calls failed after {so_far:,}")
            so_far = mock.counts()[0] - first
            if so_far - before >= _WINDOW_CALLS or so_far >= calls:
                session.rest(_REST_SECONDS)
                used, worker = session.cpu_seconds(), session.busiest()
                cost = 1000 * (used - seconds) / (so_far - before)
                yield Window(so_far, session.pss_kib()[worker], session.private_kib()[worker], cost)
                before, seconds = so_far, used
    finally:
        session.kill()
        shutil.rmtree(ground.scratch / "soak")
