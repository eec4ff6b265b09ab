"""Frames of the binary event stream of Amazon Web Services out of bytes, in whatever pieces they come.

Source: botocore's eventstream.py and the Amazon event stream encoding of Smithy, read 2026-11-27: total length and
headers length as big-endian 32-bit numbers, a CRC-32 of these eight bytes, the headers, the payload, and a CRC-32 of
all that stands before it. A header is a length byte and its name, a type byte, and a value; names and strings are
text.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

_PRELUDE: Final = struct.Struct(">III")
_LEAST: Final = 16
# The protocol's own limits: 24 MiB of payload, 128 KiB of headers.
_MOST: Final = (24 << 20) + (128 << 10) + _LEAST
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Attributes:
        headers: The headers that are text, such as `:event-type`.
        payload: As it was sent.
    """

    headers: dict[str, str]
    payload: bytes


class FrameSplitter:
    """Splits a stream into its frames; behind a frame whose checksum is wrong nothing is believed.

    Attributes:
        broken: Why nothing more is read; empty while all is well.
    """

    __slots__ = ("_rest", "broken")

    def __init__(self) -> None:
        self._rest = bytearray()
        self.broken = ""

    @property
    def torn(self) -> bool:
        """Whether the stream ends inside a frame."""
        return bool(self._rest)

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that these bytes end.

        Args:
            chunk: The next bytes, cut anywhere.
        """
        found: list[Frame] = []
        if self.broken:
            return found
        self._rest += chunk
        while len(self._rest) >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(self._rest)
            if zlib.crc32(self._rest[:8]) != check or not _LEAST + headers <= total <= _MOST:
                self._stop("a frame's first checksum is wrong")
                break
            if len(self._rest) < total:
                break
            frame = bytes(self._rest[:total])
            if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:]):
                self._stop("a frame's checksum is wrong")
                break
            del self._rest[:total]
            try:
                known = _headers(frame[_PRELUDE.size : _PRELUDE.size + headers])
            except (IndexError, KeyError, UnicodeDecodeError):
                self._stop("a frame's headers cannot be read")
                break
            found.append(Frame(known, frame[_PRELUDE.size + headers : -4]))
        return found

    def _stop(self, why: str) -> None:
        self.broken = why
        self._rest.clear()


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        name, kind = data[at + 1 : end].decode(), data[end]
        at = end + 1
        if kind in {_BYTES, _STRING}:
            size = int.from_bytes(data[at : at + 2])
            value = data[at + 2 : at + 2 + size]
            if len(value) != size:
                raise IndexError(name)
            if kind == _STRING:
                found[name] = value.decode()
            at += 2 + size
        else:
            at += _FIXED[kind]
    return found
