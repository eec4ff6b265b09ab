"""One attempt to make a call, as it passes by: told what is sent and what comes back, and never in its way.

Whatever goes wrong in here is told once and leaves the call as it was; the record then says that it is missing.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from apportion.capturing.tagging import tags_here
from apportion.capturing.taking import Taking, on, whose
from apportion.capturing.unpacking import Unpack, unpacker
from apportion.gateway import asking, keys
from apportion.gateway.admission import Who
from apportion.gateway.call import Call
from apportion.gateway.heads import Head, Header
from apportion.gateway.meters.body import Meter
from apportion.gateway.meters.measure import Measure
from apportion.gateway.records import lines
from apportion.gateway.routes import meter, route
from apportion.gateway.tags import from_headers
from apportion.gateway.upstream import Upstream
from apportion.known_providers import Found

P = ParamSpec("P")

_LOG = logging.getLogger("apportion.capture")
_ERROR: Final = 400
# Of a request that is looked into, as in the gateway.
MOST_BODY_BYTES: Final = 32 << 20
_GONE: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
# Faults of httpx2, aiohttp, urllib3 and the standard library before anything is sent, and those of time.
_UNREACHED: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "LocalProtocolError",
     "ClientConnectorError", "ConnectionTimeoutError", "NewConnectionError", "ConnectTimeoutError",
     "NameResolutionError", "ConnectionRefusedError", "gaierror", "SSLError"}
)  # fmt: skip
_LATE: Final = frozenset({"TimeoutError", "TimeoutException"})
_TOLD: set[str] = set()


def tell_once(what: str, error: BaseException | None = None) -> None:
    """Say what does not work, the first time only."""
    if what not in _TOLD:
        _TOLD.add(what)
        _LOG.error("%s; calls go on as if nothing watched them", what, exc_info=error)


def _harmless(method: Callable[Concatenate[Watch, P], None]) -> Callable[Concatenate[Watch, P], None]:
    """A method that raises nothing, and after whose fault only one thing is left to say."""

    @wraps(method)
    def called(watched: Watch, /, *args: P.args, **named: P.kwargs) -> None:
        if watched.ended:
            return
        try:
            method(watched, *args, **named)
        except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
            tell_once(f"a call could not be metered: {error!r}", error)
            watched.give_up()

    return called


class Watch:
    """An attempt.

    Args:
        taking: The captures that are on.
        found: Whose address it goes to.
        host: Its name.
        method: Of HTTP.
        target: Path and query.
        headers: Of the request.
    """

    def __init__(
        self, taking: tuple[Taking, ...], found: Found, host: str, method: str, target: bytes, headers: list[Header]
    ) -> None:
        self.ended = False
        self._process = os.getpid()
        self._writer = taking[-1].writer
        self._region = found.region
        self._meter: Meter | None = None
        self._unpack: Unpack | None = None
        path, mark, query = target.partition(b"?")
        known = {name.lower(): value for name, value in headers}
        head = Head(method, target, path.decode("latin-1"), mark + query, headers, known, None,
                    has_body=False, keep_alive=True, old=False)  # fmt: skip
        call = self._call = Call(head, time.time(), time.monotonic())
        call.upstream = Upstream(found.name, found.provider, host, 0)
        call.rest = head.path
        call.route = route(method, head.path)
        brought = keys.secret_of(known, head.query)
        call.who = Who(None, keys.fingerprint(brought[0]) if brought else "none")
        from_headers(call.tags, headers)
        call.tags.add_all(tags_here())
        for each in reversed(taking):
            call.tags.add_all(each.tags)
        _LIVE.add(self)

    @_harmless
    def sent(self, body: bytes | None) -> None:
        """The request is whole.

        Args:
            body: Of it; None where it could not be seen without reading it in the client's place.
        """
        call = self._call
        kind = (call.head.get(b"content-type") or "").strip().lower()
        looked_into = call.route.operation.bills and not kind.startswith("multipart/")
        if body and looked_into and len(body) <= MOST_BODY_BYTES:
            call.asking = asking.read(call.route, body, call.tags, ask_usage=False)
            call.asking.body = b""

    @_harmless
    def answer(self, status: int, headers: Iterable[Header], *, unpacked: bool = False) -> None:
        """The head of the answer is here.

        Args:
            status: Of it.
            headers: Of it.
            unpacked: Whether its body is seen without its content-encoding.
        """
        call = self._call
        known = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        coding = known.get("content-encoding", "").strip().lower()
        self._unpack = None if unpacked else unpacker(coding)
        if unpacked or self._unpack is not None:
            known.pop("content-encoding", None)
        self._meter = meter(call.route, call.answered(known, status, time.monotonic()))

    @_harmless
    def feed(self, data: bytes) -> None:
        """More of the answer's body is here."""
        if self._meter is not None:
            self._meter.feed(data if self._unpack is None else self._unpack(data))

    @_harmless
    def end(self) -> None:
        """The answer has ended as it should."""
        self._close("error" if (self._call.status or 0) >= _ERROR else "ok", whole=True)

    @_harmless
    def fail(self, error: BaseException) -> None:
        """The client had a fault in place of an answer, or of the rest of one."""
        outcome = _outcome(error)
        if self._call.status is None:
            self._unanswered(outcome)
        else:
            self._close(outcome if outcome != "refused_by_network" else "cut", whole=False)

    @_harmless
    def leave(self) -> None:
        """The caller reads no further; what an answer has said of itself up to here may be all of it."""
        if self._call.status is None:
            self._unanswered("caller_gone")
        else:
            self._close("caller_gone", whole=False)

    def give_up(self) -> None:
        """Leave a record that says that nothing is known."""
        if not self.ended:
            self.ended = True
            try:
                self._write_down(Measure("missing", "it could not be metered"), "ok" if self._call.status else "cut")
            except Exception as error:  # noqa: BLE001 - as above
                tell_once(f"a call has no record: {error!r}", error)

    def __del__(self) -> None:
        """A call that nobody ended, and whose client is gone."""
        if not getattr(self, "ended", True):
            self.leave()

    def _close(self, outcome: str, *, whole: bool) -> None:
        assert self._meter is not None  # noqa: S101 - an answer has begun
        measure = self._meter.finish(whole=whole)
        if outcome == "caller_gone" and measure.state == "measured":
            # The answer has said that it is complete: clients leave there, and need not wait for the connection's end.
            outcome = "error" if (self._call.status or 0) >= _ERROR else "ok"
        self.ended = True
        self._write_down(measure, outcome)

    def _unanswered(self, outcome: str) -> None:
        why = _WHY[outcome]
        if outcome != "refused_by_network" and self._call.route.operation.bills and self._call.asking.input_tokens:
            # What the provider has read it may bill, whether or not anybody had its answer.
            why = f"{why}; whether it was billed is not known"
        self.ended = True
        self._write_down(Measure("missing", why), outcome)

    def _write_down(self, measure: Measure, outcome: str) -> None:
        if os.getpid() != self._process:
            # A forked child has a copy; the attempt is the parent's.
            return
        attempt = self._call.attempt(outcome, time.monotonic())
        region = attempt.region or self._region
        record_id = f"cp{attempt.record_id.removeprefix('gw')}"
        self._writer.write(lines(attempt._replace(via="capture", record_id=record_id, region=region), measure))


_LIVE: weakref.WeakSet[Watch] = weakref.WeakSet()
_WHY: Final = {
    "refused_by_network": "the provider cannot be reached",
    "cut": "the provider broke off before it answered",
    "timed_out": "the provider did not answer in time",
    "caller_gone": "the caller left before the provider answered",
}


def _outcome(error: BaseException) -> str:
    if isinstance(error, _GONE):
        return "caller_gone"
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _UNREACHED:
        return "refused_by_network"
    return "timed_out" if names & _LATE else "cut"


def watch(host: str, port: int, method: str, target: bytes, headers: Callable[[], list[Header]]) -> Watch | None:
    """Watch an attempt that begins now; None where nobody wants to know of it, or it cannot be watched.

    Args:
        host: That it goes to.
        port: Of it.
        method: Of HTTP.
        target: Path and query.
        headers: Asked for only if it is watched.
    """
    try:
        found = whose(host, port)
        return None if found is None else Watch(on(), found, host, method, target, headers())
    except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
        tell_once(f"a call could not be watched: {error!r}", error)
        return None


def leave_all() -> None:
    """End what is still being watched, because the process ends."""
    for each in list(_LIVE):
        each.leave()


# Behind the registration of the writers, so that it is called before them.
atexit.register(leave_all)
