"""Keys of the gateway: what was made, changed, renewed and revoked. It is only ever added to; no secret is in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import sqlalchemy as sa

from apportion.books.schema import key_changes
from apportion.errors import ApportionError

KeyChangeKind = Literal["create", "change", "rotate", "revoke"]


@dataclass(frozen=True)
class KeySays:
    """What a key says of the calls that are made with it, and may.

    Attributes:
        name: For people; no two keys that are of use share one.
        tags: Of every call with it; a caller cannot say otherwise.
        providers: That it may call; empty for all.
        requires: Tags that every call with it must carry.
        rejects: Whether a call without them is refused, and not only noted.
        expires_at: ISO 8601, UTC; None for never.
    """

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    rejects: bool = False
    expires_at: str | None = None

    def to_json(self) -> str:
        """As the books keep it."""
        said = vars(self) | {"tags": dict(sorted(self.tags.items()))}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> KeySays:
        """What `to_json` made."""
        said: dict[str, Any] = json.loads(text)
        lists = {name: tuple(said[name]) for name in ("providers", "requires")}
        return cls(**said | lists)


@dataclass(frozen=True)
class KeyChange:
    """One thing that a person did to a key.

    Attributes:
        kind: What.
        key_id: To which; public.
        says: What it says from then on.
        secret_sha256: Of a new secret, in hex; None where there is none.
        others_until: Until when earlier secrets are of use beside a new one; ISO 8601, UTC.
        person: Who.
        changed_at: When; ISO 8601, UTC.
        note: Why, in the person's words.
        number: Its place among all changes; 0 before it is in the books.
    """

    kind: KeyChangeKind
    key_id: str
    says: KeySays
    person: str
    changed_at: str
    secret_sha256: str | None = None
    others_until: str | None = None
    note: str = ""
    number: int = 0


@dataclass(frozen=True)
class StandingKey:
    """A key as it stands.

    Attributes:
        key_id: Public.
        says: See `KeySays`.
        secrets: The hash of each, and until when it is of use; None for as long as the key is.
        created_at: ISO 8601, UTC.
        created_by: Who.
        renewed_at: When it last had a new secret.
        revoked_at: None while it is of use.
        revoked_by: Who took it back.
    """

    key_id: str
    says: KeySays
    secrets: Mapping[str, str | None]
    created_at: str
    created_by: str
    renewed_at: str | None = None
    revoked_at: str | None = None
    revoked_by: str | None = None

    def state(self, now: str) -> Literal["active", "expired", "revoked"]:
        """Whether it is of use.

        Args:
            now: ISO 8601, UTC.
        """
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.says.expires_at is not None and self.says.expires_at <= now else "active"


def standing(changes: Iterable[KeyChange]) -> dict[str, StandingKey]:
    """Every key that there ever was, by its id, in the order in which they were made.

    Args:
        changes: In their order.
    """
    found: dict[str, StandingKey] = {}
    for change in changes:
        before = found.get(change.key_id)
        if before is None:
            secrets: dict[str, str | None] = {str(change.secret_sha256): None}
            found[change.key_id] = StandingKey(change.key_id, change.says, secrets, change.changed_at, change.person)
        elif change.kind == "revoke":
            found[change.key_id] = replace(before, revoked_at=change.changed_at, revoked_by=change.person)
        elif change.kind == "rotate":
            until = change.others_until or change.changed_at
            kept = {hashed: min(end or until, until) for hashed, end in before.secrets.items()}
            found[change.key_id] = replace(
                before, secrets={**kept, str(change.secret_sha256): None}, renewed_at=change.changed_at
            )
        else:
            found[change.key_id] = replace(before, says=change.says)
    return found


def read(connection: sa.Connection) -> list[KeyChange]:
    """Every change, in their order."""
    return [_change(row) for row in connection.execute(sa.select(key_changes).order_by(key_changes.c.number))]


def latest(connection: sa.Connection) -> int:
    """The number of the latest change; 0 where there is none."""
    return int(connection.execute(sa.select(sa.func.max(key_changes.c.number))).scalar() or 0)


def write(connection: sa.Connection, change: KeyChange) -> KeyChange:
    """Add a change, inside the caller's transaction.

    Args:
        connection: In a writing transaction.
        change: Without a number.

    Returns:
        The same with its number.

    Raises:
        ApportionError: The key is not there, is revoked, or its name is another key's.
    """
    every = read(connection)
    _check(standing(every), change)
    numbered = replace(change, number=every[-1].number + 1 if every else 1)
    connection.execute(key_changes.insert(), vars(numbered) | {"says": numbered.says.to_json()})
    return numbered


def known(keys: Mapping[str, StandingKey], name: str) -> StandingKey:
    """A key by its id or its name; of several that had the name, the one that is of use, else the last.

    Args:
        keys: By id.
        name: As a person wrote it.

    Raises:
        ApportionError: There is none.
    """
    found = keys.get(name) or _named(keys, name)
    if found is None:
        there = ", ".join(key.says.name for key in keys.values() if key.revoked_at is None) or "none"
        raise ApportionError("no-such-key", f"There is no key {name}; there is {there}.", cure="apportion key list")
    return found


def _named(keys: Mapping[str, StandingKey], name: str) -> StandingKey | None:
    named = [key for key in keys.values() if key.says.name == name]
    in_use = [key for key in named if key.revoked_at is None]
    found = in_use or named
    return found[-1] if found else None


def _check(keys: Mapping[str, StandingKey], change: KeyChange) -> None:
    if change.kind != "create":
        before = known(keys, change.key_id)
        if before.revoked_at is not None:
            said = f"The key {before.says.name} was revoked by {before.revoked_by} on {before.revoked_at[:10]}"
            cure = f"apportion key create {before.says.name}"
            raise ApportionError("key-revoked", f"{said}, and stays so.", cure=cure)
    other = _named(keys, change.says.name)
    if other is not None and other.key_id != change.key_id and other.revoked_at is None:
        message = f"There is a key {change.says.name} already, {other.key_id}, made by {other.created_by}."
        cure = f"Choose another name, or renew its secret: apportion key rotate {change.says.name}"
        raise ApportionError("key-name-taken", message, cure=cure)


def _change(row: sa.Row[Any]) -> KeyChange:
    kind: KeyChangeKind = next(kind for kind in get_args(KeyChangeKind) if kind == row.kind)
    return KeyChange(
        kind,
        row.key_id,
        KeySays.from_json(row.says),
        row.person,
        row.changed_at,
        row.secret_sha256,
        row.others_until,
        row.note,
        row.number,
    )
