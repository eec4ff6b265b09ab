"""Pictures of tables: plain SVG, exact, in the colours of the page; each repeats cells that stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from markupsafe import Markup

from apportion.money import minor_digits, show
from apportion.report.context import UNALLOCATED, is_rest
from apportion.report.coverage import LAYERS
from apportion.report.daily import EVERYTHING_ELSE
from apportion.report.html import drawn
from apportion.report.table import Cell, Table
from apportion.report.terminal import for_people

_BAR_WIDTH = 150
# The chart of days, in units of its own view box.
_WIDTH, _HEIGHT = 1060, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 170, 10, 26
_LABEL_HEIGHT = 17
_TICKS = 4
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Segment:
    """A part of a bar: its look, where it lies, and what a pointer that rests on it is told."""

    kind: str
    start: str
    length: str
    words: str = ""


def layers_bar(coverage: Table) -> Markup:
    """All AI cost as one bar in its layers; a layer below zero, which credits can make, has no part of it."""
    amounts = {str(row[0]): max(row[1] if isinstance(row[1], int) else 0, 0) for row in coverage.rows}
    return drawn("bar.svg.j2", segments=_segments(amounts, sum(amounts.values()), 100, "%"))


def owner_bars(statements: Table) -> dict[str, Markup]:
    """Each owner's layers as a small bar, all to one scale."""
    names = [column.name for column in statements.columns]
    layers = [layer for layer in LAYERS if layer in names]
    found: dict[str, dict[str, int]] = {}
    for row in statements.rows:
        cells = {layer: row[names.index(layer)] for layer in layers}
        found[str(row[0])] = {k: cell for k, cell in cells.items() if isinstance(cell, int) and cell > 0}
    longest = max((sum(parts.values()) for parts in found.values()), default=0)
    return {
        name: drawn("owner_bar.svg.j2", width=_BAR_WIDTH, segments=_segments(parts, longest, _BAR_WIDTH, ""))
        for name, parts in found.items()
    }


def _segments(amounts: Mapping[str, int], whole: int, length: int, unit: str) -> list[Segment]:
    if whole <= 0:
        return []
    made, so_far = [], 0
    for kind, minor in amounts.items():
        if minor:
            made.append(Segment(kind, _at(so_far, whole, length) + unit, _at(minor, whole, length) + unit))
        so_far += minor
    return made


def _at(minor: int, whole: int, length: int) -> str:
    """A place on a line, exact to two digits, so that the same table is always the same picture."""
    return str((Decimal(minor) * length / whole).quantize(Decimal("0.01")))


@dataclass(frozen=True)
class Series:
    """One owner of the chart: its name, its look, and how high its label stands beside the chart."""

    name: str
    kind: str
    height: int


def days_chart(days: Table) -> Markup:
    """Cost per day, stacked by owner, each owner named beside it in the order of the stack."""
    heads = [column.title for column in days.columns[1:-1]]
    stacks = [[cell if isinstance(cell, int) else 0 for cell in row[1:-1]] for row in days.rows]
    highest = max((sum(m for m in stack if m > 0) for stack in stacks), default=0)
    lowest = min((sum(m for m in stack if m < 0) for stack in stacks), default=0)
    top, step = _scale(highest, lowest)
    # Floor division goes down for what is below zero, too.
    bottom = lowest // step * step
    height = _HEIGHT - _TOP - _BOTTOM
    span = top - bottom

    def y(minor: int) -> Decimal:
        return (_TOP + Decimal(top - minor) * height / span).quantize(Decimal("0.01"))

    width = Decimal(_WIDTH - _LEFT - _RIGHT) / max(len(stacks), 1)
    kinds = [_kind(head, at) for at, head in enumerate(heads)]
    words = [
        [
            f"{head}, {row[0]}: {for_people(cell, days.columns[1], days.currency)}"
            for head, cell in zip(heads, row[1:-1], strict=True)
        ]
        for row in days.rows
    ]
    columns = [
        {
            "x": _near(_LEFT + width * at),
            "width": _near(width * Decimal("0.82")),
            "parts": _stacked(stack, kinds, y, words[at]),
        }
        for at, stack in enumerate(stacks)
    ]
    return drawn(
        "days.svg.j2",
        title=days.title,
        view=(_WIDTH, _HEIGHT),
        edges=(_LEFT, _WIDTH - _RIGHT),
        columns=columns,
        ticks=[(str(y(minor)), _whole(minor, days.currency)) for minor in range(bottom, top + 1, step)],
        dates=[(_near(_LEFT + width * (at + Decimal("0.41"))), _day(row[0])) for at, row in enumerate(days.rows)],
        base=str(y(0)),
        series=_labels(heads, kinds),
    )


def _whole(minor: int, currency: str) -> str:
    """An amount on the axis, without decimals that are all zeros."""
    digits = minor_digits(currency)
    return show(minor, currency).removesuffix("." + "0" * digits) if digits else show(minor, currency)


def _near(value: Decimal) -> str:
    return str(value.quantize(Decimal("0.01")))


def _scale(highest: int, lowest: int) -> tuple[int, int]:
    """The top of the axis and the distance of its lines: 1, 2 or 5 times a power of ten."""
    reach = max(highest - lowest, 1)
    step = 1
    while True:
        for times in _STEPS:
            if step * times * _TICKS >= reach:
                step *= times
                return max(-(-highest // step) * step, step), step
        step *= 10


def _kind(head: str, at: int) -> str:
    if is_rest(head):
        return UNALLOCATED
    return "others" if head == EVERYTHING_ELSE else f"s{at % 6}"


def _stacked(
    stack: Sequence[int], kinds: Sequence[str], y: Callable[[int], Decimal], words: Sequence[str]
) -> list[Segment]:
    up = down = 0
    parts = []
    for minor, kind, said in zip(stack, kinds, words, strict=True):
        if not minor:
            continue
        low, high = (up, up + minor) if minor > 0 else (down + minor, down)
        up, down = (high, down) if minor > 0 else (up, low)
        upper = y(high)
        parts.append(Segment(kind, str(upper), str(y(low) - upper), said))
    return parts


def _labels(heads: Sequence[str], kinds: Sequence[str]) -> list[Series]:
    """The owners in the order of the stack, from its top down, evenly, so that no label covers another."""
    pairs = list(zip(heads, kinds, strict=True))[::-1]
    return [Series(head, kind, _TOP + _LABEL_HEIGHT * (at + 1)) for at, (head, kind) in enumerate(pairs)]


def _day(cell: Cell) -> str:
    return str(cell.day) if isinstance(cell, date) else str(cell)
