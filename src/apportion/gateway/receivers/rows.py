"""`POST /v1/usage`: one row a call, in the columns of a usage file; each row is taken or refused by itself."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from apportion.focus import TABLES
from apportion.gateway.receivers.posted import Fault, Tally, UnreadableError, refusal, rows_of
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.records import OUTCOMES
from apportion.gateway.tags import Tags

_USAGE: Final = {column.name: column for column in TABLES["usage"].columns}
_NAMES: Final = {alias: name for name, column in _USAGE.items() for alias in (name, *column.aliases)}
# A usage file says by its settings whether cached tokens are in these; a row has nothing that says it.
_UNCLEAR: Final = {
    "input_tokens": "write `uncached_input_tokens`, and `cache_read_tokens` and the `cache_write_…_tokens` beside it",
    "cache_write_tokens": "write `cache_write_5m_tokens`, `cache_write_1h_tokens` or `cache_write_other_tokens`",
}
# What the usage log says beside the columns of a usage file, and its sender can know.
_OWN: Final = (
    "state",
    "why",
    "upstream",
    "outcome",
    "status",
    "milliseconds",
    "first_byte_ms",
    "fees",
    "cost_reported",
)
# What the gateway says itself; a line of its log cannot be sent again as a row of somebody else's.
_GIVEN: Final = frozenset({"record_id", "via", "part", "parts", "crc", "sent_by", "flags", "tags_dropped", "usage"})
_STATES: Final = ("measured", "estimated", "missing")
COLUMNS: Final = tuple(name for name in (*_USAGE, *_OWN) if name not in _UNCLEAR)
_COUNTS: Final = tuple(name for name, column in _USAGE.items() if column.kind == "integer")
# What people and models say stands under these names; it is never kept, and a sender should know.
_TEXTS: Final = frozenset(
    {"messages", "prompt", "prompts", "input", "content", "completion", "completions", "response", "request", "choices",
     "text", "instructions", "system", "contents", "candidates", "input_messages", "output_messages", "inputs",
     "outputs", "answer", "question", "query", "body", "request_body", "response_body", "system_prompt",
     "system_instruction", "tool_calls", "gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages",
     "gen_ai.output.messages", "gen_ai.system_instructions", "input.value", "output.value"}
)  # fmt: skip
# So many unknown columns of a row are told; the rest of them is counted.
_MOST_UNKNOWN: Final = 10
_LONGEST_NAME: Final = 64
_MOST_FEES: Final = 32
_FEE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,15}([.]\d{1,18})?", re.ASCII)
_LOWEST_STATUS, _HIGHEST_STATUS = 100, 599
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
        again: What tells the same body from another that says the same; empty where its sender does not say.
        now: When it came.
        alike: How often each row was there, by what it says.
    """

    key_id: str
    tags: Mapping[str, str]
    again: str
    now: datetime
    alike: Counter[bytes]


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
    now = datetime.fromtimestamp(received.received_at, UTC)
    sender = _Sender(received.key_id, received.tags, again, now, Counter())
    tally = Tally()
    for number, found in rows:
        if isinstance(found, Fault):
            tally.reject(number, found)
            continue
        # To look for the name that was meant takes longer than all the rest.
        made = _record(found, sender, near=not tally.full)
        if isinstance(made, dict):
            tally.accept((made,))
        else:
            tally.reject(number, *made)
    return tally.answered()


def _record(row: Mapping[str, Any], sender: _Sender, *, near: bool) -> dict[str, Any] | list[Fault]:
    """The record of a row, or everything that is wrong with it."""
    said: dict[str, Any] = {}
    faults: list[Fault] = []
    unknown = [written for written in row if written not in _NAMES and written not in _OWN]
    faults += [_unknown(written, near=near) for written in unknown[:_MOST_UNKNOWN]]
    if len(unknown) > _MOST_UNKNOWN:
        faults.append(Fault(None, f"{len(unknown) - _MOST_UNKNOWN} further columns are not known", "leave them out"))
    for written, value in row.items():
        name = _NAMES.get(written, written)
        if name in _UNCLEAR:
            faults.append(Fault(written, "it does not say whether cached tokens are among them", _UNCLEAR[name]))
        elif name in said:
            faults.append(Fault(written, f"the row says `{name}` twice", "leave one of them out"))
        elif value is not None and (written in _NAMES or written in _OWN):
            try:
                said[name] = _reader(name)(value, sender.now)
            except _Refused as refused:
                reason, cure = refused.args
                faults.append(Fault(written, reason, cure))
    faults += _lacking(said, {_NAMES.get(fault.column or "") for fault in faults})
    if not faults and said.get("state") != "missing" and not any(name in said for name in (*_COUNTS, "fees")):
        faults.append(Fault(None, "the row counts nothing", "give its tokens, `requests` or `fees`"))
    return faults or _made(said, row, sender)


def _lacking(said: Mapping[str, Any], wrong: Collection[str | None]) -> list[Fault]:
    """The columns that every row has to have and this one has not; those that are wrong are told already."""
    needed = {"provider": "write who answered, such as `openai`", "called_at": "write when, in UTC"}
    return [
        Fault(name, f"the row has no `{name}`", cure)
        for name, cure in needed.items()
        if name not in said and name not in wrong
    ]


def _identity(row: Mapping[str, Any], sender: _Sender) -> str:
    """The name of a row's record, which is the same when the row is sent again and for no other row.

    It is made of who sends it, of the key of its body and of what it says; where rows of a body say the same, also of
    which of them it is: two calls may be alike, and both count.
    """
    told = orjson.dumps([sender.key_id, sender.again, row], option=orjson.OPT_SORT_KEYS)
    made = hashlib.blake2b(told, digest_size=16)
    alike = made.digest()
    sender.alike[alike] += 1
    made.update(b"#%d" % sender.alike[alike])
    return f"row_{made.hexdigest()}"


def _made(said: dict[str, Any], row: Mapping[str, Any], sender: _Sender) -> dict[str, Any]:
    record_id = _identity(row, sender)
    tags = Tags(dict(sender.tags))
    tags.add_all(said.pop("tags", None))
    record: dict[str, Any] = {
        "record_id": record_id,
        "via": "rows",
        "state": "measured",
        "outcome": "ok",
        "call_id": record_id,
        "part": 1,
        "parts": 1,
        "requests": 1,
        **said,
        "tags": tags.values,
        "sent_by": sender.key_id,
    }
    if tags.dropped:
        record["tags_dropped"] = tags.dropped
    if record.get("reasoning_tokens", 0) > record.get("output_tokens", 0):
        record["flags"] = ["more reasoning than output"]
    return record


def _unknown(written: str, *, near: bool) -> Fault:
    shown = written[:_LONGEST_NAME]
    if written.lower() in _TEXTS:
        return Fault(shown, "it carries what people or models say, and none of that is kept", "leave it out")
    if written in _GIVEN:
        return Fault(shown, "the gateway says it itself", "leave it out")
    meant = _nearest(written) if near and len(written) <= _LONGEST_NAME else None
    cure = f"did you mean `{meant}`?" if meant else "leave it out, or make it one of the `tags`"
    return Fault(shown, "no column of usage is called so", cure)


@lru_cache(maxsize=1024)
def _nearest(written: str) -> str | None:
    found = difflib.get_close_matches(written, [*_NAMES, *_OWN], n=1)
    return found[0] if found else None


def _reader(name: str) -> Callable[[Any, datetime], Any]:
    """How the value of a column is read."""
    return _READERS.get(name) or (_count if name in _COUNTS else _text)


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


def _outcome(value: Any, _: datetime) -> str:
    if value not in OUTCOMES:
        raise _Refused("it is none of the outcomes", f"write {', '.join(f'`{each}`' for each in OUTCOMES)}")
    return str(value)


def _processing(value: Any, _: datetime) -> str:
    if value != "batch":
        raise _Refused("it is no kind of processing", "write `batch`, or leave it out")
    return "batch"


def _status(value: Any, now: datetime) -> int:
    found = _count(value, now)
    if not _LOWEST_STATUS <= found <= _HIGHEST_STATUS:
        raise _Refused(f"{found} is no status of HTTP", "write 200, or leave it out")
    return found


def _fees(value: Any, now: datetime) -> dict[str, int]:
    cure = 'write {"web_searches": 2}'
    if not isinstance(value, dict) or len(value) > _MOST_FEES:
        raise _Refused(f"it is {_kind(value)} and no object of at most {_MOST_FEES} counts", cure)
    for name in value:
        if not _FEE.fullmatch(name):
            raise _Refused("a name in it is none", cure)
    return {name: _count(number, now) for name, number in value.items()}


def _amount(value: Any, _: datetime) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    said = orjson.dumps(value).decode() if number else value
    if not isinstance(said, str) or not _DECIMAL.fullmatch(said):
        raise _Refused("it is no amount", 'write it as "0.0123", without a sign, a currency or an exponent')
    return said


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


_READERS: Final[Mapping[str, Callable[[Any, datetime], Any]]] = {
    "called_at": _instant,
    "tags": _tags,
    "state": _state,
    "outcome": _outcome,
    "processing": _processing,
    "status": _status,
    "milliseconds": _count,
    "first_byte_ms": _count,
    "fees": _fees,
    "cost_reported": _amount,
}
