"""The day on which something changed, where the days of a month show one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import accumulate

# A day stands out where it has three times as many calls as any other.
_STANDS_OUT = 3


@dataclass(frozen=True)
class DayOfCalls:
    """The calls of one day.

    Attributes:
        day: Which.
        calls: How many.
        input_tokens: All kinds.
        cached_tokens: Of them, those that were read from a cache.
    """

    day: date
    calls: int
    input_tokens: int
    cached_tokens: int


@dataclass(frozen=True)
class Step:
    """A share that is another one from some day on.

    Attributes:
        day: The first one.
        part: What it is a part of, from that day on.
        whole: The whole, from that day on.
    """

    day: date
    part: int
    whole: int


def cache_step(days: Sequence[DayOfCalls]) -> Step | None:
    """The day from which on the share of cached input is another one; None where no day shows it.

    Every day before must lie on one side and every day from it on, two at least of each, on the other, and at least
    half of the step must lie between the nearest two of them.

    Args:
        days: Of one month, in their order.
    """
    known = [day for day in days if day.input_tokens]
    shares = [Fraction(day.cached_tokens, day.input_tokens) for day in known]
    # The lowest and the highest share up to each day, and from each day on.
    up = list(zip(accumulate(shares, min), accumulate(shares, max), strict=True))
    on = list(zip(accumulate(shares[::-1], min), accumulate(shares[::-1], max), strict=True))[::-1]
    best: tuple[Fraction, Step] | None = None
    for at in range(2, len(known) - 1):
        gap = max(up[at - 1][0] - on[at][1], on[at][0] - up[at - 1][1])
        if gap > 0 and (best is None or gap > best[0]):
            (cached_before, before), (cached, whole) = _sums(known[:at]), _sums(known[at:])
            if gap * 2 >= abs(Fraction(cached_before, before) - Fraction(cached, whole)):
                best = gap, Step(known[at].day, cached, whole)
    return best[1] if best else None


def _sums(days: Sequence[DayOfCalls]) -> tuple[int, int]:
    return sum(day.cached_tokens for day in days), sum(day.input_tokens for day in days)


def busiest(days: Sequence[DayOfCalls], more: int) -> DayOfCalls | None:
    """The day that has most of the additional calls; None where no day stands out.

    Args:
        days: Of one month.
        more: How many more calls there are than in the month before.
    """
    ordered = sorted(days, key=lambda day: (-day.calls, day.day))
    if not ordered or 2 * ordered[0].calls < more:
        return None
    others = ordered[1].calls if len(ordered) > 1 else 0
    return ordered[0] if ordered[0].calls >= _STANDS_OUT * others else None
