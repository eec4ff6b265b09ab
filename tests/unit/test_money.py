"""Money as integers: splitting, apportioning, rounding and showing (laws L1 and L5)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apportion.money import (
    NoWeightError,
    apportion,
    from_minor,
    half_up,
    half_up_div,
    is_currency,
    minor_digits,
    nano_digits,
    nano_per_minor,
    show,
    split,
    to_minor,
)

# P1 names this range: up to a billion cents, 1 to 500 recipients, weights not all 0.
amounts = st.integers(-(10**9), 10**9)
weights = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=500).filter(any)
few = st.lists(st.integers(0, 10), min_size=1, max_size=8).filter(any)


@given(amounts, st.one_of(weights, few))
def test_p1_shares_add_up_to_the_amount(amount: int, given_weights: list[int]) -> None:
    shares = split(amount, given_weights)
    assert sum(shares) == amount
    assert all(share == 0 for share, weight in zip(shares, given_weights, strict=True) if not weight)


@given(amounts, st.one_of(weights, few))
def test_p2_a_refund_undoes_its_charge_recipient_by_recipient(amount: int, given_weights: list[int]) -> None:
    assert split(-amount, given_weights) == [-share for share in split(amount, given_weights)]


@given(amounts, few, st.randoms())
def test_p3_the_order_of_the_recipients_changes_nothing(amount: int, given_weights: list[int], random: object) -> None:
    keys = [f"k{n}" for n in range(len(given_weights))]
    pairs = list(zip(keys, given_weights, strict=True))
    random.shuffle(pairs)  # type: ignore[attr-defined]
    mixed = split(amount, [weight for _, weight in pairs], [key for key, _ in pairs])
    by_key = dict(zip([key for key, _ in pairs], mixed, strict=True))
    assert [by_key[key] for key in keys] == split(amount, given_weights, keys)


@given(amounts, st.one_of(weights, few))
def test_p4_every_share_is_less_than_one_unit_from_exact(amount: int, given_weights: list[int]) -> None:
    total = sum(given_weights)
    for share, weight in zip(split(amount, given_weights), given_weights, strict=True):
        assert abs(share - Fraction(amount * weight, total)) < 1


@given(amounts, few)
def test_more_weight_never_gets_less(amount: int, given_weights: list[int]) -> None:
    shares = [abs(share) for share in split(amount, given_weights)]
    ordered = sorted(zip(given_weights, shares, strict=True))
    assert [share for _, share in ordered] == sorted(shares)


@pytest.mark.parametrize(
    ("amount", "given_weights", "shares"),
    [
        (10_000, [1, 1, 1], [3_334, 3_333, 3_333]),
        (-10_000, [1, 1, 1], [-3_334, -3_333, -3_333]),
        (-4_000, [1, 1, 1], [-1_334, -1_333, -1_333]),
        (5, [30, 70], [1, 4]),
        (3_334, [25, 25, 25, 25], [834, 834, 833, 833]),
        (2, [1, 1, 1], [1, 1, 0]),
        (133_789, [41, 33, 26], [54_854, 44_150, 34_785]),
        (600_000, [300, 195, 300], [226_415, 147_170, 226_415]),
        (0, [1, 2], [0, 0]),
        (1, [0, 0, 1], [0, 0, 1]),
    ],
)
def test_worked_splits(amount: int, given_weights: list[int], shares: list[int]) -> None:
    assert split(amount, given_weights) == shares


def test_ties_go_to_the_larger_weight_then_to_the_key_in_utf_8_bytes() -> None:
    assert split(1, [1, 1], ["b", "a"]) == [0, 1]
    # In UTF-16 the emoji would come before the private-use letter; in UTF-8 it comes after.
    assert split(1, [1, 1], ["\N{PARTY POPPER}", "\uf8ff"]) == [0, 1]
    assert split(1, [1, 1], ["Z", "a"]) == [1, 0]


def test_nothing_is_not_divided() -> None:
    with pytest.raises(NoWeightError):
        split(100, [0, 0])
    with pytest.raises(NoWeightError):
        split(0, [])
    with pytest.raises(ValueError, match="negative"):
        split(100, [3, -1])


parts = st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=60)
units = st.sampled_from([10_000_000, 1_000_000, 100_000_000, 7, 1])


def _near(fine: list[int], unit: int) -> int:
    return half_up_div(sum(fine), unit)


@given(parts, units)
def test_d5_apportioned_parts_add_up_and_stay_near(fine: list[int], unit: int) -> None:
    keys = [f"k{n}" for n in range(len(fine))]
    total = _near(fine, unit)
    whole = apportion(total, fine, keys, unit)
    assert sum(whole) == total
    assert all(abs(Fraction(part, unit) - share) < 2 for part, share in zip(fine, whole, strict=True))


@given(parts, units)
def test_d5_apportioning_is_sign_symmetric(fine: list[int], unit: int) -> None:
    keys = [f"k{n}" for n in range(len(fine))]
    total = _near(fine, unit)
    mirrored = apportion(-total, [-part for part in fine], keys, unit)
    assert mirrored == [-share for share in apportion(total, fine, keys, unit)]


@given(parts, units, st.permutations(range(8)))
def test_d5_order_changes_nothing(fine: list[int], unit: int, order: list[int]) -> None:
    fine = fine[:8]
    order = [n for n in order if n < len(fine)]
    keys = [f"k{n}" for n in range(len(fine))]
    total = _near(fine, unit)
    mixed = apportion(total, [fine[n] for n in order], [keys[n] for n in order], unit)
    straight = apportion(total, fine, keys, unit)
    assert mixed == [straight[n] for n in order]


def test_d5_an_invoice_of_both_signs() -> None:
    # 10.005 and -0.005 truncate to 10.00 and 0.00; nothing is missing from their sum.
    assert apportion(1_000, [10_005_000_000, -5_000_000], ["a", "b"], 10_000_000) == [1_000, 0]
    # Three thirds of 100.00: the cent goes to the first key.
    assert apportion(10_000, [33_333_333_333] * 3, ["c", "a", "b"], 10_000_000) == [3_333, 3_334, 3_333]


def test_d5_a_total_out_of_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        apportion(5, [0, 0], ["a", "b"], 10)


@given(st.integers(-(2**70), 2**70), st.integers(1, 2**63))
def test_half_up_div_is_exact_and_away_from_zero(numerator: int, denominator: int) -> None:
    found = half_up_div(numerator, denominator)
    exact = Fraction(numerator, denominator)
    assert abs(found - exact) <= Fraction(1, 2)
    if abs(found - exact) == Fraction(1, 2):
        assert abs(found) > abs(exact)
    assert half_up_div(-numerator, denominator) == -found


def test_rounding_is_half_up_on_both_sides_of_zero() -> None:
    assert [half_up(Decimal(text)) for text in ("0.5", "-0.5", "1.5", "2.5", "0.49")] == [1, -1, 2, 3, 0]
    assert to_minor(Decimal("1337.892672"), "USD") == 133_789
    assert to_minor(Decimal("-0.005"), "USD") == -1
    assert to_minor(Decimal("100000.5"), "JPY") == 100_001
    assert to_minor(Decimal("1.2345"), "KWD") == 1_235


@given(st.integers(-(10**18), 10**18), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_minor_units_come_back(minor: int, currency: str) -> None:
    assume(is_currency(currency))
    assert to_minor(from_minor(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("currency", "minor", "nano", "per_minor"),
    [("USD", 2, 9, 10**7), ("JPY", 0, 6, 10**6), ("KWD", 3, 9, 10**6), ("CLF", 4, 9, 10**5)],
)
def test_d10_digits_of_a_currency(currency: str, minor: int, nano: int, per_minor: int) -> None:
    assert (minor_digits(currency), nano_digits(currency), nano_per_minor(currency)) == (minor, nano, per_minor)


def test_only_iso_codes_are_currencies() -> None:
    assert is_currency("EUR")
    assert not any(is_currency(code) for code in ("eur", "EURO", "", "XXX", "BTC"))


def test_amounts_are_shown_for_people() -> None:
    assert show(123_456_789, "USD") == "1,234,567.89"
    assert show(-5, "USD") == "\N{MINUS SIGN}0.05"
    assert show(0, "USD") == "0.00"
    assert show(None, "USD") == "n/a"
    assert show(100_000, "JPY") == "100,000"
    assert show(1_234, "KWD") == "1.234"
    assert [show(n, "USD", sign=True) for n in (5, 0, -5)] == ["+0.05", "0.00", "\N{MINUS SIGN}0.05"]
    assert show(2**63 - 1, "USD") == "92,233,720,368,547,758.07"
