"""Weights as people count them: GPU-hours, tokens, person-days, list price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from apportion.money import minor_digits, nano_digits

_MICRO_DIGITS = 6
_SHARE_DIGITS = 9
# Digits after the point, by what a pool's basis says.
LIST_COSTS: Mapping[str, int] = {"list cost": 12, "list cost in nano-units": 9}
_MOST_SHOWN = 4
# Counted in whole units already.
_WHOLE = frozenset(
    {
        "",
        "tokens",
        "requests",
        "active users",
        "person-days",
        "heads at month end",
        "its own evidence",
        "no usage",
        "none",
    }
)


@dataclass(frozen=True)
class Measure:
    """What a pool was divided by.

    Attributes:
        method: Of the pool.
        basis: What its weights are, as `gpu_hours` or `list cost`.
        fallback: The fallback that was used instead, if one was.
        currency: The ledger currency, which costs that weigh are in.
    """

    method: str
    basis: str
    fallback: str
    currency: str

    @property
    def digits(self) -> int:
        """How many decimals the integer weights have.

        Meters keep millionths (D12), list cost pico-units (nano-units where a pool's sum would be too large),
        written shares and larger shares of several meters nine digits, attributed cost the ledger's minor units
        and the cost in an invoice its nano-units.
        """
        if self.fallback:
            return _SHARE_DIGITS if self.fallback.startswith("fixed") else 0
        if self.basis in _WHOLE or self.method == "even":
            return 0
        if self.basis in LIST_COSTS:
            return LIST_COSTS[self.basis]
        if self.basis == "attributed cost":
            return minor_digits(self.currency)
        if self.basis.endswith("cost in the invoice"):
            return nano_digits(self.currency)
        several = " and " in self.basis
        return _SHARE_DIGITS if several or self.basis == "written shares" else _MICRO_DIGITS

    @property
    def words(self) -> str:
        """Method and weight: `proportional by gpu-hours`, `headcount by person-days`."""
        name = self.fallback or self.basis.replace("_", "-")
        if not name or name in (self.method, "none"):
            return self.method
        return f"{self.method}, fallback {name}" if self.fallback else f"{self.method} by {name}"

    @property
    def unit_words(self) -> str:
        """What is counted: `gpu-hours`, `person-days`; nothing where it has no name."""
        name = self.fallback or self.basis.replace("_", "-")
        return "" if name in (self.method, "none") else name

    def counted(self, weight: int | None) -> Decimal | None:
        """A weight in the unit people count it in, without trailing zeros; None stays None."""
        if weight is None:
            return None
        short = round(Decimal(weight).scaleb(-self.digits), _MOST_SHOWN)
        return round(short, max(-int(short.normalize().as_tuple().exponent), 0))
