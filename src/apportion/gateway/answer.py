"""An answer as its caller gets it: the upstream's own bytes, or the same body in chunks where it has no length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apportion.gateway.heads import AnswerHead, Head, compose, passed_on
from apportion.gateway.usage_chunk import UsageChunk

_EVENTS: Final = "text/event-stream"
_EMPTY: Final = frozenset({204, 304})


class Answer:
    """The form of one answer.

    Its head goes with the first part of its body: an answer in one piece is sent as one.

    Args:
        asked: The head of the request.
        head: Of the answer.
        without_usage: Whether the chunk with its usage is taken out, because only the gateway asked for it.
    """

    def __init__(self, asked: Head, head: AnswerHead, *, without_usage: bool) -> None:
        self._asked = asked
        known = head.known
        kind = known.get("content-type", "").partition(";")[0].strip().lower() if without_usage else ""
        filtered = without_usage and kind == _EVENTS and "content-encoding" not in known
        self._filter = UsageChunk() if filtered else None
        bare = "content-length" not in known and not head.chunked
        has_body = asked.method != "HEAD" and head.status not in _EMPTY
        self._reframed = has_body and (filtered or bare or (head.chunked and asked.old))
        plain = not self._reframed and asked.keep_alive and not asked.old
        self._head = head.raw if plain and head.passes else self._made(head)

    @property
    def stays(self) -> bool:
        """Whether the caller's connection may carry another request."""
        return self._asked.keep_alive and not (self._asked.old and self._reframed)

    def _made(self, head: AnswerHead) -> bytes:
        drop = frozenset({b"content-length"}) if self._filter is not None else frozenset()
        kept = passed_on(head.headers, drop=drop)
        if (self._reframed or head.chunked) and not self._asked.old:
            kept.append((b"Transfer-Encoding", b"chunked"))
        if not self.stays:
            kept.append((b"Connection", b"close"))
        elif self._asked.old:
            kept.append((b"Connection", b"keep-alive"))
        return compose(b"HTTP/1.1 %d %b" % (head.status, head.reason), kept)

    def more(self, raw: bytes, pieces: Sequence[bytes]) -> bytes:
        """The bytes of a part of it.

        Args:
            raw: Of its body, as it came; empty where only its head is here.
            pieces: What of it is body.
        """
        head, self._head = self._head, b""
        if not self._reframed:
            return head + raw if head else raw
        if self._filter is not None:
            pieces = [self._filter.feed(piece) for piece in pieces]
        return head + b"".join(self._chunk(piece) for piece in pieces)

    def last(self, raw: bytes, pieces: Sequence[bytes], *, whole: bool) -> bytes:
        """The bytes of the last part of its body; `whole` where it ended as it should."""
        found = self.more(raw, pieces)
        if not self._reframed:
            return found
        if self._filter is not None:
            found += self._chunk(self._filter.close())
        return found + b"0\r\n\r\n" if whole and not self._asked.old else found

    def _chunk(self, data: bytes) -> bytes:
        if not data or self._asked.old:
            return data
        return b"%x\r\n%b\r\n" % (len(data), data)
