"""List prices come out of the cells exactly, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.report.price_reading import Day, Unread, read_prices

PRICES = (2_000_000, 200_000, 10_000_000)


def _day(*counts: int, prices: tuple[int, ...] = (*PRICES, 0)) -> Day:
    return counts, sum(count * price for count, price in zip(counts, prices, strict=True))


def test_as_many_days_as_kinds_determine_the_prices() -> None:
    days = [_day(5, 0, 1, 1), _day(7, 9, 2, 1), _day(1, 1, 1, 4), _day(8, 8, 8, 8)]
    assert read_prices(days) == (*PRICES, 0)


def test_a_kind_that_no_day_has_has_no_price() -> None:
    assert read_prices([_day(5, 0, 1, 1), _day(7, 0, 2, 1)]) == (2_000_000, None, 10_000_000, 0)


def test_a_price_of_a_call_is_read_where_tokens_alone_do_not_explain_the_cost() -> None:
    paid = (*PRICES, 10**10)
    days = [_day(5, 0, 1, 1, prices=paid), _day(7, 9, 2, 1, prices=paid), _day(1, 1, 1, 4, prices=paid)]
    assert read_prices([*days, _day(8, 3, 2, 9, prices=paid)]) == paid


def test_the_same_mix_on_every_day_does_not_tell_prices_apart() -> None:
    assert read_prices([_day(32, 0, 1, 1), _day(64, 0, 2, 2)]) is Unread.SEVERAL


def test_two_prices_under_one_name_are_none() -> None:
    dearer = (3_000_000, *PRICES[1:], 0)
    assert read_prices([_day(5, 0, 0, 5), _day(5, 0, 0, 5, prices=dearer)]) is Unread.NONE


@given(
    st.tuples(*[st.integers(0, 10**9)] * 3),
    st.lists(st.tuples(*[st.integers(0, 10**12)] * 4), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_l7_what_is_read_explains_every_day_in_any_order(
    prices: tuple[int, ...], counts: list[tuple[int, ...]], random: object
) -> None:
    days = [_day(*day, prices=(*prices, 0)) for day in counts]
    found = read_prices(days)
    if not isinstance(found, Unread):
        assert all(sum(n * (p or 0) for n, p in zip(day, found, strict=True)) == cost for day, cost in days)
    random.shuffle(days)  # type: ignore[attr-defined]
    assert read_prices(days) == found
