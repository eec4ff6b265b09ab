"""The steps of a change add up to it, and each is what it says."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from apportion.money import half_up_div, show
from apportion.report.decomposition import NOTHING, Measured, Prices, Used, effects
from tests.docs.pages import DOCS

CENT = 10**7
_PRICES = (2_000_000, 200_000, 2_500_000, 4_000_000, 2_500_000, 2_000_000, 10_000_000, 0)


def _prices(*picos: int) -> Prices:
    return tuple(Fraction(price) for price in picos)


def _used(calls: int, tokens: tuple[int, ...], picos: tuple[int, ...] = _PRICES, *, read: bool = True) -> Used:
    cost = sum(count * price for count, price in zip((*tokens, calls), picos, strict=True))
    return Used(calls, tokens, cost, _prices(*picos) if read else None)


def _model(before: int, now: int, was: Used, becomes: Used, name: str = "m") -> Measured:
    return Measured("vendor", name, before, now, {"": (was, becomes)})


def _by_kind(*models: Measured) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for effect in effects(models):
        found[effect.kind] += effect.nano
    return {kind: nano for kind, nano in found.items() if nano}


def test_the_worked_example_of_the_page() -> None:
    cheaper = (*_PRICES[:6], 8_000_000, 0)
    first = _used(10_000, (30_000_000, 70_000_000, 0, 0, 0, 0, 1_000_000))
    second = _used(11_000, (79_200_000, 52_800_000, 0, 0, 0, 0, 1_100_000), cheaper)
    assert (first.picos, second.picos) == (84 * 10**12, 17_776 * 10**10)
    found = _by_kind(_model(7_980 * CENT, 17_420 * CENT, first, second))
    steps = ["volume", "input", "cache", "price", "billed"]
    assert list(found) == steps
    assert sum(found.values()) == 9_440 * CENT
    assert found["cache"] == 67_716 * CENT // 10
    shown = [half_up_div(found[step], CENT) for step in steps]
    assert shown == [798, 1_547, 6_772, -209, 533]
    page = (DOCS / "finance.md").read_text(encoding="utf-8")
    assert [step for step, minor in zip(steps, shown, strict=True) if show(minor, "USD", sign=True) not in page] == []
    assert f"| everything else | | {show(9_440 - sum(shown), 'USD')} |" in page


def test_calls_that_move_to_a_cheaper_model_are_models_and_not_volume() -> None:
    dear, cheap = (4_000_000,) * 7 + (0,), (1_000_000,) * 7 + (0,)
    at = [(calls, (calls * 1_000, 0, 0, 0, 0, 0, 0)) for calls in (100, 80, 20)]
    large = _model(40 * CENT, 32 * CENT, _used(*at[0], dear), _used(*at[1], dear), "large")
    small = _model(0, 2 * CENT, NOTHING, _used(*at[2], cheap), "small")
    assert _by_kind(large, small) == {"models": -6 * CENT}


def test_calls_that_move_to_batch_are_ways() -> None:
    half = tuple(price // 2 for price in _PRICES)
    tokens = (1_000, 0, 0, 0, 0, 0, 0)
    ways = {"": (_used(2, (2_000, 0, 0, 0, 0, 0, 0)), _used(1, tokens)), "batch": (NOTHING, _used(1, tokens, half))}
    assert _by_kind(Measured("vendor", "m", 4_000_000, 3_000_000, ways)) == {"ways": -1_000_000}


def test_only_the_bill_changed() -> None:
    same = _used(5, (1_000, 1_000, 0, 0, 0, 0, 100))
    assert _by_kind(_model(100, 90, same, same)) == {"billed": -10}


def test_more_of_the_same_is_volume_alone() -> None:
    was, becomes = _used(10, (1_000, 10, 0, 0, 0, 0, 10)), _used(30, (3_000, 30, 0, 0, 0, 0, 30))
    assert _by_kind(_model(1_000, 3_000, was, becomes)) == {"volume": 2_000}


def test_new_and_ended() -> None:
    used = _used(10, (1_000, 0, 0, 0, 0, 0, 10))
    assert _by_kind(_model(0, 700, NOTHING, used)) == {"new": 700}
    assert _by_kind(_model(700, 0, used, NOTHING)) == {"ended": -700}


def test_without_a_price_there_is_volume_and_what_a_call_costs() -> None:
    was, becomes = _used(10, (0,) * 7), _used(20, (0,) * 7)
    assert _by_kind(Measured("v", "m", 1_000, 1_500, {"": (was, becomes)}, priced=False)) == {
        "volume": 1_000,
        "cost per call": -500,
    }


_TOKENS = st.tuples(*[st.sampled_from((0, 1, 7, 999_983, 10**12))] * 7)
_PICOS = st.tuples(*[st.sampled_from((0, 1, 333_333, 2_000_000, 75_000_000))] * 8)
_USED = st.builds(_used, st.sampled_from((1, 3, 10**6)), _TOKENS, _PICOS, read=st.booleans())
_WAYS = st.dictionaries(
    st.sampled_from(("", "batch", "priority")), st.tuples(st.one_of(st.just(NOTHING), _USED), _USED), min_size=1
)
_NANO = st.integers(-(10**18), 10**18)


@st.composite
def _measured(draw: st.DrawFn) -> Measured:
    ways = draw(_WAYS)
    calls = any(was.calls for was, _ in ways.values())
    return Measured("v", draw(st.text("ab", max_size=2)), draw(_NANO) if calls else 0, draw(_NANO), ways)


@given(st.lists(_measured(), min_size=1, max_size=4), st.booleans(), st.randoms(use_true_random=False))
def test_l1_l5_the_steps_add_up_to_the_nano_unit_in_any_order(
    models: list[Measured], back: bool, random: object
) -> None:
    if back:
        models = [
            Measured(m.provider, m.model, m.now, m.before, {way: (b, a) for way, (a, b) in m.ways.items()})
            for m in models
        ]
    found = _by_kind(*models)
    assert sum(found.values()) == sum(m.now - m.before for m in models)
    random.shuffle(models)  # type: ignore[attr-defined]
    assert _by_kind(*models) == found
