"""What the gateway tells of itself on stderr: one line for each thing that happens, as text or as JSON.

What is told has a name that does not change, such as `worker-end`, and never a secret, a text of a prompt or an answer,
the value of a header or of a query: only what the settings, the gateway itself or the system say.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

Form = Literal["text", "json"]

_LOG: Final = logging.getLogger("apportion.gateway")
SECONDS: Final = 60.0
_LONGEST: Final = 2000
_MOST_FRAMES: Final = 12
_OF_A_CALL: Final = (
    "record_id", "upstream", "operation", "outcome", "status", "state", "milliseconds", "first_byte_ms", "api_key_id",
)  # fmt: skip
# What would make of one line several, or move a terminal's cursor.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0x2028: " ", 0x2029: " "}


def set_up(form: Form, process: str) -> None:
    """Tell everything from now on in one form.

    Args:
        form: Which.
        process: Who tells it: `gateway` for the supervisor, or `worker`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process) if form == "json" else _Text(process))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    # What libraries think worth a word in passing is not told: it may quote what it works on.
    root.setLevel(logging.WARNING)
    _LOG.setLevel(logging.INFO)
    # A pipe that nobody reads any more is no reason to fail, nor one to say so in the same pipe.
    logging.raiseExceptions = False


def tell(event: str, message: str, *, level: int = logging.INFO, block: str = "", **fields: Any) -> None:
    """Tell that something has happened.

    Args:
        event: Its name.
        message: A sentence.
        level: How bad it is.
        block: Lines that explain it.
        fields: Facts; numbers and short texts.
    """
    _LOG.log(level, message, extra={"event": event, "block": block, "fields": fields})


def tell_call(records: Sequence[Mapping[str, Any]]) -> None:
    """Tell of a call that has ended: what tells it from others in the usage log, and how it went.

    Args:
        records: Of it.
    """
    first = records[0]
    said = {name: first.get(name) for name in _OF_A_CALL}
    message = f"{first.get('upstream')} {first['operation']} {first['outcome']} {first.get('status', 'no status')}"
    tell("call", message, **{name: value for name, value in said.items() if value is not None})


def fault(what: str, error: BaseException) -> None:
    """Tell of a fault of the program: what kind and where, and not what it says, which may quote what it worked on."""
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    places = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]  # noqa: PTH119
    kind = type(error).__name__
    where = places[-1] if places else "nowhere"
    tell("fault", f"{what}: {kind} at {where}", level=logging.ERROR, error=kind, places=places)


@dataclass(slots=True)
class _Held:
    """Something that was told a moment ago.

    Attributes:
        since: When it was told.
        message: What would have been told last.
        fields: Its facts.
        level: How bad it is.
        times: How often it has happened since.
    """

    since: float
    message: str
    fields: Mapping[str, Any]
    level: int
    times: int = 0


@dataclass
class Seldom:
    """Tells what happens often: the first time at once, then once a minute how often it did.

    Attributes:
        clock: In seconds.
        seconds: How long what was told is not told again.
    """

    clock: Callable[[], float] = time.monotonic
    seconds: float = SECONDS
    _held: dict[tuple[str, str], _Held] = field(default_factory=dict)

    def tell(self, event: str, about: str, message: str, *, level: int = logging.WARNING, **fields: Any) -> None:
        """Tell it now, or count it.

        Args:
            event: Its name.
            about: What tells it from others of the same name; of few values.
            message: A sentence.
            level: How bad it is.
            fields: Facts.
        """
        held = self._held.get((event, about))
        if held is None:
            self._held[event, about] = _Held(self.clock(), message, fields, level)
            tell(event, message, level=level, **fields)
            return
        held.times += 1
        held.message, held.fields, held.level = message, fields, level

    def look(self) -> None:
        """Tell what was counted and is due; to be called now and then."""
        now = self.clock()
        for key, held in list(self._held.items()):
            if now - held.since < self.seconds:
                continue
            if not held.times:
                del self._held[key]
                continue
            self._say(key[0], held, now)
            held.since, held.times = now, 0

    def close(self) -> None:
        """Tell everything that was counted."""
        for key, held in self._held.items():
            if held.times:
                self._say(key[0], held, self.clock())
        self._held.clear()

    def _say(self, event: str, held: _Held, now: float) -> None:
        message = f"{held.message} ({held.times:,} times more in {round(now - held.since)} s)"
        tell(event, message, level=held.level, **held.fields, times=held.times)


class _Text(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """A line, and the lines that explain it."""
        at = _instant(record)
        line = f"{at} {record.levelname.lower():<7} {self._process} {record.process}: {_message(record)}"
        if block := getattr(record, "block", ""):
            line += "\n" + "\n".join(part.translate(_CONTROLS) for part in block.split("\n"))
        return line


class _Json(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        said = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "note" if record.name == _LOG.name else "library"),
            "message": _message(record),
            "process": self._process,
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        if block := getattr(record, "block", ""):
            said["explained"] = block
        return orjson.dumps(said, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    """The sentence; of an exception that a library tells with it the kind, and not what it says."""
    try:
        said = record.getMessage()
    except (TypeError, ValueError):
        said = str(record.msg)
    if record.exc_info and record.exc_info[0] is not None:
        said += f": {record.exc_info[0].__name__}"
    return said.translate(_CONTROLS)[:_LONGEST]
