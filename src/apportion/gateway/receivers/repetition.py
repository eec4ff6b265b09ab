"""Which spans tell of a call that another span of the same message tells of, too.

An instrumented framework calls an instrumented client: both say what the call used. The client's span, which is the one
below, counts, unless it does not know the usage and the framework's does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

Key = tuple[str, str]


class Weight(NamedTuple):
    """What decides between two spans.

    Attributes:
        tells: Whether it tells the usage.
        failed: Whether the call did, as far as it knows.
    """

    tells: bool
    failed: bool


class Found(NamedTuple):
    """What comes of it.

    Attributes:
        repeated: Spans that do not count.
        above: The next span of a call above each, where it is about the same call.
    """

    repeated: frozenset[Key]
    above: Mapping[Key, Key]


def repetition(
    parents: Mapping[Key, Key], weights: Mapping[Key, Weight], same_call: Callable[[Key, Key], bool]
) -> Found:
    """Find the spans that repeat others; in time that grows with the spans, however they are nested.

    Args:
        parents: Of every span of the message that has one.
        weights: Of the spans that tell of calls.
        same_call: Whether a span and one below it can be about the same call.
    """
    above = {below: up for below, up in _above(parents, weights).items() if same_call(up, below)}
    # Spans that are each other's parents are not among these, and nobody's repetition.
    upwards = _upwards(above)
    told_below: set[Key] = set()
    has_below: set[Key] = set()
    for key in upwards:
        up = above.get(key)
        if up is not None:
            has_below.add(up)
            if weights[key].tells or key in told_below:
                told_below.add(up)
    repeated = {key for key in upwards if key in told_below or (key in has_below and not weights[key].tells)}
    told_above: set[Key] = set()
    for key in reversed(upwards):
        up = above.get(key)
        if up is None:
            continue
        if up in told_above or (weights[up].tells and up not in told_below):
            told_above.add(key)
            if not weights[key].tells and not weights[key].failed:
                repeated.add(key)
    return Found(frozenset(repeated), above)


def _above(parents: Mapping[Key, Key], calls: Mapping[Key, Weight]) -> dict[Key, Key]:
    """The next span of a call above each."""
    known: dict[Key, Key | None] = {}
    found: dict[Key, Key] = {}
    for key in calls:
        path: set[Key] = set()
        at = parents.get(key)
        while at is not None and at not in calls and at not in known and at not in path:
            path.add(at)
            at = parents.get(at)
        up = at if at is not None and at in calls else known.get(at) if at is not None else None
        known.update(dict.fromkeys(path, up))
        if up is not None:
            found[key] = up
    return found


def _upwards(above: Mapping[Key, Key]) -> list[Key]:
    """All spans that these links join, each behind those below it; without those that stand in a circle."""
    waiting: dict[Key, int] = {}
    for key, up in above.items():
        waiting.setdefault(key, 0)
        waiting[up] = waiting.get(up, 0) + 1
    ready = deque(key for key, number in waiting.items() if not number)
    found = []
    while ready:
        key = ready.popleft()
        found.append(key)
        if key in above:
            up = above[key]
            waiting[up] -= 1
            if not waiting[up]:
                ready.append(up)
    return found
