"""The user's own prices, modifiers and discounts over the base list."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from apportion.price.book import Context, Price
from tests.unit.price.cells import book, context, price, reason

OVERRIDES = """
prices:
  - provider: openai
    model: gpt-5.6-sol
    from: 2026-11-10
    to: 2026-11-20
    input: 1.25
    cache_read: 0.125
    cache_write: 1.5
    output: 5
    tool_prompt: 2
    per_request: 0.001
    batch: 0.4
    service_tier: {flex: 0.5, priority: 2}
    region: {us: 1.1}
    speed: {fast: 3}
    context: [{above: 100000, input: 2.5, output: 7.5}]
    source: contract 17
    checked: 2026-11-01
  - {provider: openai, model: "atlas-%", input: 1, output: 2}
  - {provider: openai, model: atlas-mini, input: 0.1, output: 0.2}
  - {provider: openai, model: "twin-%", input: 1, output: 2}
  - {provider: openai, model: "%-twin", input: 1, output: 2}
"""


def test_an_override_holds_for_its_days_and_wins(tmp_path: Path) -> None:
    own = book(tmp_path, OVERRIDES)
    spans = own.spans(Context("openai", "gpt-5.6-sol"), date(2026, 11, 1), date(2026, 12, 1))
    days = [(start, end) for start, end, _ in spans]
    assert days == [
        (date(2026, 11, 1), date(2026, 11, 10)),
        (date(2026, 11, 10), date(2026, 11, 20)),
        (date(2026, 11, 20), date(2026, 12, 1)),
    ]
    found = spans[1][2]
    assert isinstance(found, Price)
    assert (found.price_id, found.source, found.checked) == (
        "own/openai/gpt-5.6-sol@2026-11-10",
        "contract 17",
        date(2026, 11, 1),
    )
    assert found.request_picos == 10**9
    assert found.picos == {
        "uncached_input": 1_250_000,
        "cache_read": 125_000,
        "cache_write_5m": 1_500_000,
        "cache_write_1h": 1_500_000,
        "cache_write_other": 1_500_000,
        "tool_prompt": 2_000_000,
        "output": 5_000_000,
    }
    assert spans[0][2] == spans[2][2] == price(Context("openai", "gpt-5.6-sol"))


def test_an_overrides_modifiers_multiply_and_others_are_refused(tmp_path: Path) -> None:
    own = book(tmp_path, OVERRIDES)
    day = date(2026, 11, 12)

    def output(**asked: str) -> int:
        return price(context("openai", "gpt-5.6-sol", asked), day, own).picos["output"]

    assert output(processing="batch") == 2_000_000
    assert output(service_tier="flex") == 2_500_000
    assert output(service_tier="priority", region="us") == 11_000_000
    assert output(speed="fast") == 15_000_000
    refused = reason(Context("openai", "gpt-5.6-sol", service_tier="scale"), day, own)
    assert refused == 'service_tier "scale": no price for gpt-5.6-sol in line 3 of the price file'


def test_an_overrides_context_step_is_a_threshold(tmp_path: Path) -> None:
    own = book(tmp_path, OVERRIDES)
    assert 100_000 in own.thresholds([])
    far = price(Context("openai", "gpt-5.6-sol", above=100_000), date(2026, 11, 12), own)
    # What the step does not name stays: cached tokens cost the same above it.
    assert (far.picos["uncached_input"], far.picos["output"]) == (2_500_000, 7_500_000)
    assert far.picos["cache_read"] == 125_000
    assert far.request_picos == 10**9


def test_a_name_wins_over_a_pattern_and_two_equal_patterns_are_no_price(tmp_path: Path) -> None:
    own = book(tmp_path, OVERRIDES)
    assert price(Context("openai", "Atlas-Mini"), of=own).picos["output"] == 200_000
    assert price(Context("openai", "atlas-large"), of=own).picos["output"] == 2_000_000
    assert "the price file fits it twice, in lines" in reason(Context("openai", "twin-twin"), of=own)


def test_a_discount_is_rounded_half_up_to_a_pico_once(tmp_path: Path) -> None:
    text = """
prices: [{provider: p, model: m, input: 0.000005, output: 0.000007, batch: 0.5}]
discounts: [{provider: p, percent: 10, source: contract}]
"""
    own = book(tmp_path, text)
    # 5 picos less 10 % are 4.5, half up 5; 7 are 6.3, down 6. A batch: 2.5 x 0.9 = 2.25, 2; rounding the
    # batch price first would give 3 x 0.9 = 2.7, 3.
    assert dict(price(Context("p", "m"), of=own).picos)["uncached_input"] == 5
    assert dict(price(Context("p", "m"), of=own).picos)["output"] == 6
    assert dict(price(Context("p", "m", processing="batch"), of=own).picos)["uncached_input"] == 2


def test_a_discount_is_taken_off_the_list_by_its_days_but_not_off_a_negotiated_price(tmp_path: Path) -> None:
    text = """
prices: [{provider: openai, model: atlas, input: 2, output: 8, negotiated: true}]
discounts:
  - {provider: openai, percent: 12.5, from: 2026-11-01, source: contract 17}
  - {provider: openai, model: gpt-5.6-sol, percent: 50}
"""
    own = book(tmp_path, text)
    assert price(Context("openai", "atlas"), of=own).picos["output"] == 8_000_000
    found = price(Context("openai", "gpt-5.6-luna"), of=own)
    full = price(Context("openai", "gpt-5.6-luna"))
    assert found.picos["output"] * 8 == full.picos["output"] * 7
    assert found.price_id.endswith("-12.5%")
    assert found.source.endswith("; contract 17")
    october = date(2026, 10, 31)
    assert price(Context("openai", "gpt-5.6-luna"), october, own).picos["output"] == full.picos["output"]
    assert price(Context("openai", "gpt-5.6-sol"), of=own).picos["output"] == 10_000_000


def test_the_users_modifier_prices_what_the_list_does_not(tmp_path: Path) -> None:
    text = """
modifiers:
  - {provider: anthropic, model: "claude-%", field: region, values: [eu, "eu-%"], times: 1.2}
"""
    own = book(tmp_path, text)
    found = price(Context("anthropic", "claude-opus-4-6", region="eu-west-1"), of=own)
    assert found.picos["output"] == 30_000_000
