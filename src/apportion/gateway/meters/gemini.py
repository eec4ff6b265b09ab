"""Gemini's generateContent and embeddings, on the Gemini API and on Vertex AI.

Sources: Google's API references and SDK types; recorded answers, read 2026-11-27. Cached tokens are among the prompt;
what tools put in stands beside the prompt, thoughts stand beside the candidates. The running totals of a stream may
go down on the way: the last chunk's count, never the largest, never their sum.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import Asked, Document, Format, error_of, flags, inner, objects, raw, text
from apportion.gateway.meters.measure import Measure, Part

# Some clients write this enumeration as numbers; the order is that of Google's API definition.
_TRAFFIC: Final = {1: "ON_DEMAND", 2: "PROVISIONED_THROUGHPUT"}


class GenerateContent(Format):
    """An answer of generateContent, whole or in chunks, and the answers of embeddings."""

    needles: ClassVar[tuple[bytes, ...]] = (b"usageMetadata", b'"error"', b"groundingMetadata")

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._usage: Document | None = None
        self._queries = 0
        self._finished = False

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        super().body(document)
        self._embedded(document)

    def event(self, document: Document) -> None:
        """Take one chunk."""
        self.call_id = text(document.get("responseId")) or self.call_id
        self.model = text(document.get("modelVersion")) or self.model
        self.error = error_of(document) or self.error
        usage = document.get("usageMetadata")
        if isinstance(usage, dict):
            self._usage = usage
            tier = text(usage.get("serviceTier"))
            traffic = usage.get("trafficType")
            known = _TRAFFIC.get(traffic) if isinstance(traffic, int) else text(traffic)
            self.service_tier = tier or known or self.service_tier
        for candidate in objects(document.get("candidates")):
            if candidate.get("finishReason"):
                self._finished = True
            asked = inner(candidate, "groundingMetadata").get("webSearchQueries")
            self._queries = max(self._queries, len(asked)) if isinstance(asked, list) else self._queries

    def closed(self) -> None:
        """Take the end: nothing marks it but that the stream closes behind a reason to finish."""
        self.ended = self.ended or self._finished

    def told(self) -> Measure | None:
        """What the answer says of its usage."""
        if self._usage is None:
            return None
        counts = Counts(self._usage)
        prompt = counts.get("promptTokenCount")
        read = counts.get("cachedContentTokenCount")
        tools = counts.get("toolUsePromptTokenCount")
        spoken = counts.get("candidatesTokenCount", "responseTokenCount")
        thought = counts.get("thoughtsTokenCount")
        if counts.has("totalTokenCount"):
            total = counts.get("totalTokenCount")
            counts.expect(holds=total == prompt + tools + spoken + thought, said="totalTokenCount is not its parts")
        if not counts.readable:
            return Measure("missing", f"its usage cannot be read: {counts.flags[0]}", flags=flags(counts.flags))
        part = Part(
            uncached_input=counts.less(prompt, read, said="more cached than prompt"),
            cache_read=read,
            tool_prompt=tools,
            output=spoken + thought,
            reasoning=thought,
        )
        fees = {"grounding_queries": self._queries} if self._queries else {}
        return Measure("measured", parts=(part,), fees=fees, flags=flags(counts.flags), raw=raw(self._usage))

    def _embedded(self, document: Document) -> None:
        """Vertex counts the tokens of each text of an embedding in its statistics."""
        found: list[Any] = []
        for prediction in objects(document.get("predictions")):
            statistics = inner(prediction, "embeddings", "statistics")
            found.append(statistics.get("token_count"))
        if found and self._usage is None and all(isinstance(each, int | float) for each in found):
            self._usage = {"promptTokenCount": sum(found)}
