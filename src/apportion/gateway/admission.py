"""Who calls, and whether the call may go on: keys, and the tags that are required."""

from __future__ import annotations

from typing import NamedTuple

from apportion.gateway import keys
from apportion.gateway.heads import Head
from apportion.gateway.keys import Key, KeyTable
from apportion.gateway.tags import Tags
from apportion.gateway.upstream import Terms, Upstream


class Who(NamedTuple):
    """A caller.

    Attributes:
        key: Of the gateway; None where the provider's own was brought.
        key_id: As it stands in the usage log.
        own_key: Whether the gateway's own key for the provider takes the place of what the caller brings.
    """

    key: Key | None
    key_id: str
    own_key: bool = False


class Refused(NamedTuple):
    """Why a call does not go on.

    Attributes:
        status: Of HTTP.
        code: Ours.
        message: For people.
    """

    status: int
    code: str
    message: str


def who(head: Head, upstream: Upstream, terms: Terms, table: KeyTable) -> Who | Refused:
    """Who calls; whether the key is still of use at a call is for `refused_now` to say.

    Args:
        head: Of the request.
        upstream: That is called.
        terms: Of the gateway.
        table: Its keys.
    """
    brought = keys.secret_of(head.known, head.query)
    secret, place = brought or ("", b"")
    if secret.startswith(keys.PREFIX):
        # Behind a key in a header of its own the provider's key may stand in the usual one.
        beside = place == keys.OWN_HEADER and keys.secret_of(head.known, head.query, but=place) is not None
        return _of_this_gateway(table.find(secret), upstream, terms, beside=beside)
    if not terms.pass_through:
        return Refused(
            401, "key-needed", "the call brings no key of this gateway; send one, in place of the provider's"
        )
    if upstream.auth == "sigv4":
        return Refused(401, "key-needed", f"calls to {upstream.name} are signed here and need a key of this gateway")
    return Who(None, keys.fingerprint(secret) if secret else "none")


def _of_this_gateway(key: Key | None, upstream: Upstream, terms: Terms, *, beside: bool) -> Who | Refused:
    if key is None:
        return Refused(401, "key-unknown", "the key is not one of this gateway's")
    if key.upstreams and upstream.name not in key.upstreams:
        return Refused(403, "upstream-not-allowed", f"the key may not call {upstream.name}")
    if upstream.auth == "sigv4" and upstream.endpoint is None:
        return Refused(503, "region-unknown", f"the address of {upstream.name} names no AWS region to sign for")
    own_key = upstream.auth == "sigv4" or not (beside and terms.pass_through)
    if own_key and upstream.secret is None and upstream.auth not in {"none", "sigv4"}:
        return Refused(503, "upstream-without-key", f"the gateway has no key of its own for {upstream.name}")
    return Who(key, key.key_id, own_key=own_key)


def refused_now(found: Who | Refused, now: float) -> Refused | None:
    """Why a caller's call does not go on at an instant.

    Args:
        found: The caller.
        now: In seconds of the epoch.
    """
    if isinstance(found, Refused):
        return found
    why = found.key.refused(now) if found.key is not None else ""
    return Refused(401, "key-refused", why) if why else None


def missing_tags(tags: Tags, terms: Terms, key: Key | None) -> tuple[str, ...]:
    """The tags that a call should carry and does not."""
    required = (*terms.requires, *(key.requires if key else ()))
    return tuple(name for name in dict.fromkeys(required) if name not in tags.values)


def refused_for(missing: tuple[str, ...], terms: Terms, key: Key | None) -> Refused | None:
    """Whether a call is refused for want of tags; else it is only noted."""
    if not missing or not (terms.rejects or (key is not None and key.rejects)):
        return None
    listed = " and ".join(f"`{name}`" for name in missing)
    how = f"x-apportion-{missing[0].replace('_', '-')}: ..."
    return Refused(400, "tags-needed", f"the call carries no tag {listed}; send it, as `{how}`")
