"""HTTP/1.1 as it stands on a connection: requests on their way out, and answers on their way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httptools

from apportion.capturing.watch import MOST_BODY_BYTES, Watch, tell_once
from apportion.gateway.heads import Header

_CONTINUES: Final = 200


class RequestWire:
    """A request that is being sent.

    Args:
        begin: Watches it, once its head is whole.
    """

    def __init__(self, begin: Callable[[RequestWire], Watch | None]) -> None:
        self.headers: list[Header] = []
        self._begin = begin
        self._seen: Watch | None = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._pieces: list[bytes] = []
        self._size = 0
        self._unseen = False

    def feed(self, data: Any) -> None:
        """More of it is sent; what is no bytes is left to whoever reads it."""
        if not isinstance(data, bytes | bytearray | memoryview):
            self._unseen = True
            return
        if self._unseen:
            return
        try:
            self._parser.feed_data(bytes(data))
        except httptools.HttpParserError as error:
            self._unseen = True
            if self._seen is None:
                tell_once(f"a request could not be read: {error!r}", error)

    def fail(self, error: BaseException) -> None:
        """It could not be sent."""
        seen = self.close()
        if seen is not None:
            seen.fail(error)

    def close(self) -> Watch | None:
        """All of it was sent."""
        if self._seen is not None:
            body = None if self._unseen or self._size > MOST_BODY_BYTES else b"".join(self._pieces)
            self._seen.sent(body)
        self._pieces.clear()
        return self._seen

    # --- what the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Watch from here on."""
        self._seen = self._begin(self)

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, while it is not too large to be looked into."""
        self._size += len(data)
        if self._size <= MOST_BODY_BYTES:
            self._pieces.append(data)
        else:
            self._pieces.clear()


class AnswerWire:
    """An answer that is coming in.

    Args:
        seen: The attempt.
        head_only: Whether it has no body, because only its head was asked for.
    """

    def __init__(self, seen: Watch, *, head_only: bool) -> None:
        self.seen = seen
        self._head_only = head_only
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: list[Header] = []
        self._until_closed = False

    def feed(self, data: bytes) -> None:
        """The next bytes; none at the end of the connection."""
        if self.seen.ended:
            return
        if not data:
            if self._until_closed:
                self.seen.end()
            else:
                self.seen.fail(ConnectionError("closed"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.seen.end()
        except httptools.HttpParserError as error:
            self.seen.fail(error)

    # --- what the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Tell the head, unless it is one of those that come before the answer."""
        status = self._parser.get_status_code()
        if status < _CONTINUES:
            return
        names = {name.lower() for name, _ in self._headers}
        self._until_closed = not names & {b"content-length", b"transfer-encoding"}
        self.seen.answer(status, self._headers)
        if self._head_only:
            self.seen.end()

    def on_body(self, data: bytes) -> None:
        """Tell a piece."""
        self.seen.feed(data)

    def on_message_complete(self) -> None:
        """Tell the end."""
        if self._parser.get_status_code() < _CONTINUES:
            self._headers = []
        else:
            self.seen.end()
