"""Keys of the gateway: who calls, told from what a caller sends, and what of a call's owner the caller cannot change.

A table of keys is made by the control plane and never changes; a worker holds one and is handed the next. A key's
secret is shown once, to whoever makes it; the table has its SHA-256. A caller who brings a provider's own key instead
is known by the start of that key's hash.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PREFIX: Final = "apk-"
OWN_HEADER: Final = b"x-apportion-key"
_PLACES: Final = (OWN_HEADER, b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
_FINGERPRINT: Final = 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        key_id: Public; it stands in the usage log.
        name: For people.
        tags: Of every call with it; a caller's tag of the same key is not taken.
        upstreams: That it may call; empty for all.
        requires: Tags that every call with it must carry.
        rejects: Whether a call without them is refused, and not only noted.
        expires_at: In seconds of the epoch; None for never.
        revoked: Whether it is of no use any more.
    """

    key_id: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    upstreams: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    rejects: bool = False
    expires_at: float | None = None
    revoked: bool = False

    def refused(self, now: float) -> str:
        """Why it is of no use; empty if it is of some."""
        if self.revoked:
            return "the key was revoked"
        return "the key has expired" if self.expires_at is not None and now >= self.expires_at else ""


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Every key, by the hash of its secret."""

    keys: Mapping[bytes, Key] = field(default_factory=dict)

    def find(self, secret: str) -> Key | None:
        """The key of a secret."""
        return self.keys.get(digest(secret))


def new_secret() -> str:
    """A secret that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def fingerprint(secret: str) -> str:
    """A public id of a provider's own key: the start of its hash, from which nobody can tell the key."""
    return f"fp_{hashlib.sha256(secret.encode('utf-8', 'surrogateescape')).hexdigest()[:_FINGERPRINT]}"


def secret_of(header: Mapping[bytes, bytes], query: bytes, *, but: bytes = b"") -> tuple[str, bytes] | None:
    """What a request brings for a key, and the header or parameter that it stands in.

    `x-apportion-key` goes before the places in which the providers' own clients put theirs.

    Args:
        header: By names in lower case.
        query: Of the target.
        but: A header that is not looked into.
    """
    for name in _PLACES:
        value = header.get(name)
        if not value or name == but:
            continue
        said = value.decode("latin-1").strip()
        if name == b"authorization":
            kind, _, rest = said.partition(" ")
            said = _basic(rest) if kind.lower() == "basic" else rest.strip() if kind.lower() == "bearer" else ""
        if said:
            return said, name
    for part in query.removeprefix(b"?").split(b"&"):
        if part.startswith(b"key=") and len(part) > len(b"key="):
            return part[4:].decode("latin-1"), b"key="
    return None


def _basic(text: str) -> str:
    """The password of basic authentication, or its user where there is no password."""
    try:
        user, _, password = base64.b64decode(text, validate=True).decode("latin-1").partition(":")
    except ValueError:
        return ""
    return password or user


def to_rows(table: KeyTable) -> list[dict[str, Any]]:
    """A table as the control plane hands it over; no secret is in it."""
    return [
        {
            "sha256": hashed.hex(), "key_id": key.key_id, "name": key.name, "tags": dict(key.tags),
            "upstreams": sorted(key.upstreams), "requires": list(key.requires), "rejects": key.rejects,
            "expires_at": key.expires_at, "revoked": key.revoked,
        }
        for hashed, key in table.keys.items()
    ]  # fmt: skip


def from_rows(rows: Iterable[Mapping[str, Any]]) -> KeyTable:
    """A table from what `to_rows` made."""
    return KeyTable(
        {
            bytes.fromhex(row["sha256"]): Key(
                row["key_id"], row["name"], row["tags"], frozenset(row["upstreams"]), tuple(row["requires"]),
                row["rejects"], row["expires_at"], row["revoked"],
            )
            for row in rows
        }
    )  # fmt: skip
