"""The head of a request as the upstream gets it: its own host and key, and nothing that was said to the gateway."""

from __future__ import annotations

from typing import Final

from apportion.gateway.asking import Asking
from apportion.gateway.heads import Head, Header, acceptable, compose, passed_on
from apportion.gateway.tags import others_baggage
from apportion.gateway.upstream import Upstream

_SECRETS: Final = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
_REPLACED: Final = frozenset({b"host", b"content-length", b"accept-encoding", b"expect", b"baggage"})


def onward(upstream: Upstream, head: Head, rest: str, asking: Asking, *, own_key: bool, length: int | None) -> bytes:
    """The bytes of the head.

    Args:
        upstream: Who gets it.
        head: As the caller sent it.
        rest: Its path behind the upstream's name.
        asking: What its body says.
        own_key: Whether the gateway's key for the upstream takes the place of the caller's.
        length: Of the body; None where it goes in chunks, or there is none.
    """
    drop = _REPLACED | _SECRETS if own_key else _REPLACED
    headers = [(b"Host", upstream.host_header), *passed_on(head.headers, drop=drop)]
    codings = head.known.get(b"accept-encoding")
    if asking.asked_for_usage:
        # A stream from which a chunk is taken has to come unpacked.
        headers.append((b"Accept-Encoding", b"identity"))
    elif codings is not None:
        headers.append((b"Accept-Encoding", acceptable(codings)))
    if (baggage := head.known.get(b"baggage")) and (others := others_baggage(baggage)):
        headers.append((b"baggage", others))
    if own_key:
        headers += _credentials(upstream)
    if length is not None:
        headers.append((b"Content-Length", b"%d" % length))
    elif head.has_body:
        headers.append((b"Transfer-Encoding", b"chunked"))
    target = upstream.prefix.encode("latin-1") + rest.encode("latin-1") + _query(head, own_key=own_key)
    return compose(b"%b %b HTTP/1.1" % (head.method.encode("latin-1"), target), headers)


def _credentials(upstream: Upstream) -> list[Header]:
    if not upstream.secret:
        return []
    secret = upstream.secret.encode("latin-1")
    if upstream.auth == "bearer":
        return [(b"Authorization", b"Bearer " + secret)]
    return [(upstream.auth.encode("latin-1"), secret)]


def _query(head: Head, *, own_key: bool) -> bytes:
    """The query, without a key of the gateway's own."""
    if not own_key or b"key=" not in head.query:
        return head.query
    kept = [part for part in head.query[1:].split(b"&") if not part.startswith(b"key=")]
    return b"?" + b"&".join(kept) if kept else b""
