"""What a call comes to at list prices, by hand: whole nano-units, rounded half up once."""

from __future__ import annotations

import pytest

from apportion.gateway.meters.measure import Part
from apportion.gateway.tariff import Priced, Rate, Tariff, from_rows, to_rows

MODEL = Priced("openai", "gpt-4o")
# 2.50 and 10.00 USD a million tokens, half of the first for what was cached; twice as much above 200,000.
CHEAP = Rate(0, {"uncached_input": 2_500_000, "cache_read": 1_250_000, "output": 10_000_000})
DEAR = Rate(200_000, {"uncached_input": 5_000_000, "cache_read": 2_500_000, "output": 20_000_000})
TARIFF = Tariff({MODEL: (CHEAP, DEAR)})


@pytest.mark.parametrize(
    ("parts", "nano"),
    [
        # 1,000 x 2.5 µUSD + 500 x 10 µUSD = 7,500 µUSD
        ((Part(uncached_input=1000, output=500),), 7_500_000),
        # 600 x 2.5 + 400 x 1.25 = 2,000 µUSD
        ((Part(uncached_input=600, cache_read=400),), 2_000_000),
        ((Part(uncached_input=200_000),), 500_000_000),
        ((Part(uncached_input=200_001),), 1_000_005_000),
        # Only input makes a call a long one.
        ((Part(uncached_input=1, output=300_000),), 3_000_002_500),
        ((Part(output=1), Part(output=1)), 20_000),
        ((), 0),
    ],
)
def test_an_amount(parts: tuple[Part, ...], nano: int) -> None:
    assert TARIFF.nano(MODEL, parts) == nano


def test_in_another_currency_it_is_rounded_once() -> None:
    # 1 token is 2,500 nano-USD; at 0.9235 that is 2,308.75, half up.
    assert Tariff({MODEL: (CHEAP,)}, 923_500_000).nano(MODEL, (Part(uncached_input=1),)) == 2309
    assert Tariff({MODEL: (Rate(0, {"output": 1}),)}).nano(MODEL, (Part(output=499),)) == 0
    assert Tariff({MODEL: (Rate(0, {"output": 1}),)}).nano(MODEL, (Part(output=500),)) == 1


def test_what_has_no_price_is_never_nothing() -> None:
    assert TARIFF.nano(MODEL, (Part(cache_write_1h=1),)) == "no price for cache write 1h tokens"
    assert TARIFF.nano(Priced("openai", "gpt-9"), (Part(output=1),)) is None
    unknown = Tariff({MODEL: (Rate(0, {}, 0, 'model "x": no price for it'),)})
    assert unknown.nano(MODEL, (Part(output=1),)) == 'model "x": no price for it'


def test_requests_are_counted_once_for_a_call() -> None:
    tariff = Tariff({MODEL: (Rate(0, {"output": 1000}, 5_000_000),)})
    assert tariff.nano(MODEL, (Part(output=1), Part(output=1))) == 5002


def test_it_is_handed_over_as_it_is() -> None:
    assert from_rows(to_rows(TARIFF), TARIFF.usd_nano) == TARIFF
