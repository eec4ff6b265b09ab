"""Finds circles among things that need or feed each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Circles of a directed graph, one for each step back that a walk in written order meets.

    Args:
        edges: For each name, the names it leads to; names without an entry lead nowhere.

    Returns:
        Each circle as the names along it, the first one again at the end.
    """
    found: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        # The walk keeps its own stack: a chain of rules may be longer than Python's.
        path: list[str] = [start]
        onward = [iter(edges.get(start, ()))]
        while path:
            after = next(onward[-1], None)
            if after is None:
                done.add(path.pop())
                onward.pop()
            elif after in path:
                found.append([*path[path.index(after) :], after])
            elif after not in done:
                path.append(after)
                onward.append(iter(edges.get(after, ())))
    return found
