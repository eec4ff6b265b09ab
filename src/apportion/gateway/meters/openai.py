"""Chat, completions, embeddings, images, audio and assistants' runs of OpenAI, and of the many who speak its dialect.

Sources: OpenAI's API reference and SDK types; recorded answers of OpenAI, Azure, OpenRouter, Gemini's compatible
endpoint and others, read 2026-11-27. Cached and written tokens are among the input, reasoning is among the output.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import orjson

from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import Asked, Document, Format, error_of, flags, inner, objects, raw, text
from apportion.gateway.meters.measure import Measure, Part

# Who hides reasoning from the parts of a sum and leaves it in the sum.
_HIDES: Final = frozenset({"gcp.gemini", "gcp.vertex_ai"})
_RUN: Final = "thread.run"
_MOST_SECONDS: Final = 10**9


class Chat(Format):
    """Everything of OpenAI's whose usage counts `prompt_tokens` or `input_tokens` beside a list of choices or data."""

    needles: ClassVar[tuple[bytes, ...]] = (b'"error"', b'"x_groq"')

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._usage: Document | None = None
        self._images = 0

    def tells(self, data: bytes) -> bool:
        """Whether a chunk is to be looked into: a stream that will tell its usage says `null` in every chunk before."""
        if b'"usage"' in data and b'"usage":null' not in data and b'"usage": null' not in data:
            return True
        return super().tells(data)

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        self._images = len(objects(document.get("data"))) if "created" in document and "object" not in document else 0
        super().body(document)
        if document.get("object") == _RUN and text(document.get("status")) in {
            "queued",
            "in_progress",
            "requires_action",
        }:
            # A run is asked for again until it is completed; only then it tells.
            self.ended = False

    def event(self, document: Document) -> None:
        """Take one chunk."""
        kind = document.get("object")
        if isinstance(kind, str) and kind.startswith("thread.") and kind != _RUN:
            return
        self.call_id = self.call_id or text(document.get("id"))
        self.model = text(document.get("model")) or self.model
        self.service_tier = text(document.get("service_tier")) or self.service_tier
        self.error = error_of(document) or self.error
        usage = document.get("usage") or inner(document, "x_groq").get("usage")
        if isinstance(usage, dict):
            self._usage = usage
            if document.get("choices") == []:
                self.ended = True

    def told(self) -> Measure | None:
        """What the answer says of its usage."""
        if self._usage is None:
            return self._untold()
        return of_usage(self._usage, self.asked.provider)

    def _untold(self) -> Measure | None:
        if self._images and not self.error:
            return Measure("measured", fees={"images": self._images})
        return None


class Responses(Format):
    """The Responses API: usage stands in the response that ends the stream, fees of tools beside it."""

    needles: ClassVar[tuple[bytes, ...]] = (b'"usage"', b'"error"')

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._response: Document = {}

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        self._take(document)
        # A response that runs in the background tells its usage to whoever asks for it later.
        self.ended = text(document.get("status")) not in {"queued", "in_progress"}

    def event(self, document: Document) -> None:
        """Take one event."""
        response = document.get("response")
        if isinstance(response, dict):
            self._take(response)
            kind = text(document.get("type"))
            self.ended = self.ended or kind in {"response.completed", "response.incomplete", "response.failed"}
        elif document.get("type") == "error":
            self.error = text(document.get("code")) or error_of(document) or "error"

    def done(self) -> None:
        """A mark at the end says nothing here: the last event has said it."""

    def told(self) -> Measure | None:
        """What the answer says of its usage."""
        usage = self._response.get("usage")
        if not isinstance(usage, dict):
            return None
        found = of_usage(usage, self.asked.provider)
        tools = inner(self._response, "tool_usage")
        fees, drawn, wrong = self._fees(tools)
        return Measure(
            "missing" if found.state == "missing" else "measured",
            found.why,
            (*found.parts, *drawn),
            fees=fees,
            cost=found.cost,
            flags=flags(found.flags, wrong),
            raw=raw(usage, tools or None),
        )

    def _take(self, response: Document) -> None:
        self.call_id = self.call_id or text(response.get("id"))
        self.model = text(response.get("model")) or self.model
        self.service_tier = text(response.get("service_tier")) or self.service_tier
        self.error = error_of(response) or self.error
        self._response = response

    def _fees(self, tools: Document) -> tuple[dict[str, int], tuple[Part, ...], list[str]]:
        """Fees of tools, the tokens of a model that drew, and what is wrong about them."""
        counts = Counts(tools)
        calls: dict[str, int] = {}
        for item in objects(self._response.get("output")):
            name = _CALLS.get(str(item.get("type")))
            if name:
                calls[name] = calls.get(name, 0) + 1
        if counts.has("web_search.num_requests"):
            # What is billed is told; an item may stand for opening a page, which is not.
            calls["web_searches"] = counts.get("web_search.num_requests")
        fees = {name: number for name, number in calls.items() if number}
        drawn = Part(
            uncached_input=counts.get("image_gen.input_tokens"),
            output=counts.get("image_gen.output_tokens"),
            kind="image_generation",
        )
        return fees, (drawn,) if drawn.tokens else (), counts.flags


_CALLS: Final = {
    "web_search_call": "web_searches",
    "file_search_call": "file_searches",
    "code_interpreter_call": "code_executions",
}


def of_usage(usage: Document, provider: str) -> Measure:
    """The measure that one usage object of the dialect gives.

    Args:
        usage: As the provider wrote it.
        provider: Who wrote it.
    """
    if usage.get("type") == "duration":
        return _duration(usage)
    counts = Counts(usage)
    details = Counts(_object(usage, "prompt_tokens_details", "input_tokens_details", "prompt_token_details"))
    spent = Counts(_object(usage, "completion_tokens_details", "output_tokens_details"))
    # Embeddings of some providers count the sum alone, and it is all input.
    prompt = counts.get("prompt_tokens", "input_tokens", "total_tokens")
    read = details.get("cached_tokens") or counts.get("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
    written = details.get("cache_write_tokens")
    half_hour, half_day = _written_for(details) if written else (0, 0)
    output = counts.get("completion_tokens", "output_tokens")
    reasoning = spent.get("reasoning_tokens")
    total = counts.get("total_tokens") if counts.has("total_tokens") else prompt + output
    hidden = total - prompt - output
    if hidden > 0 and provider in _HIDES:
        output, reasoning = output + hidden, reasoning + hidden
    else:
        counts.expect(holds=hidden == 0, said="total_tokens is not input and output")
    counts.expect(holds=reasoning <= output, said="more reasoning than output")
    counts.flags += (*details.flags, *spent.flags)
    known = counts.has("prompt_tokens") or counts.has("input_tokens") or counts.has("total_tokens")
    if not (counts.readable and details.readable and spent.readable) or not known:
        return Measure("missing", _unread(counts), flags=flags(counts.flags), raw=raw(usage))
    part = Part(
        uncached_input=counts.less(prompt, read, written, said="more cached and written than input"),
        cache_read=read,
        cache_write_30m=half_hour,
        cache_write_12h=half_day,
        cache_write_other=counts.less(written, half_hour, half_day, said="more written by time than written"),
        output=output,
        reasoning=min(reasoning, output),
    )
    return Measure("measured", parts=(part,), cost=_cost(usage), flags=flags(counts.flags), raw=raw(usage))


def _duration(usage: Document) -> Measure:
    """Of audio that is billed by time: seconds that have begun."""
    seconds = usage.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _MOST_SECONDS:
        return Measure("missing", "its usage cannot be read: seconds is no count", raw=raw(usage))
    return Measure("measured", fees={"audio_seconds": math.ceil(seconds)}, raw=raw(usage))


def _object(usage: Document, *names: str) -> Document:
    """The first of these objects that is there; an empty one where none is."""
    for name in names:
        found = usage.get(name)
        if type(found) is dict:
            return found
    return {}


def _written_for(details: Counts) -> tuple[int, int]:
    half_hour = details.get("cache_write_tokens_details.ttl_30m_tokens")
    return half_hour, details.get("cache_write_tokens_details.ttl_12h_tokens")


def _unread(counts: Counts) -> str:
    return f"its usage cannot be read: {counts.flags[0]}" if counts.flags else "its usage counts no tokens"


def _cost(usage: Document) -> str | None:
    """What OpenRouter (`cost`, in dollars) or xAI (`cost_in_usd_ticks`) says that it charges."""
    for key in ("cost", "cost_in_usd_ticks"):
        value: Any = usage.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return orjson.dumps(value).decode()
    return None
