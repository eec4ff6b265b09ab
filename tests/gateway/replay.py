"""The same call made twice, to a provider that replays an answer: directly, and through the gateway.

A tap stands in front of each side and keeps what the client's transport wrote and read, byte for byte. What must be the
same is the same in `Both.compare`: the request as the provider hears it, the answer as the client's transport reads it,
and what the client makes of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from apportion.gateway.upstream import Auth
from tests.gateway.answers import chunk, whole
from tests.gateway.clients.shapes import Shape
from tests.gateway.stage import OWN_SECRET, SECRET, Heard, Play, Stage, playing

# Said by one connection to the next, and by no side to the other.
HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"})
# Every call has its own, however often it is made.
_FRESH: Final = frozenset({"amz-sdk-invocation-id", "idempotency-key", "x-amz-date", "x-stainless-read-timeout"})
# What is said anew to each side: whom it speaks to, and what it can unpack.
_SIDE: Final = frozenset({"host", "accept-encoding", "expect", *HOP})
_BOUNDARY: Final = re.compile(rb"boundary=([\w-]+)")
TOKENS: Final = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "cache_write_other_tokens", "tool_prompt_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


def gzipped(data: bytes) -> bytes:
    """The same bytes whenever it is packed."""
    return gzip.compress(data, mtime=0)


class Said(NamedTuple):
    """One answer, as a client's transport read it.

    Attributes:
        start: The line with the status.
        headers: Names as they were sent, without those of the connection.
        raw: Everything behind the head, chunks and all.
        body: What it carries.
        whole: Whether it ends as its head says.
        framing: `length`, `chunks` or `close`.
    """

    start: bytes
    headers: list[tuple[str, str]]
    raw: bytes
    body: bytes
    whole: bool
    framing: str


@dataclass
class Tap:
    """A place between a client and a server where every byte is kept.

    Attributes:
        port: To connect to.
        sent: What clients wrote, by connection.
        received: What they read.
    """

    port: int = 0
    sent: list[bytearray] = field(default_factory=list)
    received: list[bytearray] = field(default_factory=list)
    _target: int = 0

    async def start(self, target: int) -> asyncio.Server:
        """Listen, and pass on to a port of the loopback."""
        self._target = target
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self.sent.append(bytearray())
        self.received.append(bytearray())
        await asyncio.gather(self._pump(reader, back, self.sent[-1]), self._pump(there, writer, self.received[-1]))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray) -> None:
        try:
            while data := await source.read(1 << 16):
                kept += data
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            # Whoever reset it meant to, and the other side is to see the same.
            sink.transport.abort()
        finally:
            sink.close()

    def forget(self) -> None:
        """Forget what was kept."""
        self.sent.clear()
        self.received.clear()


class Call(Protocol):
    """A call by a client, to be made on both sides."""

    def __call__(self, base: str, key: str) -> Any:
        """Make it.

        Args:
            base: The provider's address, or the gateway's with the upstream's name.
            key: To be brought.
        """


@dataclass
class Both:
    """Both sides.

    Attributes:
        stage: Provider and gateway.
        direct: In front of the provider.
        through: In front of the gateway.
        plays: The answers to the next requests, the last again and again.
    """

    stage: Stage
    direct: Tap
    through: Tap
    plays: list[Play] = field(default_factory=list)
    _asked: int = 0

    async def play(self, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        answer = self.plays[min(self._asked, len(self.plays) - 1)]
        self._asked += 1
        await answer(heard, reader, writer)

    def compare(self, call: Call, *plays: Play, attempts: int = 1, adds_usage: bool = False, key: str = OWN_SECRET,
                gateway_key: str = SECRET) -> tuple[Any, list[dict[str, Any]]]:  # fmt: skip
        """Make a call on both sides.

        Args:
            call: By a client.
            plays: The answers to its requests.
            attempts: How many requests it makes.
            adds_usage: Whether the gateway asks for usage that the client has not asked for, and takes it out again.
            key: To be brought to the provider.
            gateway_key: To the gateway.

        Returns:
            What the client made of it, and the records of the gateway.
        """
        self.plays = list(plays)
        stage = self.stage
        written = len(stage.records(0))
        sides = []
        for tap, path, brought in ((self.direct, "", key), (self.through, "/up", gateway_key)):
            self._asked = 0
            before = len(stage.heard)
            tap.forget()
            result = _result(partial(call, f"http://127.0.0.1:{tap.port}{path}", brought), tap.port)
            sides.append((result, stage.heard[before:], [each for raw in tap.received for each in answers(bytes(raw))]))
        (result, heard, said), (other, other_heard, other_said) = sides
        assert len(heard) == len(other_heard) == attempts, result
        for one, two in zip(heard, other_heard, strict=True):
            _same_request(one, two, adds_usage=adds_usage)
        assert len(said) == len(other_said)
        for first, second in zip(said, other_said, strict=True):
            _same_answer(first, second, adds_usage=adds_usage)
        assert other == result
        records = stage.records(written + attempts)[written:]
        # A line for each part that is billed by itself, of which the first is the attempt's.
        assert [record["part"] for record in records].count(1) == attempts
        return result, records


@contextlib.contextmanager
def both(log: Path, *, auth: Auth = "bearer", provider: str = "openai", **terms: Any) -> Iterator[Both]:
    """Run a provider that replays, the gateway in front of it, and a tap in front of each.

    Args:
        log: The folder of usage.
        auth: How the provider is told who calls.
        provider: As OpenTelemetry names it.
        terms: Further ones of the gateway.
    """
    made: list[Both] = []

    async def play(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made[0].play(heard, reader, writer)

    with playing(play, log, auth=auth, provider=provider, **terms) as stage:
        sides = Both(stage, Tap(), Tap())
        made.append(sides)

        async def start() -> list[asyncio.Server]:
            return [await sides.direct.start(stage.upstream_port), await sides.through.start(stage.port)]

        servers = asyncio.run_coroutine_threadsafe(start(), stage.loop).result(10)
        try:
            yield sides
        finally:
            for server in servers:
                stage.call(server.close)


def replays(shape: Shape, *, packed: Callable[[bytes], bytes] | None = None, status: str = "200 OK") -> Play:
    """Play an answer as its provider sends it: events and frames in chunks, all else with its length.

    Args:
        shape: The answer.
        packed: Packs its body with gzip.
        status: Of HTTP.
    """
    headers = ("Date: Fri, 27 Nov 2026 12:00:00 GMT", "Set-Cookie: a=1", "Set-Cookie: b=2", *shape.headers)

    async def play(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if packed is not None:
            writer.write(whole(packed(shape.body), "Content-Encoding: gzip", *headers, kind=shape.kind, status=status))
        elif len(shape.pieces) == 1:
            writer.write(whole(shape.body, *headers, kind=shape.kind, status=status))
        else:
            lines = [f"HTTP/1.1 {status}", f"Content-Type: {shape.kind}", "Transfer-Encoding: chunked", *headers]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            for piece in shape.pieces:
                writer.write(chunk(piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")

    return play


def told(record: dict[str, Any]) -> dict[str, int]:
    """The tokens of a record that are any."""
    return {name: record[name] for name in TOKENS if record.get(name)}


def check(records: Sequence[dict[str, Any]], shape: Shape) -> None:
    """The one record of an answer says what it used, exactly."""
    (record,) = records
    assert (record["state"], record["outcome"], record["status"]) == (shape.state, "ok", 200)
    assert told(record) == dict(shape.tokens)
    assert record.get("fees", {}) == dict(shape.fees)
    assert record.get("response_model") == shape.model
    assert (record["api_key_id"], record["tags"]["team"], record["provider"]) == ("ak_1", "search", shape.provider)


def _result(call: Callable[[], Any], port: int) -> Any:
    """What a client made of an answer, an exception among it; ports of a side stand for none."""
    try:
        found = plain(call())
    except Warning:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the client raises, it has to raise the same on both sides
        # A client may wrap what happened below it.
        chain: list[BaseException] = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
            chain.append(cause)
        status = getattr(error, "status_code", getattr(error, "code", None))
        body = plain(getattr(error, "body", getattr(error, "response", None)))
        found = ("raised", [type(each).__name__ for each in chain], str(error), status, body)
    return _without_port(found, port)


def _without_port(found: Any, port: int) -> Any:
    if isinstance(found, str):
        return found.replace(f":{port}/up", "").replace(f":{port}", "")
    if isinstance(found, dict):
        return {key: _without_port(value, port) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_without_port(each, port) for each in found]
    return found


def plain(found: Any) -> Any:
    """What a client gave, as values that can be compared."""
    if hasattr(found, "model_dump"):
        return {"is a": type(found).__name__, **plain(found.model_dump(warnings=False))}
    if isinstance(found, dict):
        kept = {key: value for key, value in found.items() if str(key).lower() not in {*HOP, "request", "http_request"}}
        return {str(key): plain(value) for key, value in kept.items()}
    if isinstance(found, list | tuple):
        return [plain(each) for each in found]
    if isinstance(found, str | bytes | int | float | bool) or found is None:
        return found
    if hasattr(found, "headers") and hasattr(found, "status_code"):
        return [found.status_code, plain(dict(found.headers))]
    return type(found).__name__


def answers(raw: bytes) -> Iterator[Said]:
    """The answers in what a client read from one connection, but for interim ones."""
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        assert end, "an answer without the end of its head"
        start, *lines = head.split(b"\r\n")
        headers = [(name.decode(), value.decode("latin-1")) for name, _, value in (x.partition(b": ") for x in lines)]
        if start.split(b" ")[1] == b"100":
            raw = rest
            continue
        known = {name.lower(): value for name, value in headers}
        body, size, framing, complete = _body(rest, known)
        kept = [(name, value) for name, value in headers if name.lower() not in HOP]
        yield Said(start, kept, rest[:size], body, complete, framing)
        raw = rest[size:]


def _body(rest: bytes, known: dict[str, str]) -> tuple[bytes, int, str, bool]:
    """A body, how many bytes it takes, how its end is told, and whether it is there."""
    if "content-length" in known:
        size = int(known["content-length"])
        return rest[:size], min(size, len(rest)), "length", len(rest) >= size
    if known.get("transfer-encoding") != "chunked":
        return rest, len(rest), "close", True
    body, at = b"", 0
    while (line := rest.find(b"\r\n", at)) >= 0:
        size = int(rest[at:line], 16)
        at = line + 2 + size + 2
        body += rest[line + 2 : line + 2 + size]
        if not size:
            return body, at, "chunks", True
    return body, len(rest), "chunks", False


def _same_request(one: Heard, two: Heard, *, adds_usage: bool) -> None:
    first, second = _request(one), _request(two)
    assert second[0] == first[0]
    if adds_usage:
        added = b'{"stream_options":{"include_usage":true},'
        assert second[2].startswith(added)
        second[2] = second[2].replace(added, b"{", 1)
        for each in (first, second):
            each[1] = [(name, value) for name, value in each[1] if name != "content-length"]
    assert second[1] == first[1]
    assert second[2] == first[2]
    coded = (two.header(b"accept-encoding") or b"").split(b", ")
    assert set(coded) <= {b"gzip", b"deflate", b"identity"}


def _request(heard: Heard) -> list[Any]:
    """A request: its first line, its headers in order of their names, and its body."""
    start, *lines = heard.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    head, body = b"\n".join(lines), heard.body
    if found := _BOUNDARY.search(head):
        # A client draws the boundary of each form by lot.
        body = body.replace(found[1], b"boundary")
        lines = [line.replace(found[1], b"boundary") for line in lines]
    pairs = (line.decode("latin-1").partition(": ") for line in lines)
    headers = [(name.lower(), "fresh" if name.lower() in _FRESH else value) for name, _, value in pairs]
    return [start, sorted(each for each in headers if each[0] not in _SIDE), body]


def _same_answer(first: Said, second: Said, *, adds_usage: bool) -> None:
    assert second.start == first.start
    assert second.headers == first.headers
    assert second.body == first.body
    if not adds_usage:
        assert (second.raw, second.whole, second.framing) == (first.raw, first.whole, first.framing)
