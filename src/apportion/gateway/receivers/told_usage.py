"""Counts as telemetry tells them, turned into disjoint buckets; where nobody can know how they are meant, that is said.

Whether `input_tokens` holds the cached tokens is the question. OpenTelemetry's and OpenInference's conventions say that
it does. Anthropic and Bedrock themselves count them beside it, and instrumentations that pass their numbers on did the
same, or still do; so it goes by the instrumentation's name, then by what the counts themselves rule out, then by the
conventions, which makes an estimate. Every other provider counts them among the input.

Sources, read 2026-11-27: OpenTelemetry's GenAI conventions (cached tokens SHOULD be included, since December 2025) and
its packages genai-anthropic (included) and genai-bedrock (beside); OpenLLMetry's pull request 2175 (Anthropic, included
since 2024) and issue 4449 (Bedrock, beside); OpenInference's pull requests 1429 and 3734 (included); Anthropic's SDK
and its span reference (included); Sentry's pull request 21488 (Vercel's AI SDK includes them since version 6, whose
mark are attributes `ai.usage.inputTokenDetails`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import flags, raw, text
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.receivers.telemetry import Scalar

Cached = Literal["within", "beside"]

_BESIDE: Final = ("opentelemetry.instrumentation.bedrock", "opentelemetry.instrumentation.genai.bedrock")
_WITHIN: Final = (
    "com.anthropic.",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.genai.anthropic",
    "openinference.instrumentation.",
    "@arizeai/openinference-",
    "pydantic-ai",
)
_GOOGLE: Final = frozenset({"gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"})
_LONGEST_SCOPE: Final = 64


class Told(NamedTuple):
    """What telemetry tells of a call's usage.

    Attributes:
        provider: As OpenTelemetry names it.
        model: That answered, or was asked for.
        operation: That was asked for.
        scope: The instrumentation's name.
        counts: By our names.
        differing: Counts that are told twice and differently.
        raw: The counts as they were told.
        cached: Where the cached tokens are counted, where that is known beside the instrumentation's name.
        writes_untold: Whether the instrumentation leaves out what was written to a cache.
        thoughts_beside: Whether reasoning is known to stand beside the output.
        failed: Whether the call did.
        error: The kind of its failure.
    """

    provider: str
    model: str | None
    operation: str
    scope: str
    counts: Mapping[str, Scalar]
    differing: tuple[str, ...] = ()
    raw: Mapping[str, Scalar] = {}
    cached: Cached | None = None
    writes_untold: bool = False
    thoughts_beside: bool = False
    failed: bool = False
    error: str | None = None

    @property
    def own_beside(self) -> bool:
        """Whether the provider itself counts cached tokens beside the input."""
        return self.provider in {"anthropic", "aws.bedrock"} or "claude" in (self.model or "").lower()

    @property
    def tells(self) -> bool:
        """Whether there are counts at all."""
        return any(name in self.counts for name in ("input_tokens", "output_tokens", "total_tokens"))


def measure(told: Told) -> Measure:
    """The measure of a call; its ids and its model are the caller's to add."""
    if not told.tells:
        return Measure("missing", _untold(told))
    counts = Counts(told.counts)
    doubts = [f"{name} is told twice and differently" for name in told.differing]
    part = _part(told, counts, doubts)
    parts = (part, *_compaction(counts, doubts))
    said = raw(told.raw or None)
    if not counts.readable:
        return Measure("missing", f"its usage cannot be read: {counts.flags[0]}", flags=flags(counts.flags), raw=said)
    if not part.tokens:
        # A model that answered has read something: zeros stand for counts that nobody had.
        return Measure("missing", "it tells no tokens but zeros", flags=flags(counts.flags), raw=said)
    state: Literal["measured", "estimated"] = "estimated" if doubts else "measured"
    return Measure(state, "; ".join(doubts), parts, flags=flags(counts.flags), raw=said)


def _untold(told: Told) -> str:
    if told.failed:
        return f"the call failed{f' ({told.error})' if told.error else ''} and tells no usage"
    return "it tells no usage"


def _part(told: Told, counts: Counts, doubts: list[str]) -> Part:
    whole, output = _sides(told, counts, doubts)
    read = counts.get("cache_read_tokens")
    minutes, hour, other = _written(counts)
    cached = read + minutes + hour + other
    beside = _is_beside(told, counts, whole, cached, output, doubts)
    if told.writes_untold and beside:
        doubts.append("the AI SDK before version 6 does not tell what was written to a cache")
    if cached > whole and not beside:
        doubts.append("more tokens are told as cached and written than as input; none are counted at the full price")
    output, reasoning = _outputs(told, counts, whole, cached if beside else 0, output, doubts)
    return Part(
        uncached_input=whole if beside else counts.less(whole, cached, said="more cached and written than input"),
        cache_read=read,
        cache_write_5m=minutes,
        cache_write_1h=hour,
        cache_write_other=other,
        tool_prompt=counts.get("tool_prompt_tokens"),
        output=output,
        reasoning=reasoning,
    )


def _sides(told: Told, counts: Counts, doubts: list[str]) -> tuple[int, int]:
    """Input and output, with what is to be said where one of them is not told."""
    has_input, has_output = counts.has("input_tokens"), counts.has("output_tokens")
    if not has_input and not has_output:
        if told.operation != "embeddings":
            doubts.append("only the sum of its tokens is told; all are counted as input")
        return counts.get("total_tokens"), 0
    if not has_output and told.operation not in {"embeddings", "rerank"}:
        doubts.append("no output tokens are told")
    if not has_input:
        doubts.append("no input tokens are told")
    return counts.get("input_tokens"), counts.get("output_tokens")


def _written(counts: Counts) -> tuple[int, int, int]:
    """Tokens written to a cache for five minutes, for an hour, and for a time that is not told."""
    minutes, hour = counts.get("cache_write_5m_tokens"), counts.get("cache_write_1h_tokens")
    if not counts.has("cache_write_tokens"):
        return minutes, hour, 0
    written = counts.get("cache_write_tokens")
    if minutes + hour > written:
        counts.flags.append("more written by time than written")
        return 0, 0, written
    counts.expect(holds=minutes + hour in {0, written}, said="less written by time than written")
    return minutes, hour, written - minutes - hour


def _is_beside(told: Told, counts: Counts, whole: int, cached: int, output: int, doubts: list[str]) -> bool:
    """Whether cached tokens stand beside the input, as the module's head says."""
    if told.cached is not None or not told.own_beside or not cached:
        return told.cached == "beside"
    if told.scope.startswith(_BESIDE):
        return True
    total = counts.get("total_tokens")
    if cached > whole or (total == whole + cached + output and counts.has("total_tokens")):
        counts.flags.append("input_tokens leaves the cached tokens out, against the conventions")
        return True
    if not told.scope.startswith(_WITHIN):
        by = (text(told.scope) or "its instrumentation")[:_LONGEST_SCOPE]
        doubts.append(
            f"whether {by} counts cached tokens in input_tokens is not known; the conventions say that it does"
        )
    return False


def _outputs(told: Told, counts: Counts, whole: int, beside: int, output: int, doubts: list[str]) -> tuple[int, int]:
    """Output with the reasoning in it, and the reasoning."""
    reasoning = counts.get("reasoning_tokens")
    if told.thoughts_beside:
        return output + reasoning, reasoning
    sums = {whole + output, whole + output + beside}
    total = counts.get("total_tokens")
    if counts.has("total_tokens") and counts.has("output_tokens") and total not in sums:
        if reasoning and total - reasoning in sums:
            return output + reasoning, reasoning
        hidden = total - max(sums)
        if told.provider in _GOOGLE and hidden > 0 and not reasoning:
            doubts.append("tokens that only the sum tells of are counted as output")
            return output + hidden, hidden
        if told.own_beside and hidden > 0 and not beside:
            doubts.append(f"{hidden} tokens that only the sum tells of, as cached ones may be, are not counted")
        counts.flags.append("total_tokens is not input and output")
    if reasoning > output:
        if told.provider in _GOOGLE:
            counts.flags.append("output_tokens leaves the reasoning out, against the conventions")
            return output + reasoning, reasoning
        if counts.has("output_tokens"):
            counts.flags.append("more reasoning than output")
    return output, min(reasoning, output)


def _compaction(counts: Counts, doubts: list[str]) -> tuple[Part, ...]:
    """What Anthropic bills for the compaction of a conversation, which the call's own counts leave out."""
    part = Part(
        uncached_input=counts.get("compaction_input_tokens"),
        output=counts.get("compaction_output_tokens"),
        kind="compaction",
    )
    if not part.tokens:
        return ()
    doubts.append("how much of the compaction's input was cached is not told; it is counted at the full price")
    return (part,)
