"""`POST /v1/usage`: one row a call, in the columns of a usage file; each row is taken or refused by itself."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from apportion.focus import TABLES
from apportion.gateway.receivers.posted import Fault, Tally, UnreadableError, refusal, rows_of
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.tags import Tags

_USAGE: Final = {column.name: column for column in TABLES["usage"].columns}
_NAMES: Final = {alias: name for name, column in _USAGE.items() for alias in (name, *column.aliases)}
# A usage file says by its settings whether cached tokens are in these; a row has nothing that says it.
_UNCLEAR: Final = {
    "input_tokens": "write `uncached_input_tokens`, and `cache_read_tokens` and the `cache_write_…_tokens` beside it",
    "cache_write_tokens": "write `cache_write_5m_tokens`, `cache_write_1h_tokens` or `cache_write_other_tokens`",
}
_OWN: Final = ("state", "why", "upstream")
_STATES: Final = ("measured", "estimated", "missing")
# What people and models say stands under these names; it is never kept, and a sender should know.
_TEXTS: Final = frozenset(
    {"messages", "prompt", "prompts", "input", "content", "completion", "completions", "response", "request", "choices",
     "text", "instructions", "system", "contents", "candidates", "input_messages", "output_messages"}
)  # fmt: skip
_MOST_TOKENS: Final = 10**12
_LONGEST_TEXT: Final = 256
_LONGEST_KEY: Final = 255
_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC)
_AHEAD: Final = timedelta(days=1)
_MOST_SECONDS: Final = 10**11


class _Refused(Exception):  # noqa: N818 - a value is refused; nothing went wrong
    """Why a value cannot be taken, and what to do."""


class _Sender(NamedTuple):
    """What all rows of a body share.

    Attributes:
        key_id: Of the gateway's key.
        tags: Of that key.
        again: What makes the same body known again; empty where its sender does not say.
        now: When it came.
    """

    key_id: str
    tags: Mapping[str, str]
    again: str
    now: datetime


def receive(received: Received) -> Answered:
    """Take the rows of a body."""
    again = received.headers.get("idempotency-key", "").strip()
    if len(again) > _LONGEST_KEY:
        message = f"`Idempotency-Key` is longer than {_LONGEST_KEY} characters"
        return refusal(UnreadableError(400, "idempotency-key-too-long", message))
    try:
        rows = rows_of(received)
    except UnreadableError as error:
        return refusal(error)
    sender = _Sender(received.key_id, received.tags, again, datetime.fromtimestamp(received.received_at, UTC))
    tally = Tally()
    for number, found in rows:
        if isinstance(found, Fault):
            tally.reject(number, found)
            continue
        made = _record(found, number, sender)
        if isinstance(made, dict):
            tally.accept((made,))
        else:
            tally.reject(number, *made)
    return tally.answered()


def _record(row: Mapping[str, Any], number: int, sender: _Sender) -> dict[str, Any] | list[Fault]:
    """The record of a row, or everything that is wrong with it."""
    said: dict[str, Any] = {}
    faults: list[Fault] = []
    for written, value in row.items():
        name = written if written in _OWN else _NAMES.get(written)
        if name is None:
            faults.append(_unknown(written))
        elif name in _UNCLEAR:
            faults.append(Fault(written, "it does not say whether cached tokens are among them", _UNCLEAR[name]))
        elif name in said:
            faults.append(Fault(written, f"the row says `{name}` twice", "leave one of them out"))
        elif value is not None:
            try:
                said[name] = _reader(name)(value, sender.now)
            except _Refused as refused:
                reason, cure = refused.args
                faults.append(Fault(written, reason, cure))
    for name, cure in (("provider", "write who answered, such as `openai`"), ("called_at", "write when, in UTC")):
        if name not in said and not any(_NAMES.get(fault.column or "") == name for fault in faults):
            faults.append(Fault(name, f"the row has no `{name}`", cure))
    return faults or _made(said, row, number, sender)


def _made(said: dict[str, Any], row: Mapping[str, Any], number: int, sender: _Sender) -> dict[str, Any]:
    identity = [sender.key_id, sender.again, number] if sender.again else [sender.key_id, dict(row)]
    hashed = hashlib.blake2b(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    tags = Tags(dict(sender.tags))
    tags.add_all(said.pop("tags", None))
    record: dict[str, Any] = {
        "record_id": f"row_{hashed}",
        "via": "rows",
        "state": "measured",
        "outcome": "ok",
        "call_id": f"row_{hashed}",
        "part": 1,
        "parts": 1,
        "requests": 1,
        **said,
        "tags": tags.values,
        "sent_by": sender.key_id,
    }
    if tags.dropped:
        record["tags_dropped"] = tags.dropped
    return record


def _unknown(written: str) -> Fault:
    shown = written[:64]
    if written.lower() in _TEXTS:
        return Fault(shown, "it carries what people or models say, and none of that is kept", "leave it out")
    near = difflib.get_close_matches(written, [*_NAMES, *_OWN], n=1)
    cure = f"did you mean `{near[0]}`?" if near else "leave it out, or make it one of the `tags`"
    return Fault(shown, "no column of usage is called so", cure)


def _reader(name: str) -> Callable[[Any, datetime], Any]:
    """How the value of a column is read."""
    if name == "called_at":
        return _instant
    if name == "tags":
        return _tags
    if name == "state":
        return _state
    return _count if name in _USAGE and _USAGE[name].kind == "integer" else _text


def _count(value: Any, _: datetime) -> int:
    whole = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, float) and value.is_integer():
        whole = int(value)
    if whole is None:
        raise _Refused(f"it is {_kind(value)} and no whole number", "write a whole number")
    if not 0 <= whole <= _MOST_TOKENS:
        raise _Refused(f"{whole} is {'below 0' if whole < 0 else 'more than any call has'}", "write what was counted")
    return whole


def _text(value: Any, _: datetime) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _Refused(f"it is {_kind(value)} and no text", "write a text")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise _Refused(f"it is longer than {_LONGEST_TEXT} characters, or not printable", "write a name or an id")
    return value


def _state(value: Any, _: datetime) -> str:
    if value not in _STATES:
        raise _Refused("it is none of the three states", f"write {', '.join(f'`{each}`' for each in _STATES)}")
    return str(value)


def _tags(value: Any, _: datetime) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Refused(f"it is {_kind(value)} and no object", 'write {"team": "search"}')
    return value


def _instant(value: Any, now: datetime) -> str:
    cure = "write it as 2026-11-27T14:31:00Z, or in seconds since 1970"
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST_SECONDS:
            found = datetime.fromtimestamp(value, UTC)
        else:
            raise _Refused(f"{_kind(value)} is no instant", cure)
    except (ValueError, OverflowError, OSError):
        raise _Refused("it is no instant that can be read", cure) from None
    instant = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if not _EARLIEST <= instant <= now + _AHEAD:
        raise _Refused(f"{instant:%Y-%m-%d} is {'in the future' if instant > now else 'before any such call'}", cure)
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _kind(value: Any) -> str:
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), "nothing")
