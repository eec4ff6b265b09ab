"""Metrics as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.0 for who asks for that.

Sources: Prometheus, Exposition formats; OpenMetrics 1.0.0; both read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from apportion.gateway.metrics import BOUNDS, FAMILIES, PREFIX, Family
from apportion.gateway.tallies import Series

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_OPEN: Final = "application/openmetrics-text"
# Of one process and not of the gateway.
_UNSHOWN: Final = frozenset({"ready", "beat"})


class Known(NamedTuple):
    """What the supervisor knows beside what was counted.

    Attributes:
        version: Of the program.
        python: That runs it.
        started_at: When the gateway was started, in seconds of the epoch.
    """

    version: str
    python: str
    started_at: float


def wants_open_metrics(accept: str) -> bool:
    """Whether a scraper would rather have OpenMetrics than the older text."""
    best = {_OPEN: 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        version = next((each[8:] for each in parameters if each.startswith("version=")), "")
        if name not in best or (name == _OPEN and version not in {"", "1.0.0", "0.0.1"}):
            continue
        try:
            best[name] = max(best[name], float(weight))
        except ValueError:
            continue
    return best[_OPEN] > 0 and best[_OPEN] >= best["text/plain"]


def summed(parts: Iterable[Mapping[Series, Sequence[int]]], *, living: Sequence[bool]) -> dict[Series, list[int]]:
    """What all parts together have.

    Args:
        parts: What each process has counted.
        living: Whether each still runs; of one that does not, what it had at the moment is over.
    """
    found: dict[Series, list[int]] = {}
    for part, lives in zip(parts, living, strict=True):
        for series, values in part.items():
            family = FAMILIES.get(series[0])
            if family is None or series[0] in _UNSHOWN or (family.kind == "gauge" and not lives):
                continue
            before = found.get(series)
            found[series] = [old + new for old, new in zip(before, values, strict=True)] if before else list(values)
    return found


def render(sums: Mapping[Series, Sequence[int]], known: Known, *, open_metrics: bool) -> bytes:
    """The whole answer to a scrape.

    Args:
        sums: Of all parts.
        known: Beside them.
        open_metrics: Whether it is OpenMetrics.
    """
    lines: list[str] = []
    by_family: dict[str, list[Series]] = {}
    for series in sorted(sums):
        by_family.setdefault(series[0], []).append(series)
    for name, family in FAMILIES.items():
        if name in by_family:
            lines += _head(_full(name, family), family, open_metrics=open_metrics)
            for series in by_family[name]:
                lines += _samples(name, family, series[1:], sums[series])
    build = Family("gauge", "Which version runs; the value is always 1.", ("version", "python"))
    lines += _head("apportion_build_info", build, open_metrics=open_metrics)
    lines.append(f"apportion_build_info{_labels(build.labels, (known.version, known.python))} 1")
    start = Family("gauge", "When the gateway was started, in seconds of the epoch.", unit="seconds")
    lines += _head("process_start_time_seconds", start, open_metrics=open_metrics)
    lines.append(f"process_start_time_seconds {known.started_at:.3f}")
    if open_metrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _full(name: str, family: Family) -> str:
    return f"{PREFIX}{name}_{family.unit}" if family.unit else PREFIX + name


def _head(name: str, family: Family, *, open_metrics: bool) -> Iterator[str]:
    # OpenMetrics names the family of a counter without the `_total` of its samples.
    shown = name if open_metrics or family.kind != "counter" else f"{name}_total"
    yield f"# HELP {shown} {family.tells}"
    yield f"# TYPE {shown} {family.kind}"
    if open_metrics and family.unit:
        yield f"# UNIT {shown} {family.unit}"


def _samples(name: str, family: Family, labels: Series, values: Sequence[int]) -> Iterator[str]:
    full = _full(name, family)
    if family.kind == "histogram":
        yield from _buckets(full, family, labels, values)
        return
    shown = f"{full}_total" if family.kind == "counter" else full
    yield f"{shown}{_labels(family.labels, labels)} {_number(values[0], family.scale)}"


def _buckets(full: str, family: Family, labels: Series, values: Sequence[int]) -> Iterator[str]:
    names = (*family.labels, "le")
    count = 0
    for bound, value in zip((*BOUNDS, None), values[:-1], strict=True):
        count += value
        edge = "+Inf" if bound is None else _edge(bound, family.scale)
        yield f"{full}_bucket{_labels(names, (*labels, edge))} {count}"
    yield f"{full}_sum{_labels(family.labels, labels)} {_number(values[-1], family.scale)}"
    yield f"{full}_count{_labels(family.labels, labels)} {count}"


def _edge(bound: int, scale: float) -> str:
    """A bound as OpenMetrics writes a number with a point."""
    return repr(float(f"{bound * scale:.6g}"))


def _number(value: int, scale: float) -> str:
    return str(value) if scale == 1 else f"{value * scale:.3f}"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
