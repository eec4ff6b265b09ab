"""The body of an answer as it comes in, in whatever pieces: one document, events, frames, or an array that grows."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from apportion.gateway.meters import bedrock
from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.format import Format, Seen, text
from apportion.gateway.meters.frames import Frame, FrameSplitter
from apportion.gateway.meters.measure import Measure
from apportion.gateway.meters.sse import EventSplitter

# An answer that is larger is passed on and not looked into.
MOST_BYTES: Final = 32 << 20
_DONE: Final = b"[DONE]"
_ZLIB_HEAD: Final = 2


class Meter(Protocol):
    """Takes an answer's bytes and says what its usage was."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere."""

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was.

        Args:
            whole: Whether the transport ended the body as it should.
        """


class DocumentBody:
    """One JSON document, looked at when it is complete."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._body = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._size += len(data)
        if self._size <= MOST_BYTES:
            self._body += data
        else:
            self._body.clear()

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was."""
        if self._size > MOST_BYTES:
            return self._form.measure(Seen(whole, fault=f"the answer is larger than {MOST_BYTES >> 20} MiB"))
        body, self._body = bytes(self._body), bytearray()
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            self._form.body(found)
            return self._form.measure(Seen(whole=True))
        if isinstance(found, list) or body[:1] == b"[":
            return self._array(body, found, whole=whole)
        fault = "" if not body or not whole else "the answer is no JSON document"
        return self._form.measure(Seen(whole and bool(body), fault=fault))

    def _array(self, body: bytes, found: list[Any] | None, *, whole: bool) -> Measure:
        """An array whose elements are the chunks of a stream, as Google sends one without events."""
        chunks = _elements(body) if found is None else found
        pieces = 0
        for each in chunks:
            if isinstance(each, dict):
                self._form.event(each)
                pieces += 1
        if found is not None:
            self._form.closed()
        return self._form.measure(Seen(whole and found is not None, pieces))


def _elements(body: bytes) -> list[Any]:
    """The elements of an array that was cut off, as far as they are complete."""
    text = body.decode("utf-8", "ignore")
    decoder, at = json.JSONDecoder(), 1
    found: list[Any] = []
    while True:
        while at < len(text) and text[at] in " \r\n\t,":
            at += 1
        try:
            element, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found
        found.append(element)


class EventBody:
    """Server-sent events; only those that may say something of usage are read."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._splitter = EventSplitter()
        self._first = True
        self._pieces = 0
        self._bytes = 0
        self._least = 0
        self._strange = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for event in self._splitter.feed(data):
            self._take(event)

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was."""
        fault = "an event was larger than is looked into" if self._splitter.over else ""
        if whole:
            for event in self._splitter.close():
                self._take(event)
            self._form.closed()
        elif self._splitter.torn:
            fault = fault or "the answer was cut off inside an event"
        if self._strange and not self._pieces:
            fault = fault or "the answer's events are no JSON documents"
        characters = self._bytes - self._pieces * self._least + self._pieces
        return self._form.measure(Seen(whole, self._pieces, characters if self._pieces else 0, fault))

    def _take(self, data: bytes) -> None:
        form = self._form
        if data == _DONE:
            form.done()
            return
        if not self._first and not form.tells(data):
            size = len(data)
            if not self._pieces or size < self._least:
                self._least = size
            self._pieces += 1
            self._bytes += size
            return
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._strange += 1
            return
        if isinstance(found, dict):
            self._first = False
            form.event(found)


class FrameBody:
    """Frames of Amazon's binary event stream."""

    def __init__(self, form: Converse | Invoke) -> None:
        self._form = form
        self._splitter = FrameSplitter()
        self._pieces = 0
        self._take: Callable[[Frame], None] = self._invoke if isinstance(form, Invoke) else self._converse

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for frame in self._splitter.feed(data):
            if frame.headers.get(":message-type", "event") == "event":
                self._take(frame)
            else:
                said = (text(frame.headers.get(name)) for name in (":exception-type", ":error-code"))
                self._form.error = next((name for name in said if name), "error")

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was."""
        fault = self._splitter.broken or ("the answer was cut off inside a frame" if self._splitter.torn else "")
        return self._form.measure(Seen(whole, self._pieces, fault=fault))

    def _converse(self, frame: Frame) -> None:
        if frame.headers.get(":event-type") != "metadata":
            self._pieces += frame.headers.get(":event-type") == "contentBlockDelta"
            return
        try:
            found = orjson.loads(frame.payload)
        except orjson.JSONDecodeError:
            return
        if isinstance(found, dict):
            self._form.event(found)

    def _invoke(self, frame: Frame) -> None:
        self._pieces += 1
        found = bedrock.chunk(frame.payload)
        if isinstance(found, dict):
            self._form.event(found)


class Inflated:
    """A meter of a body that comes packed; the packed bytes are passed on, and a copy is unpacked here."""

    def __init__(self, meter: Meter, coding: str) -> None:
        self._meter = meter
        self._inflater = None if coding == "deflate" else zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._head = b""
        self._broken = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._inflater is None:
            data, self._head = self._head + data, b""
            if len(data) < _ZLIB_HEAD:
                self._head = data
                return
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if _is_zlib(data) else -zlib.MAX_WBITS)
        try:
            while data and not self._broken and not self._inflater.eof:
                found = self._inflater.decompress(data, MOST_BYTES)
                if found:
                    self._meter.feed(found)
                data = self._inflater.unconsumed_tail
        except zlib.error:
            self._broken = True

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was."""
        ended = self._inflater is not None and self._inflater.eof
        return self._meter.finish(whole=whole and ended and not self._broken)


def _is_zlib(data: bytes) -> bool:
    """Whether the two bytes stand there that `deflate` should begin with; some servers leave them out (RFC 1950)."""
    return data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:_ZLIB_HEAD]) % 31 == 0
