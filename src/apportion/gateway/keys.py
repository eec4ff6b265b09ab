"""Keys of the gateway: who calls, told from what a caller sends, and what of a call's owner the caller cannot change.

A table of keys is made by the control plane and never changes; a worker holds one and is handed the next. A key's
secret is shown once, to whoever makes it; the table has its SHA-256. A caller who brings a provider's own key instead
is known by the start of that key's hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "apk-"
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


def secret_of(header: Mapping[bytes, bytes], query: bytes) -> tuple[str, bytes] | None:
    """What a request brings for a key, and the header or parameter that it stands in.

    `x-apportion-key` goes before the places in which the providers' own clients put theirs.

    Args:
        header: By names in lower case.
        query: Of the target.
    """
    for name in (b"x-apportion-key", b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"):
        value = header.get(name)
        if not value:
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


def to_snapshot(keys: Iterable[tuple[bytes, Key]]) -> bytes:
    """A table as the control plane hands it over; no secret is in it."""
    rows = [
        {
            "sha256": hashed.hex(), "key_id": key.key_id, "name": key.name, "tags": dict(key.tags),
            "upstreams": sorted(key.upstreams), "requires": list(key.requires), "rejects": key.rejects,
            "expires_at": key.expires_at, "revoked": key.revoked,
        }
        for hashed, key in keys
    ]  # fmt: skip
    return json.dumps({"keys": rows}, ensure_ascii=False, indent=1).encode()


def from_snapshot(content: bytes) -> KeyTable:
    """A table from what `to_snapshot` made.

    Raises:
        ValueError: It is none.
    """
    found: Any = json.loads(content)
    keys: dict[bytes, Key] = {}
    try:
        for row in found["keys"]:
            keys[bytes.fromhex(row["sha256"])] = Key(
                row["key_id"],
                row["name"],
                {str(key): str(value) for key, value in row["tags"].items()},
                frozenset(row["upstreams"]),
                tuple(row["requires"]),
                bool(row["rejects"]),
                row["expires_at"],
                bool(row["revoked"]),
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no table of keys: {error}") from error
    return KeyTable(keys)


def load(path: Path) -> KeyTable:
    """The table in a file; an empty one where there is no file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no table.
    """
    try:
        return from_snapshot(path.read_bytes())
    except FileNotFoundError:
        return KeyTable()
