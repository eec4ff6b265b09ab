"""List prices as the control plane hands them to the workers, and what a call comes to at them: a metered estimate.

A worker does not look prices up: it asks for those of a model when it first meets it, and has them within a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Rate(NamedTuple):
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
            found = _picos(rates, part, calls=0 if number else 1)
            if isinstance(found, str):
                return found
            picos += found
        return (2 * picos * self.usd_nano + _PICOS_A_NANO * _PARTS) // (2 * _PICOS_A_NANO * _PARTS)


def _picos(rates: Sequence[Rate], part: Part, *, calls: int) -> int | str:
    size = part.tokens - part.output
    rate = next(rate for rate in reversed(rates) if size > rate.above or not rate.above)
    if rate.unpriced:
        return rate.unpriced
    found = rate.request_picos * calls
    for name, tokens in zip(_PRICED_AS, part.buckets, strict=True):
        if tokens:
            price = rate.picos.get(name)
            if price is None:
                return f"no price for {name.replace('_', ' ')} tokens"
            found += tokens * price
    return found


def to_rows(tariff: Tariff) -> list[dict[str, Any]]:
    """Prices as the control plane hands them over."""
    return [
        {"priced": list(priced), "rates": [rate._asdict() for rate in rates]} for priced, rates in tariff.rates.items()
    ]


def from_rows(rows: Sequence[Mapping[str, Any]], usd_nano: int) -> Tariff:
    """Prices from what `to_rows` made."""
    rates = {Priced(*row["priced"]): tuple(Rate(**rate) for rate in row["rates"]) for row in rows}
    return Tariff(rates, usd_nano)
