"""What an answer says of its call's usage: disjoint buckets of tokens, fees of tools, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

State = Literal["measured", "estimated", "missing"]

# Disjoint, in tokens, and the first fields of a `Part`, in this order. Writes to a cache are told apart by how long the
# provider keeps them, where it says so.
BUCKETS: Final = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "cache_write_other",
    "tool_prompt",
    "output",
)


class Part(NamedTuple):
    """What is billed as one: all of a call, or one of the iterations that a call was made of.

    Attributes:
        uncached_input: Tokens at the full price of input.
        cache_read: Read from a cache.
        cache_write_5m: Written to a cache for five minutes.
        cache_write_30m: For thirty minutes.
        cache_write_1h: For an hour.
        cache_write_12h: For twelve hours.
        cache_write_other: Written, for a time that is not told.
        tool_prompt: Put in by tools, where the provider counts them apart.
        output: With reasoning among them.
        reasoning: Of the output; information only.
        kind: What sort of iteration; empty for the call itself.
        model: That answered; None where it is the call's own.
        service_tier: That served; None where it is the call's own.
    """

    uncached_input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_30m: int = 0
    cache_write_1h: int = 0
    cache_write_12h: int = 0
    cache_write_other: int = 0
    tool_prompt: int = 0
    output: int = 0
    reasoning: int = 0
    kind: str = ""
    model: str | None = None
    service_tier: str | None = None

    @property
    def buckets(self) -> tuple[int, ...]:
        """The tokens of each of the `BUCKETS`."""
        return self[:9]

    @property
    def tokens(self) -> int:
        """All of them."""
        return sum(self[:9])

    def plus(self, other: Part) -> Part:
        """Both together, named as this one is."""
        return Part(
            self.uncached_input + other.uncached_input,
            self.cache_read + other.cache_read,
            self.cache_write_5m + other.cache_write_5m,
            self.cache_write_30m + other.cache_write_30m,
            self.cache_write_1h + other.cache_write_1h,
            self.cache_write_12h + other.cache_write_12h,
            self.cache_write_other + other.cache_write_other,
            self.tool_prompt + other.tool_prompt,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.kind,
            self.model,
            self.service_tier,
        )


class Measure(NamedTuple):
    """The usage of one call.

    Attributes:
        state: `measured` where the provider says it of the whole answer; `estimated` where some of it is counted by us
            or the answer was cut off; `missing` where there is nothing to go by.
        why: For people, where it is not measured.
        parts: What is billed; empty where it is missing.
        call_id: The provider's id of the answer.
        model: That answered.
        service_tier: That served, which may not be the one asked for.
        region: Where the provider says that it ran.
        speed: The provider's speed mode.
        fees: What is billed beside tokens, by its name: `web_searches`, `images`, `audio_seconds` …
        cost: What the provider says it charges, as it wrote it, in its own unit; None where it says nothing.
        flags: Statements of the provider that contradict each other; nothing is corrected.
        raw: The provider's usage objects as JSON, as it wrote them; no text is in them.
    """

    state: State
    why: str = ""
    parts: tuple[Part, ...] = ()
    call_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    region: str | None = None
    speed: str | None = None
    fees: Mapping[str, int] = MappingProxyType({})
    cost: str | None = None
    flags: tuple[str, ...] = ()
    raw: str = ""
