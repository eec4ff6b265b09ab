"""The side of the caller: connections that come in, their requests one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import httptools

from apportion.gateway import heads
from apportion.gateway.certificates import subject
from apportion.gateway.heads import Head, Header
from apportion.gateway.refusals import rejection
from apportion.gateway.trust import NOBODY, Peer

if TYPE_CHECKING:
    from apportion.gateway.delivery import Delivery
    from apportion.gateway.exchange import Exchange
    from apportion.gateway.passage import Passage
    from apportion.gateway.worker import Worker

_HEAD_SECONDS: Final = 30.0
_HIGH_WATER: Final = 256 << 10
# A body that nobody wants is read away, so that the connection can go on; a larger one ends it.
_MOST_DISCARDED: Final = 1 << 20
_ONE_PROTOCOL: Final = "the gateway passes on requests of HTTP/1.1 and no other protocol"


class Inbound(asyncio.Protocol):
    """One connection of a caller."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._exchange: Exchange | Delivery | None = None
        self._target = b""
        self._headers: list[Header] = []
        self._head_bytes = 0
        self._last: Head | None = None
        self._request_done = False
        self._length: int | None = None
        self._closing = False
        self._more = False
        self._since = worker.time()
        self._secure = False
        self.peer = NOBODY
        # That of the last request, for as long as heads stay the same.
        self.passage: Passage | None = None

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # The transports of uvloop are none of asyncio's classes, and can the same.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._parser = httptools.HttpRequestParser(self)
        self._worker.inbounds.add(self)
        place = transport.get_extra_info("peername")
        shown = transport.get_extra_info("peercert")
        self._secure = transport.get_extra_info("sslcontext") is not None
        # A Unix socket has a path, or nothing, at the other end, and no address.
        self.peer = Peer(str(place[0]) if isinstance(place, tuple) else "", subject(shown))

    def data_received(self, data: bytes) -> None:
        """Read what came; a request that cannot be read is answered and ends the connection."""
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._bad(400, "upgrade-refused", _ONE_PROTOCOL)
        except _RefusedError as refused:
            self._bad(refused.status, refused.code, refused.message)
        except httptools.HttpParserError as error:
            inner = error.__context__
            if isinstance(inner, _RefusedError):
                self._bad(inner.status, inner.code, inner.message)
            else:
                if isinstance(error, httptools.HttpParserCallbackError) and inner is not None:
                    self._worker.failed("a request could not be taken up", inner)
                self._bad(400, "request-malformed", "the request is not one of HTTP/1.1")

    def eof_received(self) -> bool:
        """A caller that has closed its half behind a whole request may still wait for the answer."""
        # With TLS half a connection cannot stay.
        return self._exchange is not None and self._request_done and not self._secure

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - either way it is gone
        """The caller has left."""
        self._transport = None
        self._worker.left(self)
        if self._exchange is not None:
            self._exchange.caller_leaves()

    def pause_writing(self) -> None:
        """The caller is slow."""
        if self._exchange is not None:
            self._exchange.caller_is_slow(slow=True)

    def resume_writing(self) -> None:
        """It is not any more."""
        if self._exchange is not None:
            self._exchange.caller_is_slow(slow=False)

    # --- what the exchange asks for

    def send(self, data: bytes) -> None:
        """Send more of the answer."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def proceed(self) -> None:
        """Ask for a body that waits to be asked for."""
        if self._expects:
            self._expects = False
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    _expects = False

    def finished(self, *, keep: bool) -> None:
        """The exchange has ended."""
        self._exchange = None
        self._since = self._worker.time()
        unread = not self._request_done and (self._length is None or self._length > _MOST_DISCARDED)
        if self._more or not keep or unread or self._worker.draining:
            # A caller that has sent its next request before it had its answer has to send it again.
            self._close()
        else:
            self.hold(held=False)

    def broken(self) -> None:
        """An answer was cut: the connection is, too, so that nobody takes it for whole."""
        self._exchange = None
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def hold(self, *, held: bool) -> None:
        """Read no more for now, or read again."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() is not held:
            return
        transport.pause_reading() if held else transport.resume_reading()

    # --- the worker

    def sweep(self, now: float) -> None:
        """Close a connection on which nothing is asked, or which takes too long over the head of a request."""
        if self._exchange is None and now - self._since > (
            _HEAD_SECONDS if self._begun else self._worker.terms.keep_seconds
        ):
            self._close()

    def drain(self) -> None:
        """Close when the exchange at work has ended, or now."""
        if self._exchange is None:
            self._close()

    _begun = False

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._exchange is not None:
            self._more = True
            return
        self._target, self._headers = b"", []
        self._head_bytes = 0
        self._request_done = self._expects = False
        self._begun = True
        self._since = self._worker.time()

    def on_url(self, piece: bytes) -> None:
        """A piece of its target."""
        if self._more:
            return
        self._target += piece
        if len(self._target) > heads.MOST_TARGET_BYTES:
            raise _RefusedError(414, "target-too-long", "the target of the request is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; those behind a body are none of its head and go no further."""
        if self._more or not self._begun:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > heads.MOST_HEAD_BYTES or len(self._headers) >= heads.MOST_HEADERS:
            raise _RefusedError(431, "head-too-large", "the head of the request is too large")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        if self._more:
            return
        parser = self._parser
        if parser.should_upgrade():
            raise _RefusedError(400, "upgrade-refused", _ONE_PROTOCOL)
        old, keep_alive = parser.get_http_version() == "1.0", parser.should_keep_alive()
        said = (parser.get_method().decode("latin-1"), self._target, self._headers)
        found = None if self._last is None else heads.again(self._last, *said, keep_alive=keep_alive, old=old)
        if found is None:
            read = heads.read(*said, keep_alive=keep_alive, old=old)
            if isinstance(read, str):
                raise _RefusedError(400, "request-refused", read)
            found, self.passage = read, None
        self._last = found
        self._begun = False
        self._expects = not old and (found.get(b"expect") or "").strip().lower() == "100-continue"
        self._asked(found)

    def _asked(self, head: Head) -> None:
        self._length = head.length
        answer = self._worker.own_answer(head)
        if answer is not None:
            self._request_done = not head.has_body
            self.send(answer)
            if head.has_body or not head.keep_alive:
                self._close()
            return
        self._exchange = self._worker.taken(self, head)
        if not head.has_body:
            self._request_done = True
        self._exchange.begin()

    def on_body(self, piece: bytes) -> None:
        """A piece of its body."""
        if not self._more and self._exchange is not None:
            self._exchange.request_goes_on(piece)

    def on_message_complete(self) -> None:
        """It is whole."""
        if self._more:
            return
        had_body, self._request_done = not self._request_done, True
        if had_body and self._exchange is not None:
            self._exchange.request_ends()

    def _bad(self, status: int, code: str, message: str) -> None:
        """Answer a request that cannot be read, and read no more."""
        self._worker.refused(code)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.caller_leaves()
            self.broken()
            return
        self.send(rejection("openai", status, code, message))
        self._close()

    def _close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()


class _RefusedError(Exception):
    """A request is refused while it is being read."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
