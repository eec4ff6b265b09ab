"""Converse and InvokeModel of Amazon Bedrock.

Sources: the Bedrock runtime API reference and botocore's service model; recorded answers, read 2026-11-27. Converse
counts cached and written tokens beside the input, and tells its usage in the frame that ends a stream. InvokeModel
hands on the answer of the model as it is, and Bedrock's own counts stand in headers or in the last chunk.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Final

import orjson

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import Asked, Document, Format, error_of, flags, inner, objects, raw, text
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.meters.openai import of_usage

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_GUARDS: Final = "amazon-bedrock-trace"
_HEADERS: Final = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
}


class Converse(Format):
    """An answer of Converse, or the frames of ConverseStream."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._last: Document = {}
        self.call_id = text(asked.header("x-amzn-requestid"))

    def event(self, document: Document) -> None:
        """Take the document that holds the usage."""
        self.error = error_of(document) or self.error
        if isinstance(document.get("usage"), dict):
            self._last = document
            self.ended = True
            self.service_tier = text(inner(document, "serviceTier").get("type"))
            routed = text(inner(document, "trace", "promptRouter").get("invokedModelId"))
            self.model = routed or self.model
            latency = text(inner(document, "performanceConfig").get("latency"))
            self.speed = None if latency == "standard" else latency

    def told(self) -> Measure | None:
        """What the answer says of its usage."""
        if not self._last:
            return None
        usage = inner(self._last, "usage")
        part, counts = _converse(usage)
        if not counts.readable:
            return Measure("missing", f"its usage cannot be read: {counts.flags[0]}", flags=flags(counts.flags))
        guards = _guard_units(inner(self._last, "trace", "guardrail"))
        return Measure("measured", parts=(part,), fees=guards, flags=flags(counts.flags), raw=raw(usage))


class Invoke(Format):
    """An answer of InvokeModel in the model's own form, or the chunks of its stream."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._native = Messages(asked)
        self._usage: Document | None = None
        self._metrics: dict[str, Any] = {}
        self._guards: dict[str, int] = {}
        self.call_id = text(asked.header("x-amzn-requestid"))
        for ours, theirs in _HEADERS.items():
            if (value := asked.header(theirs)) is not None:
                self._metrics[ours] = value

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        self._native.body(document)
        self._take(document)
        self.ended = True

    def event(self, document: Document) -> None:
        """Take one chunk's document."""
        self._native.event(document)
        self._take(document)

    def told(self) -> Measure | None:
        """What Bedrock counted, and what the model said of it."""
        metrics = Counts(self._metrics)
        own = self._own()
        self.model = self._native.model
        if not self._metrics:
            return own
        part = Part(
            uncached_input=metrics.get("inputTokenCount"),
            cache_read=metrics.get("cacheReadInputTokenCount"),
            cache_write_other=metrics.get("cacheWriteInputTokenCount"),
            output=metrics.get("outputTokenCount"),
        )
        said = raw(self._metrics, self._usage)
        if not metrics.readable:
            return own or Measure("missing", "its usage cannot be read", flags=flags(metrics.flags), raw=said)
        wrong = list(metrics.flags)
        if own and own.state == "measured" and len(own.parts) == 1:
            theirs = own.parts[0]
            metrics.expect(holds=theirs.tokens == part.tokens, said="the model counted other tokens than Bedrock")
            wrong = [*metrics.flags, *own.flags]
            written = theirs.cache_write_5m + theirs.cache_write_1h
            if written == part.cache_write_other and theirs.cache_read == part.cache_read:
                # Only the model tells for how long it wrote.
                part = Part(part.uncached_input, part.cache_read, theirs.cache_write_5m, 0, theirs.cache_write_1h,
                            output=part.output, reasoning=min(theirs.reasoning, part.output))  # fmt: skip
        return Measure("measured", parts=(part,), fees=self._guards, flags=flags(wrong), raw=said)

    def _take(self, document: Document) -> None:
        self.error = error_of(document) or self.error
        metrics = document.get(_METRICS)
        if isinstance(metrics, dict):
            self._metrics = metrics
            self.ended = True
        for found in (document.get("usage"), inner(document, "metadata").get("usage")):
            if isinstance(found, dict):
                self._usage = found
        counts = Counts(document)
        if self._usage is None and counts.has("inputTextTokenCount"):
            results = objects(document.get("results"))
            told = Counts(results[0]).get("tokenCount") if results else counts.get("totalOutputTextTokenCount")
            self._usage = {"inputTokens": counts.get("inputTextTokenCount"), "outputTokens": told}
        elif counts.has("totalOutputTextTokenCount") and self._usage is not None:
            self._usage = {**self._usage, "outputTokens": counts.get("totalOutputTextTokenCount")}
        elif counts.has("prompt_token_count") or counts.has("generation_token_count"):
            before = Counts(self._usage or {})
            self._usage = {
                "inputTokens": counts.get("prompt_token_count") or before.get("inputTokens"),
                "outputTokens": counts.get("generation_token_count"),
            }
        if units := _guard_units(inner(document, _GUARDS, "guardrail")):
            self._guards = units

    def _own(self) -> Measure | None:
        """What the model's own usage object says."""
        if (found := self._native.told()) and "input_tokens" in self._native.usage:
            return found
        usage = self._usage
        if usage is None:
            return None
        if "prompt_tokens" in usage:
            return of_usage(usage, self.asked.provider)
        if "inputTokens" not in usage:
            return None
        part, counts = _converse(usage)
        if not counts.readable:
            return Measure("missing", f"its usage cannot be read: {counts.flags[0]}", flags=flags(counts.flags))
        return Measure("measured", parts=(part,), fees=self._guards, flags=flags(counts.flags), raw=raw(usage))


def chunk(payload: bytes) -> Any:
    """The document inside a frame of an InvokeModel stream; None where there is none."""
    try:
        wrapped = orjson.loads(payload)
        return orjson.loads(b64decode(wrapped["bytes"], validate=True))
    except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, ValueError):
        return None


def _converse(usage: Document) -> tuple[Part, Counts]:
    counts = Counts(usage)
    written = counts.get("cacheWriteInputTokens", "cacheWriteInputTokenCount")
    by_time = {"5m": 0, "1h": 0}
    for each in objects(usage.get("cacheDetails")):
        inside = Counts(each)
        if (ttl := text(each.get("ttl"))) in by_time:
            by_time[str(ttl)] += inside.get("inputTokens")
        counts.flags += inside.flags
    read = counts.get("cacheReadInputTokens", "cacheReadInputTokenCount")
    part = Part(
        uncached_input=counts.get("inputTokens"),
        cache_read=read,
        cache_write_5m=by_time["5m"],
        cache_write_1h=by_time["1h"],
        cache_write_other=counts.less(written, *by_time.values(), said="more written by time than written"),
        output=counts.get("outputTokens"),
    )
    if counts.has("totalTokens"):
        counts.expect(holds=counts.get("totalTokens") == part.tokens, said="totalTokens is not its parts")
    return part, counts


def _guard_units(trace: Document) -> dict[str, int]:
    """Units of guardrails, which are billed beside tokens, over all assessments of a call."""
    found: dict[str, int] = {}
    todo: list[Any] = [trace]
    while todo:
        here = todo.pop()
        if isinstance(here, dict):
            usage = inner(here, "invocationMetrics", "usage")
            counts = Counts(usage)
            for key in usage:
                if key.endswith("Units") and "Free" not in key and (number := counts.get(key)):
                    name = f"guardrail_{_snake(key)}"
                    found[name] = found.get(name, 0) + number
            todo += here.values()
        elif isinstance(here, list):
            todo += here
    return found


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
