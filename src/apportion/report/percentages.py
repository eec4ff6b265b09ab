"""Percentages: exact decimals that add up, and no percentage where there is no denominator."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from apportion.money import apportion, half_up_div

_HUNDRED = 100


def percent(part: int, whole: int, digits: int = 2) -> Decimal | None:
    """A part of a whole in percent, rounded HALF_UP; None where the whole is 0.

    Args:
        part: In any unit.
        whole: In the same unit.
        digits: Decimals of the result.
    """
    if whole == 0:
        return None
    return Decimal(half_up_div(part * _HUNDRED * 10**digits, whole)).scaleb(-digits)


def change(now: int | None, before: int | None, digits: int = 1) -> Decimal | None:
    """The change against an earlier amount in percent of its size; None where that was 0 or unknown."""
    if now is None or before is None:
        return None
    return percent(now - before, abs(before), digits)


def shares_of_hundred(parts: Sequence[int], keys: Sequence[str], digits: int = 2) -> list[Decimal | None]:
    """Parts as percentages of their sum that add up to 100 exactly, by largest remainder.

    Args:
        parts: In one unit, of either sign.
        keys: One name per part; the last tie-break.
        digits: Decimals of the percentages.

    Returns:
        One percentage per part; all None where the parts add up to 0.
    """
    whole = sum(parts)
    if whole == 0:
        return [None] * len(parts)
    goal = _HUNDRED * 10**digits
    sign = -1 if whole < 0 else 1
    units = apportion(goal, [sign * part * goal for part in parts], keys, abs(whole))
    return [Decimal(unit).scaleb(-digits) for unit in units]


def quotient(numerator: int, denominator: int, digits: int) -> Decimal | None:
    """An exact division rounded HALF_UP to a number of decimals; None where the denominator is 0."""
    if denominator == 0:
        return None
    return Decimal(half_up_div(numerator * 10**digits, denominator)).scaleb(-digits)
