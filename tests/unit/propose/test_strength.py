"""Wilson's lower bound and the entropy, against figures worked out elsewhere and what must always hold."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.propose.strength import entropy, lower_bound


@pytest.mark.parametrize(
    ("agree", "counted", "expected"),
    [
        # Brown, Cai and DasGupta's form of the interval, by hand: 1,842 of 1,860.
        (1842, 1860, "0.9848"),
        (71, 100, "0.6146"),
        (35, 35, "0.9011"),
        (34, 34, "0.8985"),
        (0, 10, "0.0000"),
        (0, 0, "0.0000"),
    ],
)
def test_the_lower_bound(agree: int, counted: int, expected: str) -> None:
    assert f"{lower_bound(agree, counted):.4f}" == expected


@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_lies_below_the_share_and_above_nothing(pair: tuple[int, int]) -> None:
    agree, counted = pair
    assert 0 <= lower_bound(agree, counted) <= Decimal(agree) / counted


@given(st.integers(1, 1000), st.integers(1, 50))
def test_more_of_the_same_says_more(counted: int, times: int) -> None:
    assert lower_bound(counted * times, counted * times) >= lower_bound(counted, counted)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12))
def test_entropy_is_that_of_the_textbook(counts: list[int]) -> None:
    total = sum(counts)
    shares = [count / total for count in counts if count] if total else []
    expected = -sum(share * math.log(share) for share in shares) / math.log(len(counts))
    assert float(entropy(counts, len(counts))) == pytest.approx(expected, abs=1e-9)


def test_one_owner_is_not_mixed_and_two_halves_are() -> None:
    assert entropy([100], 5) == 0
    assert round(entropy([50, 50], 2), 9) == 1
