"""Messages of Anthropic, first-party, on Vertex and on Bedrock: cumulative deltas, and iterations billed by themselves.

Sources: Anthropic's API reference (messages, streaming, prompt caching) and SDK types; recorded answers, read
2026-11-27. Cached and written tokens stand beside the input, reasoning is among the output. What is billed:

- a delta's totals take the place of the start's; the split of writes by time and the tier stand in the start alone;
- where an iteration is anything but a message, the top-level totals leave it out: each iteration is billed as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import Asked, Document, Format, error_of, flags, inner, objects, raw, text
from apportion.gateway.meters.measure import Measure, Part


class Messages(Format):
    """One message."""

    needles: ClassVar[tuple[bytes, ...]] = (b"message_", b'"error"')

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self.usage: dict[str, Any] = {}
        self._told: list[Document] = []
        self._totals = False

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        self.error = error_of(document) or self.error
        self._message(document)
        self.ended = True

    def event(self, document: Document) -> None:
        """Take one event."""
        match document.get("type"):
            case "message_start":
                self._message(inner(document, "message"))
            case "message_delta":
                self._absorb(document.get("usage"))
                self._totals = self._totals or isinstance(document.get("usage"), Mapping)
            case "message_stop":
                # The start tells the output of one token or so; without a delta its total was never told.
                self.ended = self._totals
            case "error":
                self.error = error_of(document) or "error"

    def told(self) -> Measure | None:
        """What the answer says of its usage."""
        if not self.usage:
            return None
        usage = self.usage
        wrong: list[str] = []
        self.service_tier = text(usage.get("service_tier"))
        self.speed = text(usage.get("speed"))
        region = text(usage.get("inference_geo"))
        self.region = None if region == "not_available" else region
        whole, readable = _part(usage, wrong)
        parts = [whole]
        rounds = objects(usage.get("iterations"))
        if any(each.get("type") != "message" for each in rounds):
            parts = []
            for each in rounds:
                kind = text(each.get("type")) or "unknown"
                made, fine = _part(each, wrong, "" if kind == "message" else kind, text(each.get("model")))
                readable = readable and fine
                parts.append(made)
        elif rounds:
            billed = sum(_part(each, wrong)[0].tokens for each in rounds)
            if billed != whole.tokens:
                wrong.append("the iterations are not the whole")
        tools = Counts(inner(usage, "server_tool_use"))
        fees = {ours: tools.get(theirs) for ours, theirs in _FEES.items() if tools.has(theirs)}
        said = raw(*self._told)
        if not readable:
            return Measure("missing", f"its usage cannot be read: {wrong[0]}", flags=flags(wrong), raw=said)
        return Measure(
            "measured",
            parts=tuple(parts),
            fees={name: number for name, number in fees.items() if number},
            flags=flags(wrong, tools.flags),
            raw=said,
        )

    def _message(self, message: Document) -> None:
        self.call_id = text(message.get("id")) or self.call_id
        self.model = text(message.get("model")) or self.model
        self._absorb(message.get("usage"))

    def _absorb(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            # Of ever more deltas the last one counts.
            del self._told[_MOST_TOLD:]
            self._told.append(usage)
            self.usage |= {key: value for key, value in usage.items() if value is not None}


# How many usage objects of one answer are kept.
_MOST_TOLD = 8
_FEES = {"web_searches": "web_search_requests", "web_fetches": "web_fetch_requests"}


def _part(usage: Document, wrong: list[str], kind: str = "", model: str | None = None) -> tuple[Part, bool]:
    """The buckets of a usage object or an iteration, and whether all of it could be read."""
    counts = Counts(usage)
    written = counts.get("cache_creation_input_tokens")
    minutes = counts.get("cache_creation.ephemeral_5m_input_tokens")
    hour = counts.get("cache_creation.ephemeral_1h_input_tokens")
    if minutes + hour > written:
        # The split is the start's; a delta that says less than it has said last.
        counts.expect(holds=not counts.has("cache_creation_input_tokens"), said="more written by time than written")
        if not counts.has("cache_creation_input_tokens"):
            written = minutes + hour
        else:
            minutes = hour = 0
    elif minutes + hour < written:
        counts.expect(holds=not (minutes + hour), said="less written by time than written")
    output = counts.get("output_tokens")
    reasoning = counts.get("output_tokens_details.thinking_tokens")
    counts.expect(holds=reasoning <= output, said="more reasoning than output")
    part = Part(
        uncached_input=counts.get("input_tokens"),
        cache_read=counts.get("cache_read_input_tokens"),
        cache_write_5m=minutes,
        cache_write_1h=hour,
        cache_write_other=written - minutes - hour,
        output=output,
        reasoning=min(reasoning, output),
        kind=kind,
        model=model,
    )
    wrong += counts.flags
    return part, counts.readable
