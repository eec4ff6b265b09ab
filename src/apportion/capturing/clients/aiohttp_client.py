"""aiohttp, which the SDKs of OpenAI, Anthropic and Google can use, and aiobotocore does.

What it feeds to the reader of an answer is seen there, before anybody reads it. Source: aiohttp 3.14.5, `client.py`,
`client_reqrep.py`, `connector.py` and `streams.py`, read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from apportion.addresses import PORTS
from apportion.capturing.clients.patches import Patch
from apportion.capturing.watch import Watch, tell_once, watch
from apportion.gateway.heads import Header

# By the answer that is waited for, and by the reader of its body, which has no room for anything of ours.
_ANSWERS: WeakKeyDictionary[Any, Watch] = WeakKeyDictionary()
_READERS: dict[int, Watch] = {}


def patches(module: ModuleType) -> list[Patch]:
    """What is replaced of aiohttp."""
    reader = _seen_reader(module.StreamReader)

    def start(before: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(before)
        async def started(self: Any, *args: Any, **named: Any) -> Any:
            seen = _ANSWERS.pop(self, None)
            if seen is None:
                return await before(self, *args, **named)
            try:
                response = await before(self, *args, **named)
            except BaseException as error:
                seen.fail(error)
                raise
            _answered(self, seen, module.StreamReader, reader)
            return response

        return started

    return [
        Patch(module.BaseConnector, "connect", _connect),
        Patch(module.ClientRequest, "send", _send),
        Patch(module.ClientResponse, "start", start),
    ]


def _connect(before: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(before)
    async def connect(self: Any, request: Any, *args: Any, **named: Any) -> Any:
        try:
            return await before(self, request, *args, **named)
        except BaseException as error:
            seen = _begin(request)
            if seen is not None:
                seen.fail(error)
            raise

    return connect


def _send(before: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(before)
    async def send(self: Any, *args: Any, **named: Any) -> Any:
        seen = _begin(self)
        try:
            response = await before(self, *args, **named)
        except BaseException as error:
            if seen is not None:
                seen.fail(error)
            raise
        if seen is not None:
            _ANSWERS[response] = seen
        return response

    return send


def _begin(request: Any) -> Watch | None:
    try:
        url = request.url
        port = url.port or PORTS.get(url.scheme, 0)
        seen = watch(url.host or "", port, request.method, url.raw_path_qs.encode(), lambda: _headers(request.headers))
        if seen is not None:
            body = getattr(request.body, "_value", None)
            seen.sent(bytes(body) if isinstance(body, bytes | bytearray) else None)
    except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
        tell_once(f"a request could not be watched: {error!r}", error)
        return None
    return seen


def _headers(headers: Any) -> list[Header]:
    return [(name.encode("latin-1", "replace"), value.encode("utf-8", "replace")) for name, value in headers.items()]


def _answered(response: Any, seen: Watch, plain: Any, watched: Any) -> None:
    try:
        session = getattr(response, "_session", None)
        unpacked = getattr(session, "auto_decompress", True)
        seen.answer(response.status, list(response.raw_headers), unpacked=unpacked)
        content: Any = response.content
        if type(content) is not plain:
            # An answer without a body has a reader that all of them share.
            seen.end()
            return
        # Some of it may have come with the head.
        for piece in content._buffer:  # noqa: SLF001 - there is no other way to see it without taking it away
            seen.feed(piece)
        if content.is_eof():
            seen.end()
        elif content.exception() is not None:
            seen.fail(content.exception())
        else:
            _READERS[id(content)] = seen
            content.__class__ = watched
    except Exception as error:  # noqa: BLE001 - as above
        tell_once(f"an answer could not be watched: {error!r}", error)
        seen.give_up()


def _seen_reader(plain: Any) -> type:
    """A reader of the library's own kind, which tells what it is fed."""

    class SeenReader(plain):  # type: ignore[misc]
        __slots__ = ()

        def feed_data(self, data: bytes, *args: Any, **named: Any) -> Any:
            seen = _READERS.get(id(self))
            if seen is not None:
                seen.feed(data)
            return super().feed_data(data, *args, **named)

        def feed_eof(self) -> None:
            seen = _READERS.pop(id(self), None)
            if seen is not None:
                seen.end()
            super().feed_eof()

        def set_exception(self, exc: BaseException, *args: Any) -> None:
            seen = _READERS.pop(id(self), None)
            if seen is not None:
                # Its own name for an answer that its caller closes before the end.
                seen.leave() if str(exc) == "Connection closed" else seen.fail(exc)
            super().set_exception(exc, *args)

        def __del__(self) -> None:
            seen = _READERS.pop(id(self), None)
            if seen is not None:
                seen.leave()

    return SeenReader
