"""What the gateway counts for whoever watches it: its families of metrics, and how a worker counts.

No label has values that a caller can make up: upstreams and keys are those of the settings, everything else is of a
short list of our own. Models, tags and users are in the usage log.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from apportion.gateway.tallies import WITHOUT_ROOM, Tally

Kind = Literal["counter", "gauge", "histogram"]


class Family(NamedTuple):
    """Metrics of one name.

    Attributes:
        kind: As Prometheus has it.
        tells: For people.
        labels: Their names.
        unit: Of OpenMetrics; empty for a number.
        scale: What one of what is counted is, of the unit.
    """

    kind: Kind
    tells: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    scale: float = 1.0


PREFIX: Final = "apportion_gateway_"
# Milliseconds; the last bucket has no end. A short answer comes within one second, a long stream may take minutes.
BOUNDS: Final = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000)
# A bucket for each bound, one beyond them, and the sum.
HISTOGRAM_VALUES: Final = len(BOUNDS) + 2
BEAT_SECONDS: Final = 10.0

# By what stands behind the prefix.
FAMILIES: Final[Mapping[str, Family]] = {
    "calls": Family(
        "counter", "Attempts to make a call that have ended; each has one record.",
        ("upstream", "operation", "outcome", "status"),
    ),
    "records": Family("counter", "Records of attempts, by how sure their usage is.", ("state",)),
    "tokens": Family(
        "counter", "Tokens that were metered; the buckets of a call are disjoint.", ("upstream", "bucket"),
    ),
    "refused": Family("counter", "Requests that were answered without a provider.", ("code",)),
    "received": Family("counter", "Usage that others measured and sent.", ("receiver", "result")),
    "call_duration": Family(
        "histogram", "From the head of a request to the end of its answer.", ("upstream",), "seconds", 0.001
    ),
    "first_byte": Family(
        "histogram", "From the head of a request to the first byte of its answer.", ("upstream",), "seconds", 0.001
    ),
    "upstream_failures": Family("counter", "Connections to an upstream that could not be had.", ("upstream",)),
    "calls_in_flight": Family("gauge", "Calls at work, a second ago at most."),
    "connections": Family("gauge", "Connections of callers, a second ago at most."),
    "log": Family("counter", "Written into the usage log.", unit="bytes"),
    "log_failures": Family("counter", "Records that could not be written when they were due."),
    "log_full": Family("gauge", "Workers that cannot write the usage log."),
    "records_waiting": Family("gauge", "Records in memory until the usage log can be written again."),
    "records_lost": Family("counter", "Records that could not be written and are gone."),
    "segments_sealed": Family("counter", "Segments of the usage log that are complete."),
    "untrusted_headers": Family("counter", "Headers of a trusted proxy's that came from another address."),
    "injections": Family("counter", "Requests whose metadata was to carry tags.", ("upstream", "result")),
    "faults": Family("counter", "Faults of the gateway itself; its log says which."),
    "worker_ends": Family("counter", "Workers that ended and were not told to."),
    "reloads": Family("counter", "Changes of the settings.", ("result",)),
    "workers": Family("gauge", "Workers that run."),
    "workers_ready": Family("gauge", "Workers that take calls."),
    "keys": Family("gauge", "Keys of the gateway that are known, revoked ones among them."),
    "certificate_end_timestamp": Family("gauge", "When the certificate of the listener ends.", unit="seconds"),
    "series_without_room": Family("counter", "Series that are not counted, because there are too many."),
    # What a worker says of itself to its supervisor; not shown as it is.
    "ready": Family("gauge", "Whether the worker takes calls."),
    "beat": Family("gauge", "When the worker was last at leisure.", unit="seconds", scale=0.001),
}  # fmt: skip

_COLUMNS: Final = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "cache_write_other_tokens", "tool_prompt_tokens", "output_tokens",
)  # fmt: skip
# What an upstream claims beyond that is no number of tokens.
_MOST_TOKENS: Final = 1 << 40
_STATUS: Final = 100
# Only there where there is something to say.
_NOT_ALWAYS: Final = frozenset({"certificate_end_timestamp", "workers", "workers_ready", "keys", *WITHOUT_ROOM})


class _Rows(NamedTuple):
    """Where attempts of one kind are counted."""

    calls: int
    duration: int
    first_byte: int
    tokens: tuple[tuple[str, int], ...]


class Metrics:
    """What one worker counts.

    Args:
        tally: Where.
    """

    def __init__(self, tally: Tally | None = None) -> None:
        self._tally = tally or Tally.alone()
        self._words = self._tally.words
        self._rows: dict[tuple[Any, ...], _Rows] = {}
        self._states = {state: self._tally.row(("records", state)) for state in ("measured", "estimated", "missing")}
        for name, family in FAMILIES.items():
            if not family.labels and name not in _NOT_ALWAYS:
                at = self._tally.row((name,))
                # A gauge of the worker that wrote here before is of no use; what it has counted goes on.
                self._words[at] = 0 if family.kind == "gauge" else self._words[at]

    def ended(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Count an attempt.

        Args:
            records: Of it.
        """
        first, words = records[0], self._words
        kind = (first.get("upstream"), first["operation"], first["outcome"], first.get("status"))
        rows = self._rows.get(kind) or self._new(kind)
        words[rows.calls] += 1
        words[self._states[first["state"]]] += 1
        _observe(words, rows.duration, first.get("milliseconds"))
        _observe(words, rows.first_byte, first.get("first_byte_ms"))
        for record in records:
            for column, at in rows.tokens:
                number = record.get(column)
                if number and 0 < number <= _MOST_TOKENS:
                    words[at] += number

    def add(self, family: str, *labels: str, number: int = 1) -> None:
        """Count more of something that is not counted with each call."""
        self._tally.add((family, *labels), number)

    def set(self, family: str, number: int) -> None:
        """Say how much there is now."""
        self._tally.set((family,), number)

    def of(self, family: str, *labels: str) -> int:
        """How much of something this worker has counted."""
        return self._words[self._tally.row((family, *labels))]

    def beat(self, *, ready: bool) -> None:
        """Say that the worker is not stuck, and whether it takes calls."""
        self.set("ready", int(ready))
        self.set("beat", int(time.monotonic() * 1000))

    def _new(self, kind: tuple[Any, ...]) -> _Rows:
        upstream, operation, outcome, status = kind
        name = upstream or ""
        answered = f"{status // _STATUS}xx" if isinstance(status, int) and status >= _STATUS else "none"
        row = self._tally.row
        made = self._rows[kind] = _Rows(
            row(("calls", name, operation, outcome, answered)),
            row(("call_duration", name), HISTOGRAM_VALUES),
            row(("first_byte", name), HISTOGRAM_VALUES),
            tuple((column, row(("tokens", name, column.removesuffix("_tokens")))) for column in _COLUMNS),
        )
        return made


def _observe(words: memoryview[int], at: int, milliseconds: int | None) -> None:
    """Count a duration in its bucket, and in the sum."""
    if milliseconds is not None and milliseconds >= 0:
        words[at + bisect_left(BOUNDS, milliseconds)] += 1
        words[at + HISTOGRAM_VALUES - 1] += milliseconds
