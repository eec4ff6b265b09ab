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


def onward(call: Call, signer: Signer | None) -> bytes:
    """The bytes of the head.

    Args:
        call: The call.
        signer: Signs it in the place of its caller; None where nobody does.
    """
    upstream, head, asking, own_key = call.upstream, call.head, call.asking, call.who.own_key
    assert upstream is not None  # noqa: S101 - calls without one were refused
    headers = passed_on(head.headers, drop=_REPLACED | _SECRETS if own_key else _REPLACED)
    if signer is not None:
        headers = [header for header in headers if not is_callers(header[0].lower())]
    headers.insert(0, (b"Host", upstream.host_header))
    codings = head.known.get(b"accept-encoding")
    if asking.asked_for_usage:
        # A stream from which a chunk is taken has to come unpacked.
        headers.append((b"Accept-Encoding", b"identity"))
    elif codings is not None:
        headers.append((b"Accept-Encoding", acceptable(codings)))
    if (baggage := head.known.get(b"baggage")) and (others := others_baggage(baggage)):
        headers.append((b"baggage", others))
    target = upstream.prefix.encode("latin-1") + call.rest.encode("latin-1")
    target += _query(head, own_key=own_key, signed=signer is not None)
    if signer is not None:
        worth = worth_signing(headers)
        headers += signer.sign(head.method, upstream.host_header, target, worth, asking.body, time.time())
    elif own_key:
        headers += _credentials(upstream)
    length = len(asking.body) if call.looked_into and head.has_body else head.length
    if length is not None:
        headers.append((b"Content-Length", b"%d" % length))
    elif head.has_body:
        headers.append((b"Transfer-Encoding", b"chunked"))
    return compose(b"%b %b HTTP/1.1" % (head.method.encode("latin-1"), target), headers)


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
