"""A stage for the gateway: an upstream that plays what it is told, a worker, and a caller, each with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from apportion.gateway.inbound import Inbound
from apportion.gateway.keys import Key, KeyTable, digest
from apportion.gateway.upstream import Auth, Terms, Upstream
from apportion.gateway.usage_log import UsageLog, read_segment
from apportion.gateway.worker import Worker

SECRET = "apk-the-callers"  # noqa: S105 - of a test
OWN_SECRET = "sk-of-the-gateway"  # noqa: S105 - as above
Play = Callable[["Heard", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Heard:
    """A request as the upstream heard it.

    Attributes:
        head: Its bytes.
        body: Its bytes, chunks put together.
    """

    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The value of a header."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b": ")
            if key.lower() == name:
                return value
        return None


@dataclass
class Stage:
    """Everything that is running.

    Attributes:
        port: Of the gateway.
        worker: Of it.
        loop: That both run in.
        log: The folder of usage.
        heard: What the upstream was asked, in order.
        connections: How many connections it had.
    """

    port: int
    worker: Worker
    loop: asyncio.AbstractEventLoop
    log: Path
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    @property
    def upstream_port(self) -> int:
        """Of the upstream that plays."""
        return self.worker.terms.upstreams["up"].port

    def call(self, function: Callable[[], Any]) -> Any:
        """Call something in the loop."""
        done = asyncio.run_coroutine_threadsafe(_awaited(function), self.loop)
        return done.result(10)

    def records(self, number: int = 1) -> list[dict[str, Any]]:
        """The records, once there are so many, in the order in which they were written."""
        for _ in range(500):
            found = [
                record for path in sorted(self.log.iterdir()) for record in read_segment(path) if record is not None
            ]
            if len(found) >= number:
                return found
            threading.Event().wait(0.01)
        raise AssertionError(f"{len(found)} records, not {number}")


async def _awaited(function: Callable[[], Any]) -> Any:
    return function()


async def hear(reader: asyncio.StreamReader) -> Heard:
    """Read a request."""
    head = await reader.readuntil(b"\r\n\r\n")
    heard = Heard(head, b"")
    length = heard.header(b"content-length")
    if length is not None:
        heard.body = await reader.readexactly(int(length))
    elif heard.header(b"transfer-encoding") == b"chunked":
        while size := int((await reader.readline()).strip(), 16):
            heard.body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return heard


@contextlib.contextmanager
def playing(play: Play, log: Path, *, auth: Auth = "bearer", secret: str | None = OWN_SECRET,
            provider: str = "openai", key: Key | None = None, **terms: Any) -> Iterator[Stage]:  # fmt: skip
    """Run an upstream that plays, and a gateway in front of it.

    Args:
        play: Called for each request.
        log: The folder of usage.
        auth: How the upstream is told who calls.
        secret: The gateway's own key for it.
        provider: As OpenTelemetry names it.
        key: Behind `SECRET`.
        terms: Further ones of the gateway.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made: list[Stage] = []
    open_: set[asyncio.WriteTransport] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made[0].connections += 1
        open_.add(writer.transport)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                heard = await hear(reader)
                made[0].heard.append(heard)
                await play(heard, reader, writer)
                await writer.drain()
        writer.transport.abort()

    async def start() -> tuple[asyncio.Server, asyncio.Server]:
        upstream = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24)
        address = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}"
        target = Upstream.of("up", provider, address, auth, secret)
        table = KeyTable({digest(SECRET): key or Key("ak_1", "test", {"team": "search"})})
        worker = Worker(Terms(upstreams={"up": target}, **terms), table, UsageLog(log, "test"), loop)
        server = await loop.create_server(lambda: Inbound(worker), "127.0.0.1", 0)
        made.append(Stage(server.sockets[0].getsockname()[1], worker, loop, log))
        return upstream, server

    upstream, server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield made[0]
    finally:

        async def stop() -> None:
            server.close()
            made[0].worker.close()
            upstream.close()
            for transport in list(open_):
                transport.abort()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def request(path: str = "/up/v1/chat/completions", body: bytes = b'{"model":"m"}', method: str = "POST", *,
            secret: str | None = SECRET, headers: tuple[str, ...] = ()) -> bytes:  # fmt: skip
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway"]
    lines += [f"Authorization: Bearer {secret}"] if secret else []
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + (body if method == "POST" else b"")


class Listening(Protocol):
    """A gateway, in this process or in another."""

    @property
    def port(self) -> int:
        """Of it."""


class Caller:
    """A connection to the gateway."""

    def __init__(self, gateway: Listening) -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        self._rest = b""

    def send(self, data: bytes) -> Caller:
        """Send bytes."""
        self.socket.sendall(data)
        return self

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read an answer: status, headers in lower case, body with its chunks put together."""
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.line(), 16):
                body += self.exactly(size)
                assert self.line() == b""
            assert self.line() == b""
            return status, headers, body
        if "content-length" in headers:
            return status, headers, self.exactly(int(headers["content-length"]))
        return status, headers, b"" if status in {204, 304} else self.rest()

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of an answer."""
        start = self.line()
        headers = {}
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        return int(start.split(b" ")[1]), headers

    def line(self) -> bytes:
        """Read a line."""
        while b"\r\n" not in self._rest:
            self._more()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        found = bytearray(self._rest[:size])
        self._rest = self._rest[size:]
        while len(found) < size:
            data = self.socket.recv(min(size - len(found), 1 << 20))
            if not data:
                raise EOFError
            found += data
        return bytes(found)

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()
        found, self._rest = self._rest, b""
        return found

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        self._rest += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
