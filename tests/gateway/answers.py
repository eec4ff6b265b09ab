"""Answers that an upstream plays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.gateway.stage import Heard, Play

USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
CHAT = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-2024",
        "choices": [{"text": "Hi"}],
        "usage": USAGE,
    }
).encode()
PIECES = [
    b'data: {"id":"c-1","model":"gpt-4o-2024","choices":[{"delta":{"content":"%d"}}],"usage":null}\n\n' % n
    for n in range(5)
]
LAST = b'data: {"id":"c-1","model":"gpt-4o-2024","choices":[],"usage":%b}\n\n' % json.dumps(USAGE).encode()
DONE = b"data: [DONE]\n\n"


def whole(body: bytes = CHAT, *headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """The bytes of an answer with its length."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "X-Request-Id: r-1",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def head_of_stream(*headers: str, kind: str = "text/event-stream") -> bytes:
    """The head of an answer in chunks."""
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", "Transfer-Encoding: chunked", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """A chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def says(*pieces: bytes | float, close: bool = False) -> Play:
    """Play bytes and pauses in seconds; perhaps close then."""

    async def play(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                writer.write(piece)
                await writer.drain()
        if close:
            writer.close()

    return play


def streams(pieces: Sequence[bytes], pause: float = 0.0) -> Play:
    """Play a stream of events, each in a chunk of its own."""
    steps: list[Any] = [head_of_stream()]
    for piece in pieces:
        steps += [chunk(piece), pause] if pause else [chunk(piece)]
    return says(*steps, b"0\r\n\r\n")
