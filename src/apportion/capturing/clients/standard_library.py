"""`http.client`, on which urllib3 stands, and on that requests and boto3: its connections, and the bytes on them.

The request is read from what is sent, and the answer from what the socket gives before anybody else has it; both by
the parser of the gateway. Sources: `http/client.py` and `socket.py` of Python 3.11, urllib3 2.8.0 and
botocore 1.44.7, read 2026-11-27.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from apportion.addresses import PORTS
from apportion.capturing.clients.patches import Patch
from apportion.capturing.clients.wire import AnswerWire, RequestWire
from apportion.capturing.taking import whose
from apportion.capturing.watch import Watch, tell_once, watch

# What a connection is sending, or waits to have answered.
_REQUESTS: WeakKeyDictionary[Any, RequestWire] = WeakKeyDictionary()


def patches(module: ModuleType) -> list[Patch]:
    """What is replaced of `http.client`."""
    connection = module.HTTPConnection
    return [
        Patch(connection, "putrequest", _putrequest),
        Patch(connection, "send", _send),
        Patch(connection, "getresponse", _getresponse),
    ]


def is_sending(connection: Any) -> bool:
    """Whether a request on a connection is watched already."""
    return connection in _REQUESTS


def _putrequest(before: Callable[..., None]) -> Callable[..., None]:
    @wraps(before)
    def putrequest(self: Any, method: str, url: str, *args: Any, **named: Any) -> None:
        before(self, method, url, *args, **named)
        try:
            _REQUESTS.pop(self, None)
            host, port, target = _goes_to(self, url)
            if whose(host, port) is not None:
                _REQUESTS[self] = RequestWire(lambda wire: watch(host, port, method, target, lambda: wire.headers))
        except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
            tell_once(f"a request could not be watched: {error!r}", error)

    return putrequest


def _goes_to(connection: Any, url: str) -> tuple[str, int, bytes]:
    """Host, port and target of a request, through a proxy or not."""
    if "://" in url:
        parts = urlsplit(url)
        rest = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0), rest.encode("latin-1", "replace")
    host = getattr(connection, "_tunnel_host", None) or connection.host
    port = getattr(connection, "_tunnel_port", None) or connection.port
    return host, port, (url or "/").encode("latin-1", "replace")


def _send(before: Callable[..., None]) -> Callable[..., None]:
    @wraps(before)
    def send(self: Any, data: Any) -> None:
        wire = _REQUESTS.get(self)
        if wire is None:
            before(self, data)
            return
        # The request for a tunnel goes by the same way, before anything else does.
        if not (isinstance(data, bytes | bytearray) and data.startswith(b"CONNECT ")):
            wire.feed(data)
        try:
            before(self, data)
        except BrokenPipeError:
            # The server has answered before it was told everything; the answer says more.
            raise
        except BaseException as error:
            wire.fail(error)
            raise

    return send


def _getresponse(before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def getresponse(self: Any, *args: Any, **named: Any) -> Any:
        wire = _REQUESTS.pop(self, None)
        seen = None if wire is None else wire.close()
        if seen is None:
            return before(self, *args, **named)
        given = self.response_class
        # It is made in there; to look at its socket, it has to be had before its head is read.
        self.response_class = _tapped(given, seen)
        try:
            return before(self, *args, **named)
        except BaseException as error:
            seen.fail(error)
            raise
        finally:
            self.response_class = given

    return getresponse


def _tapped(response_class: Callable[..., Any], seen: Watch) -> Callable[..., Any]:
    def made(*args: Any, **named: Any) -> Any:
        response = response_class(*args, **named)
        try:
            raw = response.fp.raw
            kind = type(raw)
            if kind is not socket.SocketIO:
                raise TypeError(f"a {kind.__name__} is read")  # noqa: TRY301 - it is told like any other fault
            raw.__class__ = SeenSocket
            raw.wire = AnswerWire(seen, head_only=named.get("method") == "HEAD")
        except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
            tell_once(f"an answer could not be watched: {error!r}", error)
            seen.give_up()
        return response

    return made


class SeenSocket(socket.SocketIO):
    """The reading end of a socket, each piece from which is seen before the caller has it."""

    wire: AnswerWire

    def readinto(self, buffer: Any, /) -> int | None:
        """Read as before, and look."""
        try:
            size = super().readinto(buffer)
        except BaseException as error:
            self.wire.seen.fail(error)
            raise
        if size is not None:
            self.wire.feed(bytes(memoryview(buffer)[:size]))
        return size

    def close(self) -> None:
        """Nobody reads further."""
        self.wire.seen.leave()
        super().close()
