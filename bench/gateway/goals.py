"""What the gateway is to reach, and whether it does: each figure from this run, none written down beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from measuring import Found, Killed, Window

_OURS, _PLAIN, _DIRECT = "apportion", "nginx", "direct"
_MIB = 1024
# A worker that has seen so many calls has met everything that it keeps.
_WARM_CALLS = 100_000
_CALLS_PER_CORE = 8_000
_MOST_BYTES = 60_000_000
_FLAT_MIB = 2.0


class Goal(NamedTuple):
    """One thing to reach.

    Attributes:
        says: What.
        measured: The figures.
        met: Whether; None where it was not measured.
    """

    says: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "met", False: "NOT MET", None: "not measured"}[self.met]


class Ratios(NamedTuple):
    """A cost beside another.

    Attributes:
        best: The cheapest round of one over the cheapest of the other.
        middle: The median of what each round says by itself.
    """

    best: float
    middle: float

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Ratios | None:
        """None where one of them was not measured."""
        if not ours or not theirs or not all(theirs):
            return None
        return cls(min(ours) / min(theirs), median(a / b for a, b in zip(ours, theirs, strict=True)))

    def __str__(self) -> str:
        return f"{self.middle:.2f} at the median, {self.best:.2f} at best"


def added_us(times: Sequence[int], direct: Sequence[int]) -> float:
    """Microseconds that a side adds: the median over the rounds of its own less the upstream's."""
    return median(a - b for a, b in zip(times, direct, strict=True))


def goals(
    found: dict[str, Found], killed: Sequence[Killed], windows: Sequence[Window], recorded: int | None
) -> list[Goal]:
    """Every goal, in the order in which they are written.

    Args:
        found: By the side's name.
        killed: Each gateway that was killed.
        windows: Of the long run; none where there was none.
        recorded: Lines of the log of the gateway that was measured; None where it was not.
    """
    made: list[Goal] = []
    ours = found.get(_OURS)
    if ours is not None:
        plain, direct = found.get(_PLAIN), found[_DIRECT]
        made += [*_beside_nginx(ours, plain, 3.0, 1.6), *_beside_peers(ours, found), *_added(ours, direct, 1.0)]
        made += [*_alone(ours), *_whole(ours, recorded)]
    made += [_kept(killed), _flat(windows)]
    if ours is not None:
        further = [*_beside_nginx(ours, plain, 2.0, 1.25), *_added(ours, direct, 0.4)]
        made += [goal._replace(says=f"further: {goal.says}") for goal in further]
    return made


def _beside_nginx(ours: Found, plain: Found | None, call: float, stream: float) -> list[Goal]:
    """Of CPU, at most so many times that of a plain proxy."""
    made = []
    for what, most, mine, theirs in (
        ("JSON call", call, ours.call_ms, plain.call_ms if plain else ()),
        ("paced stream", stream, ours.stream_ms, plain.stream_ms if plain else ()),
    ):
        ratios = Ratios.of(mine, theirs)
        met = None if ratios is None else max(ratios) <= most
        made.append(Goal(f"at most {most} times nginx's CPU per {what}", str(ratios or "nginx was not measured"), met))
    return made


def _beside_peers(ours: Found, found: dict[str, Found]) -> list[Goal]:
    made = []
    for peer, least in (("LiteLLM pass", 100), ("LiteLLM chat", 100), ("Portkey", 15)):
        ratios = Ratios.of(found[peer].call_ms, ours.call_ms) if peer in found else None
        met = None if ratios is None else min(ratios) >= least
        measured = str(ratios or "it was not measured")
        made.append(Goal(f"at least {least} times less CPU per JSON call than {peer}", measured, met))
    return made


def _added(ours: Found, direct: Found, most: float) -> list[Goal]:
    """Of waiting, at most so many milliseconds more."""
    made = []
    for what, mine, theirs in (
        ("at the median", ours.median_us, direct.median_us),
        ("to the first byte", ours.first_us, direct.first_us),
    ):
        added = added_us(mine, theirs) / 1000
        made.append(Goal(f"at most {most:g} ms added {what}", f"{added:.2f} ms", added <= most))
    return made


def _alone(ours: Found) -> list[Goal]:
    each_core = 1000 / median(ours.call_ms)
    beside = f"{each_core:,.0f} per CPU second; {median(ours.calls_a_second):,.0f}/s beside load and upstream"
    held = ours.pss_last_kib[ours.server]
    return [
        Goal("at least 8,000 calls/s per core", beside, each_core >= _CALLS_PER_CORE),
        Goal("under 60 MB per worker", f"{held / _MIB:.0f} MiB after {ours.served:,} calls", held * 1024 < _MOST_BYTES),
    ]


def _whole(ours: Found, recorded: int | None) -> list[Goal]:
    bytes_ = Goal(
        "0 body bytes changed", f"{ours.other_bytes:,} of {ours.looked_at:,} answers differ", not ours.other_bytes
    )
    each = Goal(
        "one record for each call", f"{recorded or 0:,} records, {ours.served:,} calls reached the upstream",
        None if recorded is None else recorded == ours.served,
    )  # fmt: skip
    return [bytes_, each]


def _kept(killed: Sequence[Killed]) -> Goal:
    lost, released = sum(each.lost for each in killed), sum(each.released for each in killed)
    times = "once" if len(killed) == 1 else f"{len(killed)} times"
    measured = f"{lost:,} lost of {released:,} released, killed {times}" if killed else "nothing was killed"
    return Goal("0 calls lost on kill -9", measured, not lost if released else None)


def _flat(windows: Sequence[Window]) -> Goal:
    says = "memory flat over a million calls"
    warm = next((window for window in windows if window.calls >= _WARM_CALLS), None)
    if warm is None:
        return Goal(says, "asked for with --soak", None)
    last = windows[-1]
    grown = (last.private_kib - warm.private_kib) / _MIB
    measured = f"{grown:+.1f} MiB from {warm.calls:,} to {last.calls:,} calls, {last.private_kib / _MIB:.0f} MiB then"
    return Goal(says, measured, grown <= _FLAT_MIB)
