"""Heads of requests and answers: what is passed on as it is, what is the gateway's own, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Header = tuple[bytes, bytes]

MOST_HEAD_BYTES: Final = 64 << 10
MOST_HEADERS: Final = 200
MOST_TARGET_BYTES: Final = 8 << 10
# For one connection only (RFC 9110, section 7.6.1): never passed on.
_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
     b"trailer", b"upgrade", b"transfer-encoding"}
)  # fmt: skip
_HOP_NAMES: Final = frozenset(name.decode() for name in _HOP)
# What a caller says to the gateway and no provider is to see.
OWN: Final = b"x-apportion-"
_DOTS: Final = re.compile(rb"(?:^|/|%2f|\\|%5c)(?:\.|%2e){1,2}(?:/|%2f|\\|%5c|$)", re.IGNORECASE)
_PLAIN: Final = re.compile(rb"/[\x21\x24-\x3b\x3d\x3f-\x5a\x5f\x61-\x7a\x7e&%@|]*")
_INFLATED: Final = ("gzip", "deflate", "identity")


class Head(NamedTuple):
    """The head of a request.

    Attributes:
        method: Of HTTP.
        target: As it was sent, with its query.
        path: Of it, without the query.
        query: Behind the question mark, with it; empty where there is none.
        headers: In their order, names as they were sent.
        known: The last value of each, by its name in lower case.
        length: What `content-length` says; None where the body is chunked or there is none.
        has_body: Whether one follows.
        keep_alive: Whether the caller's connection may stay.
        old: Whether the caller speaks HTTP/1.0.
    """

    method: str
    target: bytes
    path: str
    query: bytes
    headers: Sequence[Header]
    known: dict[bytes, bytes]
    length: int | None
    has_body: bool
    keep_alive: bool
    old: bool

    @property
    def may_be_json(self) -> bool:
        """Whether its body may be JSON: whatever a careless client calls it, but no form with files in it."""
        return not self.known.get(b"content-type", b"").strip().lower().startswith(b"multipart/")

    def get(self, name: bytes) -> str | None:
        """The value of a header as text."""
        value = self.known.get(name)
        return None if value is None else value.decode("latin-1")


class AnswerHead(NamedTuple):
    """The head of an answer.

    Attributes:
        status: Of HTTP.
        reason: The words behind it.
        headers: In their order, names as they were sent.
        known: The last value of each as text, by its name in lower case.
        chunked: Whether its body comes in chunks.
        raw: As it was sent.
    """

    status: int
    reason: bytes
    headers: Sequence[Header]
    known: dict[str, str]
    chunked: bool
    raw: bytes

    @property
    def passes(self) -> bool:
        """Whether nothing in it is for one connection only, beside that its body comes in chunks."""
        strange = self.known.keys() & _HOP_NAMES
        return (
            not (strange - {"transfer-encoding"} if self.chunked else strange)
            and self.raw.startswith(b"HTTP/1.1 ")
            and OWN not in self.raw.lower()
        )


def read(method: str, target: bytes, headers: Sequence[Header], *, keep_alive: bool, old: bool) -> Head | str:
    """A request's head, or what is wrong with it.

    What the parser lets pass and what could mean different things to different servers is refused: a target that is no
    plain path, dots that climb, a length and a coding together, two lengths or two hosts.

    Args:
        method: Of HTTP.
        target: As it was sent.
        headers: As they were sent.
        keep_alive: Whether the connection may stay.
        old: Whether it is HTTP/1.0.
    """
    path, mark, query = target.partition(b"?")
    if not _PLAIN.fullmatch(path) or b"//" in path or _DOTS.search(path):
        return "the path of the request is not one that is passed on"
    if any(byte <= 0x20 or byte == 0x7F for byte in query):  # noqa: PLR2004 - blanks and control characters
        return "the query of the request holds a blank or a control character"
    known: dict[bytes, bytes] = {}
    for name, value in headers:
        key = name.lower()
        if key in known and key in {b"content-length", b"host", b"transfer-encoding"}:
            return f"the request has two headers {key.decode('latin-1')}"
        known[key] = value
    coding, length = known.get(b"transfer-encoding"), known.get(b"content-length")
    if coding is not None and (length is not None or old or coding.strip().lower() != b"chunked"):
        return "the request's length cannot be told for certain"
    if length is not None and not length.isdigit():
        return "the request's content-length is no number"
    size = int(length) if length is not None else None
    return Head(
        method,
        target,
        path.decode("latin-1"),
        mark + query,
        headers,
        known,
        size,
        coding is not None or bool(size),
        keep_alive,
        old,
    )


def again(
    last: Head, method: str, target: bytes, headers: Sequence[Header], *, keep_alive: bool, old: bool
) -> Head | None:
    """A request's head where it is that of another but for its length; None where it has to be read.

    Args:
        last: The other, as it was read.
        method: Of HTTP.
        target: As it was sent.
        headers: As they were sent.
        keep_alive: Whether the connection may stay.
        old: Whether it is HTTP/1.0.
    """
    if (method, target, keep_alive, old) != (last.method, last.target, last.keep_alive, last.old):
        return None
    if headers == last.headers:
        return last
    if last.length is None or len(headers) != len(last.headers):
        return None
    ((was, _), (name, value)), *more = [pair for pair in zip(last.headers, headers, strict=True) if pair[0] != pair[1]]
    if more or was != name or name.lower() != b"content-length" or not value.isdigit():
        return None
    size = int(value)
    known = {**last.known, b"content-length": value}
    return last._replace(headers=headers, known=known, length=size, has_body=bool(size))


def passed_on(headers: Iterable[Header], *, drop: frozenset[bytes]) -> list[Header]:
    """The headers of a message that may go on to the other side.

    Args:
        headers: In their order.
        drop: Further names, in lower case, that may not.
    """
    listed = list(headers)
    named = b",".join(value for name, value in listed if name.lower() == b"connection")
    hop = _HOP | {part.strip().lower() for part in named.split(b",") if part.strip()} if named else _HOP
    return [
        (name, value)
        for name, value in listed
        if (key := name.lower()) not in hop and key not in drop and not key.startswith(OWN)
    ]


def texts(headers: Sequence[Header]) -> dict[str, str]:
    """The last value of each header, by its name in lower case, as text."""
    if not headers:
        return {}
    # No header holds a NUL: one step for all of them.
    names = b"\0".join([name for name, _ in headers]).lower().decode("latin-1").split("\0")
    return dict(zip(names, b"\0".join([value for _, value in headers]).decode("latin-1").split("\0"), strict=True))


def acceptable(codings: bytes) -> bytes:
    """What of a caller's `accept-encoding` the meters can unpack; `identity` where nothing of it."""
    kept = []
    for part in codings.decode("latin-1").split(","):
        name = part.partition(";")[0].strip().lower()
        if name in _INFLATED:
            kept.append(part.strip())
    return ", ".join(kept).encode("latin-1") or b"identity"


def compose(start: bytes, headers: Iterable[Header]) -> bytes:
    """The bytes of a head."""
    return b"".join([start, b"\r\n", *(b"%b: %b\r\n" % header for header in headers), b"\r\n"])
