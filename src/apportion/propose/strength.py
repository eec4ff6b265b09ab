"""How strongly counted calls say that something is somebody's: exact enough that every machine decides alike."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

# Of a normal distribution, two-sided 95 %.
_Z = Decimal("1.959963984540054")
_DIGITS = 28


def lower_bound(agree: int, counted: int) -> Decimal:
    """The lower end of Wilson's 95 % interval for a share.

    Few calls prove little, however well they agree: 35 of 35 are needed for 0.90.

    Args:
        agree: How many of those counted agree.
        counted: How many there are.

    Returns:
        Between 0 and 1; 0 where nothing agrees.
    """
    if agree <= 0:
        return Decimal(0)
    with localcontext(prec=_DIGITS):
        n, share, squared = Decimal(counted), Decimal(agree) / counted, _Z * _Z
        spread = _Z * (share * (1 - share) / n + squared / (4 * n * n)).sqrt()
        return max((share + squared / (2 * n) - spread) / (1 + squared / n), Decimal(0))


def entropy(counts: Iterable[int], kinds: int) -> Decimal:
    """How mixed counts are: 0 if all are of one kind, 1 if all kinds have the same.

    Args:
        counts: Of each kind that is there.
        kinds: How many kinds there could be.
    """
    found = [count for count in counts if count > 0]
    total = sum(found)
    if kinds < 2 or len(found) < 2:  # noqa: PLR2004 - one kind is never mixed
        return Decimal(0)
    with localcontext(prec=_DIGITS):
        shares = [Decimal(count) / total for count in found]
        return -sum((share * share.ln() for share in shares), Decimal(0)) / Decimal(kinds).ln()
