"""Answers of providers, written by hand in their documented shapes, and what a meter says of them."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64encode
from typing import Any

from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.body import DocumentBody, EventBody, FrameBody
from apportion.gateway.meters.format import Asked, Format
from apportion.gateway.meters.measure import BUCKETS, Measure, Part

OPENAI = Asked("openai", "gpt-5.6-sol")
CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}


def document(form: type[Format], answer: Any, asked: Asked = OPENAI, *, whole: bool = True) -> Measure:
    """The measure of an answer that is one document."""
    meter = DocumentBody(form(asked))
    meter.feed(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return meter.finish(whole=whole)


def sse(*events: Any) -> bytes:
    """A stream of events; a text stands as it is."""
    return b"".join(
        b"data: " + (event.encode() if isinstance(event, str) else json.dumps(event).encode()) + b"\n\n"
        for event in events
    )


def events(form: type[Format], *given: Any, asked: Asked = OPENAI, whole: bool = True) -> Measure:
    """The measure of a stream of events."""
    meter = EventBody(form(asked))
    meter.feed(sse(*given))
    return meter.finish(whole=whole)


def frame(kind: str, payload: Any, message: str = "event") -> bytes:
    """A frame of Amazon's event stream, as its encoding says."""
    head = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", message)):
        head += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(head) + len(body) + 16, len(head))
    made = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return made + struct.pack(">I", zlib.crc32(made))


def chunk(answer: Any) -> bytes:
    """A chunk of InvokeModel's stream."""
    return frame("chunk", {"bytes": b64encode(json.dumps(answer).encode()).decode(), "p": "abcdef"})


def frames(form: type[Converse | Invoke], *given: bytes, asked: Asked, whole: bool = True) -> Measure:
    """The measure of a stream of frames."""
    meter = FrameBody(form(asked))
    meter.feed(b"".join(given))
    return meter.finish(whole=whole)


def buckets(part: Part) -> dict[str, int]:
    """The buckets of a part that hold something, reasoning among them."""
    return {name: number for name in (*BUCKETS, "reasoning") if (number := getattr(part, name))}


def only(measure: Measure) -> dict[str, int]:
    """The buckets of a measure that is one part."""
    (part,) = measure.parts
    return buckets(part)
