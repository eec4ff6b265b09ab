"""urllib3, where it connects: the one fault that nothing of an attempt is sent before.

Everything else of it is seen below, in the standard library. Source: urllib3 2.8.0, read 2026-11-27.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from apportion.addresses import PORTS
from apportion.capturing.clients.patches import Patch
from apportion.capturing.clients.standard_library import is_sending
from apportion.capturing.watch import tell_once, watch
from apportion.gateway.heads import Header


class _Asked(NamedTuple):
    """A request that has no connection yet."""

    host: str
    port: int
    method: str
    url: str
    headers: Mapping[str, Any]
    body: Any


class _Here(threading.local):
    asked: _Asked | None = None


_HERE = _Here()


def patches(module: ModuleType) -> list[Patch]:
    """What is replaced of urllib3."""
    connections = import_module(f"{module.__name__}.connection")
    pool = import_module(f"{module.__name__}.connectionpool").HTTPConnectionPool
    return [
        Patch(pool, "urlopen", _urlopen),
        Patch(connections.HTTPConnection, "connect", _connect),
        Patch(connections.HTTPSConnection, "connect", _connect),
    ]


def _urlopen(before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def urlopen(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **named: Any
    ) -> Any:
        outer = _HERE.asked
        port = self.port or PORTS.get(self.scheme, 0)
        _HERE.asked = _Asked(self.host, port, method, url, headers or self.headers or {}, body)
        try:
            return before(self, method, url, body, headers, *args, **named)
        finally:
            _HERE.asked = outer

    return urlopen


def _connect(before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def connect(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return before(self, *args, **named)
        except BaseException as error:
            asked, _HERE.asked = _HERE.asked, None
            # A request that waits for its connection is watched where it is sent.
            if asked is not None and not is_sending(self):
                _unreached(asked, error)
            raise

    return connect


def _unreached(asked: _Asked, error: BaseException) -> None:
    try:
        _, _, rest = asked.url.partition("://")
        target = f"/{rest.partition('/')[2]}" if rest else asked.url
        seen = watch(asked.host, asked.port, asked.method, target.encode("latin-1", "replace"), lambda: _headers(asked))
        if seen is not None:
            body = asked.body.encode() if isinstance(asked.body, str) else asked.body
            seen.sent(bytes(body) if isinstance(body, bytes | bytearray) else None)
            seen.fail(ConnectionRefusedError(str(error)))
    except Exception as fault:  # noqa: BLE001 - the call goes on, whatever it is
        tell_once(f"a request could not be watched: {fault!r}", fault)


def _headers(asked: _Asked) -> list[Header]:
    return [(_bytes(name), _bytes(value)) for name, value in asked.headers.items()]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
