"""The side of the upstream: connections that are kept, answers that are passed on as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import httptools

from apportion.gateway.heads import MOST_HEAD_BYTES, AnswerHead, Header, texts
from apportion.gateway.upstream import Terms, Upstream

_END: Final = b"\r\n\r\n"
_CONTINUES: Final = 200
_NO_BODY: Final = frozenset({204, 304})


class Answered(Protocol):
    """What an outbound connection tells of an answer, in this order."""

    @property
    def head_only(self) -> bool:
        """Whether the request was one whose answer has no body."""

    def answer_begins(self, head: AnswerHead) -> None:
        """The head of the answer is here."""

    def answer_goes_on(self, raw: bytes, pieces: list[bytes]) -> None:
        """More of it is here: as it was sent, and what of it is body; nothing where its head came alone."""

    def answer_ends(self, raw: bytes, pieces: list[bytes], *, whole: bool) -> None:
        """The last of it is here; `whole` says whether it ended as it should."""

    def connection_failed(self, *, before_anything: bool) -> None:
        """The connection was lost before the answer's head was whole."""

    def upstream_is_slow(self, *, slow: bool) -> None:
        """The upstream takes no more of the request for now, or takes it again."""


class Outbound(asyncio.Protocol):
    """One connection to an upstream; it carries one exchange at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._exchange: Answered | None = None
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._head = b""
        self._headers: list[Header] = []
        self._reason = b""
        self._pieces: list[bytes] = []
        self._begun = False
        self._complete = False
        self._chunked = False
        self._anything = False
        self._until_closed = False
        self._spoilt = False
        self._stays = False
        self.reused = False
        self.idle_since = 0.0

    # --- what the exchange asks for

    def send(self, exchange: Answered, data: bytes) -> None:
        """Begin an exchange with the first bytes of its request."""
        self._exchange = exchange
        self._parser = httptools.HttpResponseParser(self)
        self._head = b""
        self._headers, self._pieces = [], []
        self._begun = self._complete = self._chunked = self._anything = False
        self._until_closed = self._spoilt = False
        self.write(data)

    def write(self, data: bytes) -> None:
        """Send more of the request."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        """Read nothing until `resume`: the caller takes no more for now."""
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    def leave(self, *, reuse: bool) -> None:
        """End the exchange; the connection stays for another, or goes."""
        self._exchange = None
        self.reused = True
        transport = self._transport
        if reuse and transport is not None and not transport.is_closing():
            self.resume()
            self._pool.give_back(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()
        self._pool.gone(self)

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # The transports of uvloop are none of asyncio's classes, and can the same.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read an answer: the meter sees each piece before the caller does."""
        if self._exchange is None:
            # An upstream that speaks without being asked is not to be trusted with another request.
            self.abort()
            return
        self._anything = True
        if not self._begun:
            data = self._heads(data)
            if not self._begun:
                return
        self._body(data)

    def eof_received(self) -> bool:
        """Close; what that means for an answer is told when the connection is lost."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, if there is one."""
        exchange, self._exchange = self._exchange, None
        transport, self._transport = self._transport, None
        self._pool.gone(self)
        if exchange is None or transport is None:
            return
        if not self._begun:
            exchange.connection_failed(before_anything=not self._anything)
        else:
            # An answer that says neither its length nor where it ends is whole where the connection ends.
            exchange.answer_ends(b"", [], whole=exc is None and self._until_closed)

    def pause_writing(self) -> None:
        """The upstream is slow."""
        if self._exchange is not None:
            self._exchange.upstream_is_slow(slow=True)

    def resume_writing(self) -> None:
        """It is not any more."""
        if self._exchange is not None:
            self._exchange.upstream_is_slow(slow=False)

    # --- reading

    def _heads(self, data: bytes) -> bytes:
        """Take heads, those of interim answers among them; what is left behind the last is body."""
        self._head += data
        while not self._begun:
            end = self._head.find(_END)
            if end < 0:
                if len(self._head) > MOST_HEAD_BYTES:
                    self._fail()
                return b""
            head, self._head = self._head[: end + len(_END)], self._head[end + len(_END) :]
            self._complete = False
            try:
                self._parser.feed_data(head)
                status = self._parser.get_status_code()
            except httptools.HttpParserError:
                self._fail()
                return b""
            if status < _CONTINUES:
                # An interim answer is for this connection; 101 would make it another protocol's.
                self._parser = httptools.HttpResponseParser(self)
                self._headers = []
                self._complete = False
                continue
            self._begin(status, head)
        rest, self._head = self._head, b""
        return rest

    def _begin(self, status: int, raw: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        self._begun = True
        known = texts(self._headers)
        self._chunked = known.get("transfer-encoding", "").strip().lower() == "chunked"
        self._until_closed = not self._chunked and "content-length" not in known
        if exchange.head_only or status in _NO_BODY:
            self._complete = True
        exchange.answer_begins(AnswerHead(status, self._reason, self._headers, known, self._chunked, raw))

    def _body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        broken = False
        if data and not self._complete:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError:
                broken = True
        pieces, self._pieces = self._pieces, []
        if self._complete and not (self._chunked and (broken or self._spoilt)):
            if broken or self._spoilt:
                # What stands behind the end of an answer is nobody's, and the connection of no use.
                self._spoilt = True
                data = b"".join(pieces)
            exchange.answer_ends(data, pieces, whole=True)
        elif broken or self._complete:
            # Where in these bytes an answer in chunks ends, and what came behind it begins, cannot be told.
            self._exchange = None
            exchange.answer_ends(b"", pieces, whole=False)
            self.abort()
        else:
            exchange.answer_goes_on(data, pieces)

    @property
    def can_stay(self) -> bool:
        """Whether the connection may carry another exchange when this one has ended."""
        return self._complete and self._stays and not self._until_closed and not self._spoilt

    def _fail(self) -> None:
        exchange, self._exchange = self._exchange, None
        self.abort()
        if exchange is not None:
            exchange.connection_failed(before_anything=False)

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        """An answer begins, or what stands behind one."""
        self._spoilt = self._complete

    def on_status(self, reason: bytes) -> None:
        """The words behind the status."""
        self._reason = reason

    def on_headers_complete(self) -> None:
        """The head is whole; behind the end of the body the parser no longer knows what it said of the connection."""
        if not self._spoilt:
            self._stays = bool(self._parser.should_keep_alive())

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._headers.append((name, value))

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if not self._spoilt:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The body has ended."""
        self._complete = True


class Pool:
    """Connections to one upstream.

    Args:
        upstream: Which.
        terms: How long to wait, and how many to have.
        loop: Of the worker.
        told: Is told why a connection could not be had.
    """

    def __init__(
        self,
        upstream: Upstream,
        terms: Terms,
        loop: asyncio.AbstractEventLoop,
        told: Callable[[Upstream, BaseException], None] | None = None,
    ) -> None:
        self._upstream = upstream
        self._told = told
        self._terms = terms
        self._loop = loop
        self._idle: deque[Outbound] = deque()
        self._all: set[Outbound] = set()
        self._opening = 0
        self._waiting: deque[Callable[[Outbound | None], None]] = deque()

    def take(self, ready: Callable[[Outbound | None], None], *, fresh: bool = False) -> None:
        """Hand over a connection, now or when there is one; None where none can be had.

        Args:
            ready: Called once.
            fresh: Whether one that was used before will not do.
        """
        while self._idle and not fresh:
            found = self._idle.pop()
            if found in self._all:
                ready(found)
                return
        if len(self._all) + self._opening >= self._terms.most_connections:
            self._waiting.append(ready)
            return
        self._open(ready)

    def forget(self, ready: Callable[[Outbound | None], None]) -> None:
        """Wait no longer."""
        if ready in self._waiting:
            self._waiting.remove(ready)

    def give_back(self, connection: Outbound) -> None:
        """Take a connection whose exchange has ended."""
        if self._waiting:
            self._waiting.popleft()(connection)
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def gone(self, connection: Outbound) -> None:
        """Forget a connection; whoever waits for one gets a new one."""
        self._all.discard(connection)
        if self._waiting and len(self._all) + self._opening < self._terms.most_connections:
            self._open(self._waiting.popleft())

    def sweep(self, now: float) -> None:
        """Close what nobody has used for long."""
        while self._idle and now - self._idle[0].idle_since > self._terms.keep_seconds:
            self._idle.popleft().abort()

    def close(self) -> None:
        """Close what is idle; what is at work ends by itself."""
        while self._idle:
            self._idle.popleft().abort()

    def _open(self, ready: Callable[[Outbound | None], None]) -> None:
        self._opening += 1
        task = self._loop.create_task(self._connect())
        task.add_done_callback(lambda done: self._opened(done, ready))

    async def _connect(self) -> Outbound:
        upstream = self._upstream
        tls = self._terms.tls if upstream.secure else None
        made = self._loop.create_connection(
            lambda: Outbound(self),
            upstream.host,
            upstream.port,
            ssl=tls,
            server_hostname=upstream.host if tls else None,
        )
        _, connection = await asyncio.wait_for(made, self._terms.connect_seconds)
        return connection

    def _opened(self, done: asyncio.Task[Outbound], ready: Callable[[Outbound | None], None]) -> None:
        self._opening -= 1
        failed = None if done.cancelled() else done.exception()
        if done.cancelled() or failed is not None:
            if failed is not None and self._told is not None:
                self._told(self._upstream, failed)
            ready(None)
            return
        self._all.add(done.result())
        ready(done.result())
