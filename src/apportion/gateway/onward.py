"""The head of a request as the upstream gets it: its own host and key, and nothing that was said to the gateway."""

from __future__ import annotations

import time
from typing import Final

from apportion.gateway.call import Call
from apportion.gateway.heads import Head, Header, acceptable, compose, passed_on
from apportion.gateway.signing import Signer, is_callers, worth_signing
from apportion.gateway.tags import others_baggage
from apportion.gateway.upstream import Upstream

_SECRETS: Final = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
_REPLACED: Final = frozenset({b"host", b"content-length", b"accept-encoding", b"expect", b"baggage"})
_SIGNED_QUERY: Final = b"x-amz-"


def start(upstream: Upstream, head: Head, rest: str, *, own_key: bool, plain: bool) -> bytes:
    """The bytes of a head up to what it says of its body's length; the empty line behind that is left out, too.

    Args:
        upstream: Where it goes.
        head: As it came.
        rest: Its path behind the upstream's name.
        own_key: Whether the gateway's own key takes the place of what the caller brings.
        plain: Whether the answer has to come unpacked.
    """
    headers = _headers(upstream, head, own_key=own_key, plain=plain)
    if own_key:
        headers += _credentials(upstream)
    return _open(head, _target(upstream, rest) + _query(head, own_key=own_key, signed=False), headers)


def length_line(call: Call) -> bytes:
    """The header that says how long a call's body is."""
    head = call.head
    length = len(call.asking.body) if call.looked_into and head.has_body else head.length
    if length is not None:
        return b"Content-Length: %d\r\n" % length
    return b"Transfer-Encoding: chunked\r\n" if head.has_body else b""


def signed(call: Call, signer: Signer) -> bytes:
    """The bytes of the head of a call that the gateway signs in the place of its caller."""
    upstream, head = call.to, call.head
    kept = _headers(upstream, head, own_key=call.who.own_key, plain=call.asking.asked_for_usage)
    headers = [header for header in kept if not is_callers(header[0].lower())]
    target = _target(upstream, call.rest) + _query(head, own_key=call.who.own_key, signed=True)
    worth = worth_signing(headers)
    headers += signer.sign(head.method, upstream.host_header, target, worth, call.asking.body, time.time())
    return b"%b%b\r\n" % (_open(head, target, headers), length_line(call))


def _open(head: Head, target: bytes, headers: list[Header]) -> bytes:
    """The bytes of a head without the empty line that ends it."""
    return compose(b"%b %b HTTP/1.1" % (head.method.encode("latin-1"), target), headers)[: -len(b"\r\n")]


def _headers(upstream: Upstream, head: Head, *, own_key: bool, plain: bool) -> list[Header]:
    """The headers that go on, with what takes the place of others."""
    drop = _REPLACED | _SECRETS if own_key else _REPLACED
    headers = [(b"Host", upstream.host_header), *passed_on(head.headers, drop=drop)]
    codings = head.known.get(b"accept-encoding")
    if plain:
        # A stream from which a chunk is taken has to come unpacked.
        headers.append((b"Accept-Encoding", b"identity"))
    elif codings is not None:
        headers.append((b"Accept-Encoding", acceptable(codings)))
    if (baggage := head.known.get(b"baggage")) and (others := others_baggage(baggage)):
        headers.append((b"baggage", others))
    return headers


def _target(upstream: Upstream, rest: str) -> bytes:
    return upstream.prefix.encode("latin-1") + rest.encode("latin-1")


def _credentials(upstream: Upstream) -> list[Header]:
    if not upstream.secret:
        return []
    secret = upstream.secret.encode("latin-1")
    if upstream.auth == "bearer":
        return [(b"Authorization", b"Bearer " + secret)]
    return [(upstream.auth.encode("latin-1"), secret)]


def _query(head: Head, *, own_key: bool, signed: bool) -> bytes:
    """The query, without a key of the gateway's own and without what a caller signed."""
    if not signed and (not own_key or b"key=" not in head.query):
        return head.query
    kept = [
        part
        for part in head.query[1:].split(b"&")
        if not part.startswith(b"key=") and not (signed and part.lower().startswith(_SIGNED_QUERY))
    ]
    return b"?" + b"&".join(kept) if any(kept) else b""
