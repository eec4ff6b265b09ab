"""Dated price facts: the user's prices and discounts, and multipliers for tiers, batches and regions.

Prices are USD per one million tokens, as providers print them, and exact: they become fractions, and whole
picos (10^-12 USD per token) only at the very end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Literal, TypeVar

from apportion.period import OPEN_END, OPEN_START

BUCKETS = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_other",
    "tool_prompt",
    "output",
)
Field = Literal["processing", "service_tier", "region", "speed"]
FIELDS: tuple[Field, ...] = ("processing", "service_tier", "region", "speed")


@dataclass(frozen=True)
class Rates:
    """What a model costs at one context size.

    Attributes:
        tokens: USD per million tokens by bucket; a bucket without a known price is not in it.
        request: USD per request.
    """

    tokens: Mapping[str, Fraction]
    request: Fraction = Fraction(0)

    def times(self, factor: Fraction) -> Rates:
        """All token prices multiplied; the fee per request stays."""
        return Rates({bucket: rate * factor for bucket, rate in self.tokens.items()}, self.request)


@dataclass(frozen=True)
class Scope:
    """Which calls a dated fact is about.

    Attributes:
        providers: Canonical provider names; `%` stands for any text.
        models: Model names or patterns with `%`.
        start: The first day (00:00 UTC).
        end: The day after the last one.
    """

    providers: tuple[str, ...]
    models: tuple[str, ...]
    start: date = OPEN_START
    end: date = OPEN_END

    def rank(self, provider: str, model: str) -> tuple[bool, int] | None:
        """How closely it names a model, to be compared: a name before a pattern, a longer pattern first.

        Returns:
            None where it does not mean this model.
        """
        if not any(like(provider, pattern) for pattern in self.providers):
            return None
        ranks = [("%" not in p, len(p.replace("%", ""))) for p in self.models if like(model, p)]
        return max(ranks, default=None)

    def overlaps(self, other: Scope) -> bool:
        """Whether both name the same models in the same words on a common day."""
        same = set(self.models) & set(other.models) and set(self.providers) & set(other.providers)
        return bool(same) and self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Entry:
    """A model's prices as the user writes them; they win over the base list.

    Attributes:
        scope: For which model and days.
        rates: Below every context limit.
        above: Rates from a number of input tokens on, for the whole request, ascending.
        times: Multipliers by field and value.
        source: Where the prices are from.
        checked: When somebody last looked.
        negotiated: Discounts are already in these prices.
        line: Of the user's file.
    """

    scope: Scope
    rates: Rates
    above: tuple[tuple[int, Rates], ...] = ()
    times: Mapping[tuple[Field, str], Fraction] = field(default_factory=dict)
    source: str = ""
    checked: date | None = None
    negotiated: bool = False
    line: int = 0

    def at(self, context: int) -> Rates:
        """The rates of a call whose input exceeds a limit.

        Args:
            context: The highest limit of the book that the call's input tokens exceed; 0 for none.
        """
        return next((rates for limit, rates in reversed(self.above) if limit <= context), self.rates)


@dataclass(frozen=True)
class Modifier:
    """A multiplier on every token price for calls of one kind.

    Attributes:
        scope: For which models and days.
        field: What of a call decides.
        values: Which values of it, or patterns with `%`.
        times: The multiplier.
        source: Where it is from.
        checked: When somebody last looked.
        line: Of the file.
    """

    scope: Scope
    field: Field
    values: tuple[str, ...]
    times: Fraction
    source: str
    checked: date | None
    line: int = 0

    def means(self, field_: Field, value: str) -> bool:
        """Whether it is about this value."""
        return self.field == field_ and any(like(value, pattern) for pattern in self.values)


@dataclass(frozen=True)
class Fill:
    """A cache price that a list lacks, as a multiple of the price of uncached input."""

    scope: Scope
    bucket: str
    times: Fraction
    source: str
    checked: date | None


@dataclass(frozen=True)
class Discount:
    """A negotiated percentage off the list price.

    Attributes:
        scope: For which models and days.
        percent: Off; 12.5 means 87.5 % is paid.
        source: The contract.
        checked: When somebody last looked.
        line: Of the user's file.
    """

    scope: Scope
    percent: Fraction
    source: str = ""
    checked: date | None = None
    line: int = 0


Fact = TypeVar("Fact", Entry, Modifier, Fill, Discount)


class AmbiguousError(Exception):
    """Two facts name a model equally closely; the lines are in the arguments."""


def choose(facts: Sequence[Fact], provider: str, model: str, day: date) -> Fact | None:
    """The fact that names a model most closely on a day.

    Raises:
        AmbiguousError: Two do, in different words.
    """
    best: list[tuple[tuple[bool, int], Fact]] = []
    for fact in facts:
        rank = fact.scope.rank(provider, model)
        if rank is None or not fact.scope.start <= day < fact.scope.end:
            continue
        if not best or rank > best[0][0]:
            best = [(rank, fact)]
        elif rank == best[0][0]:
            best.append((rank, fact))
    if len(best) > 1:
        raise AmbiguousError(*sorted(getattr(fact, "line", 0) for _, fact in best))
    return best[0][1] if best else None


def like(value: str, pattern: str) -> bool:
    """Whether a value is a name, or fits a pattern with `%` for any text; case does not matter."""
    return bool(_compiled(pattern).fullmatch(value))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("%")), re.IGNORECASE | re.DOTALL)
