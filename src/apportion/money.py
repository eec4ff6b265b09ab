"""Money as integers: minor units in the books, nano-units inside the engine.

`split` divides by weights; `apportion` rounds parts of either sign to a total. Both are largest
remainder, both keep sums exact (law L5), and both have a twin in SQL that must agree to the digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

# ISO 4217 minor-unit exponents that are not 2 (list one of the standard, read 2026-11-23).
_MINOR_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
        ],
        0,
    ),
    **dict.fromkeys(["XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    "CLF": 4,
    "UYW": 4,
}
# Active codes of ISO 4217 (list one of the standard, read 2026-11-23).
_CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD
    FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS
    KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
    MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR
    SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH
    UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list this long is read as a text
)


class NoWeightError(ValueError):
    """All weights are zero: there is nothing to divide by, and the caller decides what then."""


def is_currency(code: str) -> bool:
    """Whether a code is an active ISO 4217 currency."""
    return code in _CURRENCIES


def minor_digits(currency: str) -> int:
    """How many decimals the currency's minor unit has (USD 2, JPY 0, KWD 3)."""
    return _MINOR_DIGITS.get(currency, 2)


def nano_digits(currency: str) -> int:
    """How many decimals the engine keeps: 9, or 6 for currencies without a minor unit (D10)."""
    return 6 if minor_digits(currency) == 0 else 9


def nano_per_minor(currency: str) -> int:
    """How many of the engine's nano-units make one minor unit (USD 10,000,000; JPY 1,000,000)."""
    return int(10 ** (nano_digits(currency) - minor_digits(currency)))


def half_up(value: Decimal) -> int:
    """Round to a whole number, ties away from zero."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def half_up_div(numerator: int, denominator: int) -> int:
    """Divide integers and round to a whole number, ties away from zero."""
    quotient, rest = divmod(abs(numerator), abs(denominator))
    whole = quotient + (2 * rest >= abs(denominator))
    return whole if (numerator < 0) == (denominator < 0) else -whole


def to_minor(amount: Decimal, currency: str) -> int:
    """A decimal amount as whole minor units, rounded HALF_UP."""
    return half_up(amount.scaleb(minor_digits(currency)))


def from_minor(minor: int, currency: str) -> Decimal:
    """Minor units as an exact decimal amount."""
    return Decimal(minor).scaleb(-minor_digits(currency))


def show(minor: int | None, currency: str, *, sign: bool = False) -> str:
    """Minor units for people: `1,234.56`, a true minus sign, `n/a` for no amount.

    Args:
        minor: In minor units of the currency; None is an amount that does not exist (never 0).
        currency: ISO 4217; decides the decimals.
        sign: Also show a plus, as for changes.
    """
    if minor is None:
        return "n/a"
    text = f"{abs(from_minor(minor, currency)):,.{minor_digits(currency)}f}"
    if minor < 0:
        return "\N{MINUS SIGN}" + text
    return "+" + text if sign and minor > 0 else text


def split(amount: int, weights: Sequence[int], keys: Sequence[str] | None = None) -> list[int]:
    """Split an amount into whole units in proportion to weights.

    The shares add up to ``amount`` exactly (law L5). The magnitude is divided and the sign put back, so a
    refund undoes its charge recipient by recipient. Left-over units go to the largest fractions; ties
    go to the larger weight, then to the smaller key in UTF-8 bytes.

    Args:
        amount: In minor units of one currency (cents). May be negative.
        weights: One per claim, all in the same unit, none negative, at least one above zero.
        keys: Names that break the last tie. Without them the order of the weights does.

    Returns:
        Shares in minor units, in the order of ``weights``.

    Raises:
        NoWeightError: All weights are zero; the caller decides the fallback.
        ValueError: A weight is negative.
    """
    if any(weight < 0 for weight in weights):
        raise ValueError("a weight is negative")
    total = sum(weights)
    if total == 0:
        raise NoWeightError("all weights are zero")
    size, sign = abs(amount), -1 if amount < 0 else 1
    shares = [size * weight // total for weight in weights]
    rests = [size * weight % total for weight in weights]
    names = [key.encode() for key in keys] if keys is not None else [b""] * len(weights)
    order = sorted(range(len(weights)), key=lambda i: (-rests[i], -weights[i], names[i], i))
    for i in order[: size - sum(shares)]:
        shares[i] += 1
    return [sign * share for share in shares]


def apportion(total: int, parts: Sequence[int], keys: Sequence[str], unit: int) -> list[int]:
    """Round parts of mixed sign to whole units that add up to a given total (decision D5).

    Each part is truncated toward zero; then what is missing is handed out one unit at a time to the
    largest remainders of that sign, ties to the larger magnitude, then to the smaller key in UTF-8 bytes.

    Args:
        total: What the parts must add up to, in whole units; within one unit per part of their sum.
        parts: Exact amounts in fine units (nano-units), of either sign.
        keys: Names that break ties, one per part.
        unit: How many fine units make one whole unit.

    Returns:
        Whole units, in the order of ``parts``, adding up to ``total``.

    Raises:
        ValueError: The total is further from the parts than one unit for each of them.
    """
    whole = [abs(part) // unit * (-1 if part < 0 else 1) for part in parts]
    missing = total - sum(whole)
    step = -1 if missing < 0 else 1
    order = sorted(
        range(len(parts)),
        key=lambda i: (-max(step * (parts[i] - whole[i] * unit), 0), -abs(parts[i]), keys[i].encode()),
    )
    if abs(missing) > len(parts):
        raise ValueError(f"{missing} units are missing over {len(parts)} parts")
    for i in order[: abs(missing)]:
        whole[i] += step
    return whole
