"""List prices as the control plane hands them to the workers, and what a call comes to at them: a metered estimate.

A worker does not look prices up: it asks for those of a model when it first meets it, and has them within a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from apportion.gateway.meters.measure import BUCKETS, Part

_PICOS_A_NANO: Final = 1000
_PARTS: Final = 10**9
# The price book's name of each bucket; shorter and longer times of a cache are priced as the nearest that has one.
_PRICED_AS: Final = tuple(
    "cache_write_other" if name in {"cache_write_30m", "cache_write_12h"} else name for name in BUCKETS
)


class Priced(NamedTuple):
    """What decides a price, beside the day.

    Attributes:
        provider: As OpenTelemetry names it.
        model: As the answer, or else the request, names it.
        service_tier: That served.
        batch: Whether it is billed as a batch.
        region: Where it ran.
        speed: The provider's speed mode.
    """

    provider: str
    model: str
    service_tier: str | None = None
    batch: bool = False
    region: str | None = None
    speed: str | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A list price.

    Attributes:
        above: For calls with more input tokens than this.
        picos: Per token and bucket, in 10^-12 USD; a bucket without a known price is not in it.
        request_picos: For each call.
        unpriced: Why there is none; empty where there is one.
    """

    above: int
    picos: Mapping[str, int]
    request_picos: int = 0
    unpriced: str = ""
    # In the order of the buckets: the prices, 0 where there is none, and where that is.
    _prices: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _unknown: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prices", tuple(self.picos.get(name, 0) for name in _PRICED_AS))
        object.__setattr__(self, "_unknown", tuple(i for i, name in enumerate(_PRICED_AS) if name not in self.picos))

    def of(self, part: Part) -> int | str:
        """What the tokens of a part of a call come to, in 10^-12 USD, or why that is not known."""
        if self.unpriced:
            return self.unpriced
        tokens = part.buckets
        for number in self._unknown:
            if tokens[number]:
                return f"no price for {_PRICED_AS[number].replace('_', ' ')} tokens"
        return sum(count * price for count, price in zip(tokens, self._prices, strict=True) if count)

    def said(self) -> dict[str, Any]:
        """As the control plane hands it over."""
        return {"above": self.above, "picos": dict(self.picos), "request_picos": self.request_picos,
                "unpriced": self.unpriced}  # fmt: skip


class Tariff(NamedTuple):
    """Every price that was asked for.

    Attributes:
        rates: By what decides it, ascending in `above`.
        usd_nano: What one USD is in the ledger currency, in nano-units.
    """

    rates: Mapping[Priced, Sequence[Rate]] = {}
    usd_nano: int = _PARTS

    def nano(self, asked: Priced, parts: Sequence[Part]) -> int | str | None:
        """What parts of a call come to, in nano-units of the ledger currency.

        Returns:
            The amount, rounded half up once; why there is none; or None where the price has not been asked for.
        """
        rates = self.rates.get(asked)
        if rates is None:
            return None
        picos = 0
        for number, part in enumerate(parts):
            rate = rates[0] if len(rates) == 1 else _rate(rates, part.tokens - part.output)
            found = rate.of(part)
            if isinstance(found, str):
                return found
            picos += found if number else found + rate.request_picos
        return (2 * picos * self.usd_nano + _PICOS_A_NANO * _PARTS) // (2 * _PICOS_A_NANO * _PARTS)


def _rate(rates: Sequence[Rate], input_tokens: int) -> Rate:
    return next(rate for rate in reversed(rates) if input_tokens > rate.above or not rate.above)


def to_rows(tariff: Tariff) -> list[dict[str, Any]]:
    """Prices as the control plane hands them over."""
    return [
        {"priced": list(priced), "rates": [rate.said() for rate in rates]} for priced, rates in tariff.rates.items()
    ]


def from_rows(rows: Sequence[Mapping[str, Any]], usd_nano: int) -> Tariff:
    """Prices from what `to_rows` made."""
    rates = {Priced(*row["priced"]): tuple(Rate(**rate) for rate in row["rates"]) for row in rows}
    return Tariff(rates, usd_nano)
