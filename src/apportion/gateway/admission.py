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


class Found(NamedTuple):
    """What a head says of its caller.

    Attributes:
        who: The caller, or why it may not call.
        key: That it brings, also where it may not call with it.
    """

    who: Who | Refused
    key: Key | None = None

    def refused(self, now: float) -> Refused | None:
        """Why a call does not go on.

        Args:
            now: In seconds of the epoch.
        """
        # What has become of a key goes before what it may be used for.
        why = self.key.refused(now) if self.key is not None else ""
        if why:
            return Refused(401, "key-refused", why)
        return self.who if isinstance(self.who, Refused) else None


def find(head: Head, upstream: Upstream, terms: Terms, table: KeyTable) -> Found:
    """Who calls; whether the key is of use at an instant is for what is found to say.

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
        key = table.find(secret)
        return Found(_of_this_gateway(key, upstream, terms, beside=beside), key)
    return Found(_of_others(secret, upstream, terms))


def _of_others(secret: str, upstream: Upstream, terms: Terms) -> Who | Refused:
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
