"""The figures as people and programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from goals import Goal, Ratios, added_us
from measuring import Found, Killed, Window

_NONE = "-"


def table(found: dict[str, Found], killed: Sequence[Killed]) -> str:
    """One column for each side."""
    direct, plain = found["direct"], found.get("nginx")
    plain_calls, plain_streams = (plain.call_ms, plain.stream_ms) if plain else ([], [])
    none = dict.fromkeys(found, _NONE)
    proxies = {name: each for name, each in found.items() if each is not direct}
    lost, released = sum(each.lost for each in killed), sum(each.released for each in killed)
    rows: dict[str, dict[str, str]] = {
        "CPU ms per JSON call, median": {name: _short(median(each.call_ms)) for name, each in found.items()},
        "of a call in the kernel, median": {name: _short(median(each.call_kernel_ms)) for name, each in found.items()},
        "CPU ms per JSON call, best": {name: _short(min(each.call_ms)) for name, each in found.items()},
        "times nginx per JSON call": {name: _times(each.call_ms, plain_calls) for name, each in found.items()},
        "CPU ms per paced stream, median": {name: _short(median(each.stream_ms)) for name, each in found.items()},
        "of a stream in the kernel, median": {
            name: _short(median(each.stream_kernel_ms)) for name, each in found.items()
        },
        "CPU ms per paced stream, best": {name: _short(min(each.stream_ms)) for name, each in found.items()},
        "times nginx per paced stream": {name: _times(each.stream_ms, plain_streams) for name, each in found.items()},
        "JSON calls per CPU second": {name: f"{1000 / median(each.call_ms):,.0f}" for name, each in found.items()},
        "ms added at the median": {
            name: _short(added_us(each.median_us, direct.median_us) / 1000) for name, each in proxies.items()
        },
        "ms added to the first byte": {
            name: _short(added_us(each.first_us, direct.first_us) / 1000) for name, each in proxies.items()
        },
        "MiB of the worker at its start": {name: _mib(each.pss_first_kib, each.server) for name, each in found.items()},
        "MiB of the worker in the end": {name: _mib(each.pss_last_kib, each.server) for name, each in found.items()},
        "calls by then": {name: f"{each.served:,}" for name, each in found.items()},
        "body bytes changed": {name: "yes" if each.other_bytes else "no" for name, each in found.items()},
        "answers lost on kill -9": {"apportion": f"{lost:,} of {released:,}"} if killed else {},
    }
    lines = [[says, *({**none, **row}[name] for name in found)] for says, row in rows.items()]
    return _aligned([["", *found], *lines], figures=True)


def verdicts(made: Sequence[Goal]) -> str:
    """One line for each goal."""
    return _aligned(
        [["Goal", "Measured", ""], *([goal.says, goal.measured, goal.verdict] for goal in made)], figures=False
    )


def long_run(windows: Sequence[Window]) -> str:
    """One line for each part of the long run."""
    rows = [
        [f"{each.calls:,}", f"{each.pss_kib / 1024:.1f}", f"{each.private_kib / 1024:.1f}", f"{each.call_ms:.3f}"]
        for each in windows
    ]
    return _aligned([["Calls so far", "MiB of the worker", "of it private", "CPU ms per call"], *rows], figures=True)


def notes(found: dict[str, Found], missing: dict[str, str]) -> str:
    """What each side is, what went wrong with it, and which are missing and why."""
    lines = []
    for name, each in found.items():
        odd = []
        if each.failed:
            odd.append(f"{each.failed:,} calls failed, so its figures say little")
        if each.restless:
            odd.append(f"still at work {each.restless} times when its turn was over: its CPU is told too low")
        beside = sum(each.pss_last_kib.values()) - each.pss_last_kib.get(each.server, 0)
        if beside:
            odd.append(f"{beside / 1024:.0f} MiB in processes beside the worker")
        lines.append(f"- {name}: {'; '.join([each.side.what, *odd])}.")
    lines += [f"- {name}: not measured, because {why}." for name, why in missing.items()]
    return "\n".join(lines)


def as_json(found: dict[str, Found], made: Sequence[Goal], killed: Sequence[Killed], windows: Sequence[Window],
            missing: dict[str, str], machine: str) -> dict[str, Any]:  # fmt: skip
    """Every figure of every round."""
    sides = {}
    for name, each in found.items():
        says = {key: value for key, value in vars(each).items() if key not in {"side", "server"}}
        sides[name] = {"what": each.side.what, **says, "server": each.server}
    return {
        "machine": machine,
        "sides": sides,
        "missing": missing,
        "killed": [each._asdict() for each in killed],
        "long_run": [each._asdict() for each in windows],
        "goals": [{"says": goal.says, "measured": goal.measured, "met": goal.met} for goal in made],
    }


def _times(ours: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = Ratios.of(ours, theirs)
    return _NONE if ratios is None else _short(ratios.middle)


def _mib(kib: dict[int, int], process: int) -> str:
    return f"{kib[process] / 1024:.0f}" if process in kib else _NONE


def _short(number: float) -> str:
    """Three digits that say something."""
    digits = 3 if abs(number) < 1 else 2 if abs(number) < 10 else 1 if abs(number) < 100 else 0
    return f"{number:,.{digits}f}"


def _aligned(rows: list[list[str]], *, figures: bool) -> str:
    """A Markdown table that reads well in a terminal, too; figures to the right, except in the first column."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [figures and column > 0 for column in range(len(widths))]

    def line(cells: list[str]) -> str:
        placed = zip(cells, widths, right, strict=True)
        return f"| {' | '.join(cell.rjust(width) if at_end else cell.ljust(width) for cell, width, at_end in placed)} |"

    marks = ["-" * (width - 1) + (":" if at_end else "-") for width, at_end in zip(widths, right, strict=True)]
    return "\n".join(line(row) for row in [rows[0], marks, *rows[1:]])
