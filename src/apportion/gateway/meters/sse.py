"""Server-sent events out of bytes, in whatever pieces they come.

Source: the WHATWG HTML standard, section 9.2 (server-sent events), read 2026-11-27. Event names are not needed: every
provider repeats them inside the data, or can do without.
"""

from __future__ import annotations

from typing import Final

# An event that is longer is no usage of anything.
MOST_BYTES: Final = 16 << 20


class EventSplitter:
    """Splits a stream into the data of its events.

    Attributes:
        torn: Whether what was fed so far ends inside an event.
        over: Whether an event was longer than is looked at; such events are passed over.
    """

    __slots__ = ("_begun", "_dropped", "_lines", "_rest", "_size", "_skipping", "over")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._begun = False
        # Whether the event at hand is passed over, and whether the line at hand is, of which the start is gone already.
        self._dropped = self._skipping = False
        self.over = False

    @property
    def torn(self) -> bool:
        """Whether the stream ends inside an event."""
        return bool(self._rest.strip() or self._lines or self._dropped)

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that these bytes end.

        Args:
            chunk: The next bytes, cut anywhere.
        """
        text = self._rest + chunk if self._rest else chunk
        if self._plain(text):
            self._rest = b""
            return [text[6:-2] if text[5:6] == b" " else text[5:-2]]
        return self._split(text)

    def _split(self, text: bytes) -> list[bytes]:
        if not self._begun:
            if len(text) < len(b"\xef\xbb\xbf") and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        if b"\r" in text:
            # A carriage return at the end may be half of a line end.
            held = b"\r" if text.endswith(b"\r") else b""
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        *lines, rest = text.split(b"\n")
        found: list[bytes] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.startswith(b"data:"):
                self._keep(line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if self._lines:
                    found.append(self._lines[0] if len(self._lines) == 1 else b"\n".join(self._lines))
                self._lines, self._size, self._dropped = [], 0, False
        if self._skipping or len(rest) > MOST_BYTES:
            rest = self._cut(rest)
        self._rest = rest + held
        return found

    def _plain(self, text: bytes) -> bool:
        """Whether some bytes are one event of one line and nothing else, as nearly every piece of a stream is."""
        return (
            self._begun
            and text.startswith(b"data:")
            and text.endswith(b"\n\n")
            and text.find(b"\n") == len(text) - 2
            and b"\r" not in text
            and len(text) <= MOST_BYTES
            and not (self._lines or self._skipping or self._dropped)
        )

    def close(self) -> list[bytes]:
        """The data of an event that nothing ended, as a server leaves it that closes behind its last line."""
        line, self._rest = self._rest.rstrip(b"\r"), b""
        if line.startswith(b"data:") and not self._skipping:
            self._keep(line[5:].removeprefix(b" "))
        found, self._lines = [b"\n".join(self._lines)] if self._lines else [], []
        return found

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._dropped or self._size > MOST_BYTES:
            self._drop()
        else:
            self._lines.append(data)

    def _drop(self) -> None:
        self.over = self._dropped = True
        self._lines = []

    def _cut(self, rest: bytes) -> bytes:
        """The beginning of a line that is too long to be waited for: what of it has to be kept."""
        if self._skipping:
            return b""
        if rest.startswith(b"data:"):
            if self._size + len(rest) - len(b"data: ") <= MOST_BYTES:
                return rest
            self._drop()
        self._skipping = True
        return b""
