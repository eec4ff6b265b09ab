"""Limits: how much of what may be used by whom in which period, and what happens to the calls beyond it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from apportion.gateway.tariff import Tariff, from_rows, to_rows
from apportion.gateway.windows import Per, shown, window

Unit = Literal["calls", "tokens", "money"]
AtLimit = Literal["warn", "throttle", "block"]

# What stands where a call does not carry what its limit tells apart: such calls share a counter.
NOBODY: Final = "(none)"
NANO: Final = 10**9


class Limit(NamedTuple):
    """A limit.

    Attributes:
        name: For people.
        unit: What is counted.
        most: That may be used, in calls, tokens or nano-units of the ledger currency.
        per: The calendar period.
        only: What a call must carry to be counted; all of it.
        each: What tells counters apart: one for each value, or one for each set of values.
        at_limit: What happens to calls beyond it.
        warn_percent: At which share of it is told.
        pace_seconds: Between two calls that are let through beyond it, where it throttles.
    """

    name: str
    unit: Unit
    most: int
    per: Per
    only: Mapping[str, str] = {}
    each: tuple[str, ...] = ()
    at_limit: AtLimit = "block"
    warn_percent: int = 80
    pace_seconds: float = 10.0

    def values(self, facts: Mapping[str, str]) -> tuple[str, ...] | None:
        """Whose counter a call has; None where the limit does not concern it.

        Args:
            facts: What the call carries: its tags, and `key`, `provider`, `model` and `user`.
        """
        for name, value in self.only.items():
            if facts.get(name) != value:
                return None
        return tuple([facts.get(name) or NOBODY for name in self.each])

    def amount(self, number: int, currency: str) -> str:
        """A number of what it counts, for people."""
        if self.unit != "money":
            return f"{number:,} {self.unit}"
        sign, whole = "-" if number < 0 else "", abs(number)
        return f"{sign}{currency} {whole // NANO:,}.{whole % NANO // 10**7:02d}"


class Counter(NamedTuple):
    """Which counter of a limit is meant.

    Attributes:
        key: Of 16 bytes.
        start: Of its period, in seconds of the epoch.
        ends: The end of its period, in seconds of the epoch.
        label: The limit's name, its unit, the period as people write it, and each value.
    """

    key: bytes
    start: float
    ends: float
    label: tuple[str, ...]


@lru_cache(maxsize=16384)
def _counter(name: str, unit: str, per: Per, values: tuple[str, ...], start: float, end: float, text: str) -> Counter:
    # What the period is called is in no key: the same instants are the same period in any time zone.
    said = "\0".join((name, unit, per, str(int(start)), *values))
    key = hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return Counter(key, start, end, (name, unit, text, *values))


class Held(NamedTuple):
    """What a call has reserved of one counter.

    Attributes:
        limit: Whose it is.
        counter: Which.
        reserved: How much.
    """

    limit: Limit
    counter: Counter
    reserved: int


class Hold(NamedTuple):
    """What a call has reserved.

    Attributes:
        held: Of each counter.
        over: Names of limits that it is beyond and that only warn.
    """

    held: Sequence[Held]
    over: tuple[str, ...] = ()


class Calendar:
    """The periods of now, worked out again when one of them ends.

    Args:
        zone: Of the project.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._windows: dict[Per, tuple[float, float, str]] = {}

    def counter(self, limit: Limit, values: tuple[str, ...], now: float) -> Counter:
        """The counter of a limit for some values in the period of now."""
        found = self._windows.get(limit.per)
        if found is None or not found[0] <= now < found[1]:
            current = window(limit.per, now, self._zone)
            found = self._windows[limit.per] = (*current, shown(current, limit.per, self._zone))
        return _counter(limit.name, limit.unit, limit.per, values, *found)


class Budget(NamedTuple):
    """What the control plane tells the workers of limits.

    Attributes:
        limits: In the order of the settings.
        zone: The project's time zone, by its name.
        currency: Of the ledger.
        tariff: List prices.
        offsets: What runs have corrected, by the hex of a counter's key.
    """

    limits: tuple[Limit, ...] = ()
    zone: str = "UTC"
    currency: str = "USD"
    tariff: Tariff = Tariff()
    offsets: Mapping[str, int] = {}


def to_said(budget: Budget) -> dict[str, Any]:
    """A budget as the control plane hands it over."""
    return {
        "limits": [limit._asdict() for limit in budget.limits],
        "zone": budget.zone,
        "currency": budget.currency,
        "rates": to_rows(budget.tariff),
        "usd_nano": budget.tariff.usd_nano,
        "offsets": dict(budget.offsets),
    }


def from_said(said: Mapping[str, Any]) -> Budget:
    """A budget from what `to_said` made."""
    limits = tuple(Limit(**row | {"each": tuple(row["each"])}) for row in said["limits"])
    tariff = from_rows(said["rates"], said["usd_nano"])
    return Budget(limits, said["zone"], said["currency"], tariff, said["offsets"])
