"""What LiteLLM tells of a call's usage: its own form of the provider's count, brought back to disjoint buckets.

LiteLLM writes every provider's usage in OpenAI's form, with cached and written tokens among `prompt_tokens`, and leaves
what only some providers tell beside it. Where a stream tells no usage it counts the tokens itself and does not say so;
a stream whose usage names no cached tokens may be such a one. Costs in it are its own estimates.

Source: LiteLLM 1.108.7 (`types/utils.py`, the transformations of Anthropic, Gemini and Bedrock,
`streaming_chunk_builder_utils.py`), and what a proxy of that version sent, read 2026-11-27.
"""

from __future__ import annotations

from typing import Any, Final

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.counts import Counts
from apportion.gateway.meters.format import Asked, Document, flags, inner, raw
from apportion.gateway.meters.measure import Measure
from apportion.gateway.meters.openai import of_usage

_GOOGLE: Final = frozenset({"gcp.gemini", "gcp.vertex_ai"})
# The one provider whose own price stands in its usage.
_SAYS_COST: Final = "openrouter"
_COUNTED: Final = "a stream that told no cached tokens; LiteLLM counts one that tells no usage itself"


def usage_of(payload: Document) -> Document:
    """The usage object of a payload; empty where there is none."""
    for found in (
        inner(payload, "metadata", "usage_object"),
        inner(payload, "response", "usage"),
        inner(payload, "hidden_params", "usage_object"),
    ):
        if found:
            return {key: _told(value) for key, value in found.items() if value is not None}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: payload[name] for name in names if payload.get(name)}


def measure(usage: Document, provider: str, *, stream: bool) -> Measure:
    """What a usage object comes to.

    Args:
        usage: Of `usage_of`.
        provider: As OpenTelemetry names it.
        stream: Whether the answer was streamed.
    """
    if not usage:
        return Measure("missing", "LiteLLM tells no usage of it")
    if _of_anthropic(usage, provider):
        found = _messages(usage, provider)
    else:
        found = _chat(usage, provider)
        if found.state == "measured" and stream and not inner(usage, "prompt_tokens_details"):
            found = found._replace(state="estimated", why=_COUNTED)
    found = found._replace(raw=raw(usage), cost=found.cost if provider == _SAYS_COST else None)
    fees = {**_fees(usage, provider), **found.fees}
    if found.state == "measured" and not (fees or any(part.tokens for part in found.parts)):
        return Measure("missing", "LiteLLM counts nothing of it", flags=found.flags, raw=found.raw)
    return found._replace(fees=fees)


def _told(value: Any) -> Any:
    """An object without what it says is nothing."""
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items() if each is not None}
    return value


def _of_anthropic(usage: Document, provider: str) -> bool:
    """Whether the count is one of Anthropic's messages, on whatever cloud."""
    details = inner(usage, "prompt_tokens_details")
    return provider == "anthropic" or "iterations" in usage or "cache_creation_token_details" in details


def _messages(usage: Document, provider: str) -> Measure:
    """The count as Anthropic wrote it, and what its meter says of it."""
    own: Document = usage
    if "prompt_tokens" in usage:
        counts = Counts(usage)
        read, written = counts.get("cache_read_input_tokens"), counts.get("cache_creation_input_tokens")
        details = Counts(inner(usage, "prompt_tokens_details"))
        read = read or details.get("cached_tokens")
        written = written or details.get("cache_write_tokens", "cache_creation_tokens")
        own = {
            "input_tokens": counts.less(counts.get("prompt_tokens"), read, written, said="more cached than input"),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": inner(usage, "prompt_tokens_details", "cache_creation_token_details"),
            "output_tokens": counts.get("completion_tokens"),
            "output_tokens_details": {
                "thinking_tokens": inner(usage, "completion_tokens_details").get("reasoning_tokens")
            },
            **{name: usage.get(name) for name in _KEPT},
        }
        if not (counts.readable and details.readable):
            wrong = flags(counts.flags, details.flags)
            return Measure("missing", f"its usage cannot be read: {wrong[0]}", flags=wrong)
        wrong = tuple(counts.flags)
    else:
        wrong = ()
    form = Messages(Asked(provider))
    form.body({"usage": own})
    found = form.told() or Measure("missing", "LiteLLM tells no usage of it")
    return found._replace(
        service_tier=form.service_tier, region=form.region, speed=form.speed, flags=flags(wrong, found.flags)
    )


_KEPT: Final = ("iterations", "server_tool_use", "service_tier", "speed", "inference_geo")


def _chat(usage: Document, provider: str) -> Measure:
    """The count as OpenAI's dialect has it; what Google's tools put in stands apart."""
    tools = Counts(inner(usage, "prompt_tokens_details")).get("tool_use_tokens") if provider in _GOOGLE else 0
    if not tools:
        return of_usage(usage, provider)
    # LiteLLM counts them among the prompt, unless a search brought them, which Google does not bill.
    counts = Counts(usage)
    prompt, total = counts.get("prompt_tokens"), counts.get("total_tokens")
    among = prompt >= tools and total in {0, prompt + counts.get("completion_tokens")}
    without = {**usage, "prompt_tokens": prompt - tools if among else prompt, "total_tokens": max(total - tools, 0)}
    if not total:
        without.pop("total_tokens")
    found = of_usage(without, provider)
    return found._replace(parts=tuple(part._replace(tool_prompt=tools) for part in found.parts))


def _fees(usage: Document, provider: str) -> dict[str, int]:
    """What is billed beside tokens: searches, and images where no token is counted."""
    counts = Counts(inner(usage, "prompt_tokens_details"))
    searches = counts.get("web_search_requests")
    name = "grounding_queries" if provider in _GOOGLE else "web_searches"
    fees = {name: searches} if searches else {}
    whole = Counts(usage)
    if not whole.get("total_tokens", "prompt_tokens") and (images := whole.get("output_image_count")):
        fees["images"] = images
    return fees
