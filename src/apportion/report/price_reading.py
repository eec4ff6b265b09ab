"""List prices read off the cells: the one price per kind of token with which every day's list cost comes out exactly.

The published cells say with which price they were rated and what they cost at it, not the price itself. The list cost
of a day is the sum of its tokens times their prices, so as many days as there are kinds of tokens determine the prices,
and all others prove them. Where they do not, such calls are not taken apart further than what one of them costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction

# The counts of one day: tokens of each kind, then calls; and what they cost at list.
Day = tuple[tuple[int, ...], int]


class Unread(Enum):
    """Why prices cannot be read off: more than one set of them explains the days, or none does."""

    SEVERAL = "several"
    NONE = "none"


# In picos per token of each kind, the last per call; None for a kind that no day has.
ReadPrices = tuple[int | None, ...] | Unread


def read_prices(days: Sequence[Day]) -> ReadPrices:
    """The prices with which every day's list cost comes out exactly.

    Args:
        days: Each day's counts and list cost in picos, at least one.

    Returns:
        A price in picos per token of each kind, the last of them per call; None for a kind that no day has.
    """
    size = len(days[0][0])
    tokens = [at for at in range(size - 1) if any(counts[at] for counts, _ in days)]
    # Most prices have no part per call, and then calls are no unknown.
    for columns in (tokens, [*tokens, size - 1]):
        prices = _solution([([counts[at] for at in columns], cost) for counts, cost in days], len(columns))
        if prices is Unread.SEVERAL:
            return prices
        if not isinstance(prices, Unread):
            by_column = dict(zip(columns, prices, strict=True))
            return (*(by_column.get(at) for at in range(size - 1)), by_column.get(size - 1, 0))
    return Unread.NONE


def _solution(rows: Sequence[tuple[list[int], int]], unknowns: int) -> list[int] | Unread:
    """The only whole numbers that solve every row, by elimination in exact fractions."""
    steps: list[tuple[int, list[Fraction]]] = []
    for counts, cost in rows:
        row = _reduced([Fraction(number) for number in (*counts, cost)], steps)
        pivot = next((at for at in range(unknowns) if row[at]), None)
        if pivot is not None:
            steps.append((pivot, [number / row[pivot] for number in row]))
        elif row[unknowns]:
            return Unread.NONE
    if len(steps) < unknowns:
        return Unread.SEVERAL
    found = [Fraction(0)] * unknowns
    for at, step in reversed(steps):
        found[at] = step[unknowns] - sum((step[n] * found[n] for n in range(unknowns) if n != at), Fraction(0))
    if any(price < 0 or price.denominator != 1 for price in found):
        return Unread.NONE
    return [int(price) for price in found]


def _reduced(row: list[Fraction], steps: Sequence[tuple[int, list[Fraction]]]) -> list[Fraction]:
    """The row without the unknowns that earlier rows have determined."""
    for at, step in steps:
        if factor := row[at]:
            row = [a - factor * b for a, b in zip(row, step, strict=True)]
    return row
