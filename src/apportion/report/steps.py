"""The day on which something changed, where the days of a month show one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

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
    best: tuple[Fraction, Step] | None = None
    for at in range(2, len(known) - 1):
        before, after = known[:at], known[at:]
        gap = _gap(before, after)
        if gap and (best is None or gap > best[0]):
            part, whole = sum(d.cached_tokens for d in after), sum(d.input_tokens for d in after)
            best = gap, Step(after[0].day, part, whole)
    return best[1] if best else None


def _gap(before: Sequence[DayOfCalls], after: Sequence[DayOfCalls]) -> Fraction:
    """What lies between the two sides; 0 where they touch, or lie nearer than half of the step."""
    sides = [[Fraction(d.cached_tokens, d.input_tokens) for d in side] for side in (before, after)]
    step = abs(_share(before) - _share(after))
    gap = max(min(sides[0]) - max(sides[1]), min(sides[1]) - max(sides[0]))
    return gap if gap > 0 and gap * 2 >= step else Fraction(0)


def _share(days: Sequence[DayOfCalls]) -> Fraction:
    return Fraction(sum(d.cached_tokens for d in days), sum(d.input_tokens for d in days))


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
