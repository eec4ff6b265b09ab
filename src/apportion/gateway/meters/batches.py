"""Batches: OpenAI's batch object, whose totals stand once it is done, and the lines of results of Anthropic's.

Sources: the batch API references of OpenAI and Anthropic, read 2026-11-27. A batch that is asked for twice is the same
batch, by its id; so OpenAI's file of results is not counted, which would be the same calls under another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.body import MOST_BYTES
from apportion.gateway.meters.format import Asked, Document, Format, Seen, error_of, inner, text
from apportion.gateway.meters.measure import Measure, Part, State
from apportion.gateway.meters.openai import of_usage

# Models and tiers that are told apart in the results of one batch.
_MOST_MODELS: Final = 1000
_UNDONE: Final = frozenset({"validating", "in_progress", "finalizing", "cancelling"})


class Batch(Format):
    """A batch object of OpenAI, whose usage is that of all its calls."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._usage: Any = None

    def event(self, document: Document) -> None:
        """Take the object."""
        self.call_id = text(document.get("id"))
        self.model = text(document.get("model"))
        self.error = error_of(document)
        self._usage = None if text(document.get("status")) in _UNDONE else document.get("usage")

    def told(self) -> Measure | None:
        """What the batch says of its usage."""
        if not isinstance(self._usage, Mapping):
            return None
        found = of_usage(self._usage, self.asked.provider)
        return found if found.state == "missing" or any(part.tokens for part in found.parts) else None


class Results:
    """The results of a batch, a line for each message: their sums by model and tier, however many they are."""

    def __init__(self, asked: Asked, batch_id: str | None) -> None:
        self._asked = asked
        self._batch_id = batch_id
        self._rest = b""
        self._sums: dict[tuple[str, str], Part] = {}
        self._fees: dict[str, int] = {}
        self._flags: dict[str, None] = {}
        self._strange = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        self._strange = self._strange or len(rest) > MOST_BYTES
        self._rest = b"" if len(rest) > MOST_BYTES else rest

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was."""
        if whole:
            self._take(self._rest)
        parts = tuple(part for _, part in sorted(self._sums.items()))
        why = "the results were cut off or hold what cannot be read" if self._strange or not whole else ""
        if not parts:
            return Measure("missing", why or "no result of the batch tells a usage", call_id=self._batch_id)
        state: State = "estimated" if why else "measured"
        return Measure(state, why, parts, self._batch_id, fees=self._fees, flags=tuple(self._flags))

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            self._strange = True
            return
        message = inner(found, "result", "message")
        if not message:
            return
        form = Messages(self._asked)
        form.body(message)
        measured = form.measure(Seen(whole=True))
        self._flags |= dict.fromkeys(measured.flags)
        self._strange = self._strange or measured.state != "measured"
        for name, number in measured.fees.items():
            self._fees[name] = self._fees.get(name, 0) + number
        for part in measured.parts if measured.state == "measured" else ():
            model, tier = part.model or measured.model, part.service_tier or measured.service_tier
            key = (model or "", tier or "")
            if key not in self._sums and len(self._sums) >= _MOST_MODELS:
                # No batch has so many; what is beyond is counted without a name.
                self._strange, key, model, tier = True, ("", ""), None, None
            self._sums[key] = self._sums.get(key, Part(model=model, service_tier=tier)).plus(part)
