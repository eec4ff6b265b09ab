"""httpx2 and httpx, on which the SDKs of OpenAI, Anthropic and Google stand: their transports, below every retry.

Sources: httpx2 2.16.2 and httpx 0.28.1, `_transports/default.py`, read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from apportion.addresses import PORTS
from apportion.capturing.clients.patches import Patch
from apportion.capturing.watch import Watch, tell_once, watch


def patches(module: ModuleType) -> list[Patch]:
    """What is replaced of httpx2, or of httpx."""
    stream, async_stream = _stream(module), _async_stream(module)

    def sync(before: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(before)
        def handle_request(transport: Any, request: Any) -> Any:
            seen = _begin(request, module)
            if seen is None:
                return before(transport, request)
            try:
                response = before(transport, request)
            except BaseException as error:
                seen.fail(error)
                raise
            return _answered(response, seen, stream)

        return handle_request

    def asynchronous(before: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(before)
        async def handle_async_request(transport: Any, request: Any) -> Any:
            seen = _begin(request, module)
            if seen is None:
                return await before(transport, request)
            try:
                response = await before(transport, request)
            except BaseException as error:
                seen.fail(error)
                raise
            return _answered(response, seen, async_stream)

        return handle_async_request

    return [
        Patch(module.HTTPTransport, "handle_request", sync),
        Patch(module.AsyncHTTPTransport, "handle_async_request", asynchronous),
    ]


def _begin(request: Any, module: ModuleType) -> Watch | None:
    try:
        url = request.url
        port = url.port or PORTS.get(url.scheme, 0)
        seen = watch(url.host, port, request.method, url.raw_path, lambda: list(request.headers.raw))
        if seen is not None:
            try:
                body = request.content
            except module.RequestNotRead:
                body = None
            seen.sent(body)
    except Exception as error:  # noqa: BLE001 - the call goes on, whatever it is
        tell_once(f"a request could not be watched: {error!r}", error)
        return None
    return seen


def _answered(response: Any, seen: Watch, stream: Callable[..., Any]) -> Any:
    try:
        seen.answer(response.status_code, response.headers.raw)
        response.stream = stream(response.stream, seen, response.headers.get("content-length"))
    except Exception as error:  # noqa: BLE001 - as above
        tell_once(f"an answer could not be watched: {error!r}", error)
        seen.give_up()
    return response


class _Left:
    """How much of a body is still to come, where its length was told: its last piece is known by that.

    Args:
        length: As `content-length` has it.
    """

    def __init__(self, length: str | None) -> None:
        self._bytes = int(length) if length is not None and length.isdigit() else None

    def none_after(self, piece: bytes) -> bool:
        """Whether a piece is the last one."""
        if self._bytes is not None:
            self._bytes -= len(piece)
        return self._bytes == 0


def _stream(module: ModuleType) -> Callable[..., Any]:
    """A stream of the library's own kind, each piece of which is seen before the caller has it."""

    class Seen(module.SyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, behind: Any, seen: Watch, length: str | None) -> None:
            self._behind = behind
            self._seen = seen
            self._left = _Left(length)

        def __iter__(self) -> Iterator[bytes]:
            pieces = iter(self._behind)
            while True:
                try:
                    piece = next(pieces)
                except StopIteration:
                    self._seen.end()
                    return
                except BaseException as error:
                    self._seen.fail(error)
                    raise
                self._seen.feed(piece)
                if self._left.none_after(piece):
                    self._seen.end()
                yield piece

        def close(self) -> None:
            try:
                self._behind.close()
            finally:
                self._seen.leave()

    return Seen


def _async_stream(module: ModuleType) -> Callable[..., Any]:
    """The same for those who wait for it."""

    class Seen(module.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, behind: Any, seen: Watch, length: str | None) -> None:
            self._behind = behind
            self._seen = seen
            self._left = _Left(length)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            pieces = aiter(self._behind)
            while True:
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    self._seen.end()
                    return
                except BaseException as error:
                    self._seen.fail(error)
                    raise
                self._seen.feed(piece)
                if self._left.none_after(piece):
                    self._seen.end()
                yield piece

        async def aclose(self) -> None:
            try:
                await self._behind.aclose()
            finally:
                self._seen.leave()

    return Seen
