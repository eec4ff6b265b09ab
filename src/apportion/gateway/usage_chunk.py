"""Takes out of a stream the chunk that the gateway asked for and the caller did not; every other byte stays."""

from __future__ import annotations

from typing import Final

import orjson

# An event that is longer is no usage chunk, and is not waited for.
_MOST: Final = 64 << 10
_SIGNS: Final = (b'"usage"', b'"choices"')
_ENDS: Final = (b"\n\n", b"\r\n\r\n")


class UsageChunk:
    """Passes a stream's bytes on, but for the one event of OpenAI's dialect that tells usage and has no choices.

    Bytes behind the last end of an event are held until their event is whole, for as long as it may be the one.
    """

    __slots__ = ("_done", "_held")

    def __init__(self) -> None:
        self._held = b""
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """The bytes that may go on.

        Args:
            data: The next of the stream.
        """
        if self._done:
            return data
        data = self._held + data
        if data.endswith(_ENDS) and not _may_tell(data):
            # Nearly every piece is like this: whole events, and none of them the one.
            self._held = b""
            return data
        kept = []
        while not self._done:
            event, end, rest = _event(data)
            if not end:
                break
            data = rest
            if _is_usage(event):
                self._done = True
            else:
                kept.append(event + end)
        if self._done or len(data) > _MOST:
            self._held, held = b"", data
            return b"".join([*kept, held])
        self._held = data
        return b"".join(kept)

    def close(self) -> bytes:
        """What was held, at the end of the stream."""
        held, self._held = self._held, b""
        return held


def _may_tell(data: bytes) -> bool:
    """Whether usage stands in some bytes that is not `null`, as it is in every chunk before the one that tells it."""
    return b'"usage"' in data and data.count(b'"usage"') != data.count(b'"usage":null')


def _event(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The first event in some bytes, the empty line that ends it, and what follows; no end where it is not whole."""
    places = [(at, sign) for sign in (b"\n\n", b"\r\n\r\n", b"\r\r") if (at := data.find(sign)) >= 0]
    if not places:
        return data, b"", b""
    at, sign = min(places)
    return data[:at], sign, data[at + len(sign) :]


def _is_usage(event: bytes) -> bool:
    if not all(sign in event for sign in _SIGNS):
        return False
    lines = [line for line in event.replace(b"\r", b"\n").split(b"\n") if line]
    if len(lines) != 1 or not lines[0].startswith(b"data:"):
        return False
    try:
        found = orjson.loads(lines[0][5:])
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and found.get("choices") == [] and isinstance(found.get("usage"), dict)
