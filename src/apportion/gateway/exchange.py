"""One call on its way: from the head of its request to the record of what it used.

An exchange stands between an inbound and an outbound connection and is told what each of them sees. It knows nothing of
sockets. In this order: who calls and where to; what the body says; the upstream; the answer, of which the meter sees
every piece before the caller does; and the record, which is in the log before the caller has the last byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from apportion.gateway.admission import Refused, missing_tags, refused_for
from apportion.gateway.answer import Answer
from apportion.gateway.caller import Caller
from apportion.gateway.heads import AnswerHead, Head
from apportion.gateway.meters.body import Meter
from apportion.gateway.meters.measure import Measure
from apportion.gateway.onward import signed
from apportion.gateway.passage import Passage
from apportion.gateway.records import lines
from apportion.gateway.refusals import rejection
from apportion.gateway.routes import meter
from apportion.gateway.usage_log import LogFullError

if TYPE_CHECKING:
    from apportion.gateway.outbound import Outbound
    from apportion.gateway.worker import Worker

_ERROR: Final = 400
_TOO_LARGE: Final = Refused(413, "body-too-large", "the body is larger than one that the gateway can sign")


class Exchange:
    """A call.

    Args:
        worker: Whose it is.
        caller: The connection that it came by.
        head: Of its request.
        passage: What the head tells.
    """

    def __init__(self, worker: Worker, caller: Caller, head: Head, passage: Passage) -> None:
        self._worker = worker
        self._caller = caller
        self._passage = passage
        self._call = passage.call(head, time.time(), worker.time())
        self.moved = self._call.began
        self._buffer: list[bytes] | None = None
        self._size = 0
        self._request_done = not head.has_body
        self._held = b""
        self._outbound: Outbound | None = None
        self._ready: Callable[[Outbound | None], None] | None = None
        self._meter: Meter | None = None
        self._answer: Answer | None = None
        self._sent_again = False
        self.caller_gone = False
        self._gone_at = 0.0
        self._drained = 0
        self.ended = False

    # --- the request

    @property
    def head_only(self) -> bool:
        """Whether the answer to it has no body."""
        return self._call.head.method == "HEAD"

    def begin(self) -> None:
        """Find out who calls and where to; refuse, or ask for the body."""
        refused = self._refused()
        if refused is not None:
            self.refuse(refused)
            return
        self._begin_body()

    def _refused(self) -> Refused | None:
        worker, call = self._worker, self._call
        if call.upstream is not None and worker.full and worker.terms.refuse_when_full:
            return Refused(503, "log-full", "usage cannot be written down now, and calls are not let through without")
        return self._passage.refused(call.called_at)

    def _begin_body(self) -> None:
        size = self._call.head.length
        fits = size is None or size <= self._worker.terms.most_body_bytes
        if self._call.signed and not fits:
            self.refuse(_TOO_LARGE)
            return
        if fits and (self._call.signed or self._call.readable):
            self._buffer = []
        elif not self._admitted():
            return
        self._caller.proceed()
        if self._request_done:
            self.request_ends()
        elif self._buffer is None:
            self._go()

    def request_goes_on(self, data: bytes) -> None:
        """More of the request's body is here."""
        self.moved = self._worker.time()
        if self.ended:
            return
        self._size += len(data)
        if self._buffer is None:
            self._pass(data)
            return
        self._buffer.append(data)
        if self._size > self._worker.terms.most_body_bytes:
            # It has turned out too large to be looked into: what is here goes on, and the rest as it comes.
            kept, self._buffer = b"".join(self._buffer), None
            if self._call.signed:
                self.refuse(_TOO_LARGE)
            elif self._admitted():
                self._held = kept
                self._go()

    def request_ends(self) -> None:
        """The whole request is here."""
        self._request_done = True
        if self.ended:
            return
        if self._buffer is None:
            self._pass(b"")
            if self._outbound is None and self._ready is None:
                self._go()
            return
        body, self._buffer = b"".join(self._buffer), None
        self._call.look_into(body, ask_usage=self._worker.terms.ask_usage)
        if self._call.to.inject:
            self._worker.inject(self._call)
        self._held = self._call.asking.body
        if self._admitted():
            self._go()

    def _admitted(self) -> bool:
        """Whether nothing stands against the call, now that all of its tags are known."""
        if self._call.route.operation.bills:
            self._call.missing = missing_tags(self._call.tags, self._worker.terms, self._call.who.key)
            refused = refused_for(self._call.missing, self._worker.terms, self._call.who.key)
            if refused is not None:
                self.refuse(refused)
                return False
        budgets = self._worker.budgets
        beyond = None if budgets is None else budgets.admit(self._call)
        if beyond is not None:
            self.refuse(beyond.refused, retry_after=beyond.retry_after)
        return beyond is None

    # --- the upstream

    def _go(self) -> None:
        signer = self._worker.signer(self._call.to)
        if signer is None:
            self._connect()
        else:
            signer.ready(self._signable)

    def _signable(self, why: str) -> None:
        """There are credentials to sign the call with, or it is said why there are none."""
        if why:
            self.refuse(Refused(503, "no-aws-credentials", why))
        elif not self.ended:
            self._connect()

    def _connect(self, *, fresh: bool = False) -> None:
        self._ready = self._connected
        self._worker.pool(self._call.to).take(self._ready, fresh=fresh)

    def _connected(self, connection: Outbound | None) -> None:
        self._ready = None
        if self.ended:
            if connection is not None:
                connection.leave(reuse=True)
            return
        if connection is None:
            self._fail("refused_by_network", 502, "upstream-unreachable", "the provider cannot be reached")
            return
        self._outbound = connection
        self.moved = self._worker.time()
        held, self._held = self._held, b""
        connection.send(self, self._request_head() + (self._call.framed(held) if held else b""))
        if self._request_done and self._call.in_chunks:
            connection.write(b"0\r\n\r\n")

    def _pass(self, data: bytes) -> None:
        """Send on a piece of a body that is not looked into."""
        if self._outbound is None:
            self._held += data
            self._caller.hold(held=True)
            return
        if data:
            self._outbound.write(self._call.framed(data))
        if self._request_done and self._call.in_chunks:
            self._outbound.write(b"0\r\n\r\n")

    def upstream_is_slow(self, *, slow: bool) -> None:
        """The upstream takes no more of the request for now, or takes it again."""
        if not self.ended and not self._request_done:
            self._caller.hold(held=slow)

    def _request_head(self) -> bytes:
        if not self._request_done:
            self._caller.hold(held=False)
        signer = self._worker.signer(self._call.to)
        return self._passage.onward(self._call) if signer is None else signed(self._call, signer)

    # --- the answer

    def answer_begins(self, head: AnswerHead) -> None:
        """The head of the answer is here."""
        self.moved = self._worker.time()
        self._meter = meter(self._call.route, self._call.answered(head.known, head.status, self.moved))
        self._answer = Answer(self._call.head, head, without_usage=self._call.asking.asked_for_usage)
        if self._worker.terms.strict:
            # What comes with it waits for the disk.
            self.answer_goes_on(b"", [])

    def answer_goes_on(self, raw: bytes, pieces: list[bytes]) -> None:
        """More of the answer is here."""
        self.moved = self._worker.time()
        self._measure(pieces)
        if self.caller_gone:
            self._drained += len(raw)
        elif self._answer is not None and (data := self._answer.more(raw, pieces)):
            self._caller.send(data)

    def answer_ends(self, raw: bytes, pieces: list[bytes], *, whole: bool) -> None:
        """The last of the answer is here."""
        self._measure(pieces)
        outbound, self._outbound = self._outbound, None
        data = b"" if self._answer is None else self._answer.last(raw, pieces, whole=whole)
        if outbound is not None:
            outbound.leave(reuse=whole and outbound.can_stay and self._request_done)
        outcome = "cut" if not whole else "error" if (self._call.status or 0) >= _ERROR else "ok"
        self._close("caller_gone" if self.caller_gone else outcome, data, whole=whole)

    def _measure(self, pieces: list[bytes]) -> None:
        if self._meter is not None:
            for piece in pieces:
                self._meter.feed(piece)

    # --- faults

    def connection_failed(self, *, before_anything: bool) -> None:
        """The connection to the upstream was lost before its answer began."""
        outbound, self._outbound = self._outbound, None
        stale = outbound is not None and outbound.reused and before_anything
        if stale and not self._sent_again and self._call.looked_into and not self.caller_gone:
            # It was closed while it lay idle: nothing of the request was read.
            self._write_down(Measure("missing", "the connection had been closed; sent again"), "sent_again")
            self._sent_again = True
            self._held = self._call.asking.body
            self._connect(fresh=True)
            return
        self._fail("cut", 502, "upstream-broke-off", "the provider broke off before it answered")

    def too_late(self, now: float) -> bool:
        """Whether the call has taken longer than it may; it is ended then."""
        terms = self._worker.terms
        if self.ended:
            return False
        if self.caller_gone and (now - self._gone_at > terms.drain_seconds or self._drained > terms.drain_bytes):
            self._give_up("caller_gone")
            return True
        waited = now - self.moved
        limit = (
            terms.idle_seconds if self._call.status is not None or not self._request_done else terms.first_byte_seconds
        )
        if waited > limit or now - self._call.began > terms.total_seconds:
            if self._outbound is None and self._ready is None and self._call.status is None:
                self.refuse(Refused(408, "request-too-slow", "the request did not arrive in time"))
            else:
                self._give_up("timed_out")
            return True
        return False

    def caller_leaves(self) -> None:
        """The caller has closed its connection: the answer is read on within a limit, to learn what it used."""
        if self.ended:
            return
        self.caller_gone = True
        self._gone_at = self._worker.time()
        if self._outbound is None and self._ready is None and self._call.status is None:
            self.ended = True
            self._done()
        elif not self._request_done:
            self._give_up("caller_gone")
        elif self._outbound is not None:
            self._outbound.resume()

    def caller_is_slow(self, *, slow: bool) -> None:
        """The caller takes no more for now, or takes it again."""
        if self._outbound is not None and not self.caller_gone:
            self._outbound.pause() if slow else self._outbound.resume()

    def shut_down(self) -> None:
        """End at once, with a record."""
        if not self.ended:
            self._give_up("shut_down")

    def refuse(self, why: Refused, *, retry_after: int | None = None) -> None:
        """Answer without the provider; no attempt was made, and none is written down."""
        if self.ended:
            return
        self.ended = True
        self._worker.refused(why.code)
        self._caller.send(rejection(self._call.style, why.status, why.code, why.message, retry_after=retry_after))
        self._caller.finished(keep=self._call.head.keep_alive)
        self._done()

    def _give_up(self, outcome: str) -> None:
        """End an attempt whose answer does not come, or comes no further."""
        outbound, self._outbound = self._outbound, None
        if outbound is not None:
            outbound.abort()
        if self._ready is not None and self._call.upstream is not None:
            self._worker.pool(self._call.upstream).forget(self._ready)
            self._ready = None
        if self._call.status is None:
            late = outcome == "timed_out"
            status, code = (504, "upstream-too-slow") if late else (503, "gateway-closing")
            self._fail(outcome, status, code, "the provider did not answer in time" if late else "the gateway closes")
            return
        self._close(outcome, b"", whole=False)

    def _fail(self, outcome: str, status: int, code: str, message: str) -> None:
        """End an attempt that had no answer."""
        found = self._call.asked({}, 0)
        measure = Measure("missing", message)
        if outcome != "refused_by_network" and self._call.route.operation.bills and found.input_tokens:
            # What the provider has read it may bill, whether or not anybody had its answer.
            measure = measure._replace(why=f"{message}; whether it was billed is not known")
        self.ended = True
        self._write_down(measure, outcome)
        if not self.caller_gone:
            self._caller.send(rejection(self._call.style, status, code, message))
            self._caller.finished(keep=self._call.head.keep_alive)
        self._done()

    # --- the end

    def _close(self, outcome: str, data: bytes, *, whole: bool) -> None:
        """Write the record, and only then let the caller have the last of the answer."""
        assert self._meter is not None  # noqa: S101 - an answer has begun
        self.ended = True
        measure = self._meter.finish(whole=whole)
        if self._worker.terms.strict:
            self._write_down(measure, outcome, lambda: self._release(data, whole=whole))
        else:
            self._write_down(measure, outcome)
            self._release(data, whole=whole)
        self._done()

    def _release(self, data: bytes, *, whole: bool) -> None:
        if self.caller_gone:
            return
        if data:
            self._caller.send(data)
        if whole:
            self._caller.finished(keep=self._answer is not None and self._answer.stays and self._request_done)
        else:
            self._caller.broken()

    def _write_down(self, measure: Measure, outcome: str, durable: Callable[[], None] | None = None) -> None:
        if self._worker.budgets is not None:
            self._worker.budgets.end(self._call, measure, outcome)
        attempt = self._call.attempt(outcome, self._worker.time())
        try:
            self._worker.write_down(lines(attempt, measure), durable)
        except LogFullError:
            if durable is not None:
                durable()

    def _done(self) -> None:
        if self._worker.budgets is not None:
            self._worker.budgets.drop(self._call)
        self._worker.done(self)
