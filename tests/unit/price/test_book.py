"""The price book: the base list, the user's prices over it, and no price where nobody knows one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.price.book import Context, Unpriced
from apportion.price.catalogue import Catalogue
from apportion.price.entries import BUCKETS
from tests.unit.price.cells import BOOK, NO_PROBLEMS, NOVEMBER, book, cell, context, price, priced, reason

MODELS = [
    ("openai", "gpt-5.6-sol"),
    ("openai", "gpt-5.6-luna"),
    ("openai", "gpt-4o-mini"),
    ("openai", "o3"),
    ("anthropic", "claude-opus-4-6"),
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-3-pro-preview"),
    ("mistral", "mistral-large-latest"),
    ("x-ai", "grok-4"),
    ("aws", "us.anthropic.claude-opus-4-6-v1:0"),
    ("groq", "llama-3.3-70b-versatile"),
    ("perplexity", "sonar-pro"),
]
OURS = {"google": "gcp.gemini", "x-ai": "x_ai", "aws": "aws.bedrock", "mistral": "mistral_ai"}


def above(tokens: int) -> int:
    return max((limit for limit in BOOK.thresholds() if tokens > limit), default=0)


def test_the_built_in_files_have_no_problem() -> None:
    assert NO_PROBLEMS == []
    assert BOOK._built_in.problems == ()
    assert BOOK._built_in.modifiers
    assert BOOK._built_in.fills


def test_the_base_price_has_its_source_its_release_and_the_day_it_was_checked() -> None:
    found = price(Context("openai", "gpt-5.6-sol"))
    assert found.price_id == f"{BOOK.version}/openai/gpt-5.6-sol@2026-08-21"
    assert found.source.startswith("https://")
    assert found.checked == date(2026, 11, 23)
    # USD 4 in, 0.40 cached, 5 written, 20 out per million tokens since 2026-08-21
    assert found.picos == {
        "uncached_input": 4_000_000,
        "cache_read": 400_000,
        "cache_write_5m": 5_000_000,
        "cache_write_other": 5_000_000,
        "tool_prompt": 4_000_000,
        "output": 20_000_000,
    }


def test_the_thresholds_are_those_of_the_whole_book_or_of_some_models() -> None:
    assert {200_000, 272_000} <= set(BOOK.thresholds())
    assert list(BOOK.thresholds()) == sorted(BOOK.thresholds())
    assert BOOK.thresholds([("openai", "gpt-5.6-sol"), ("openai", "nobody")]) == (272_000,)


@pytest.mark.parametrize(("provider", "model"), MODELS)
@settings(max_examples=25)
@given(data=st.data())
def test_each_bucket_costs_what_the_base_list_says(provider: str, model: str, data: st.DataObject) -> None:
    size = st.one_of(st.integers(0, 400_000), st.sampled_from([0, 1, 199_999, 200_000, 200_001, 272_000, 272_001]))
    day = data.draw(st.dates(date(2026, 6, 1), date(2026, 11, 23)))
    uncached, cached, written, output = (data.draw(size) for _ in range(4))
    found = price(Context(OURS.get(provider, provider), model, above=above(uncached + cached + written)), day)
    cached = cached if "cache_read" in found.picos else 0
    written = written if "cache_write_other" in found.picos else 0
    found = price(Context(OURS.get(provider, provider), model, above=above(uncached + cached + written)), day)
    said = calc_price(
        Usage(
            input_tokens=uncached + cached + written,
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=output,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=_noon(day),
    )
    ours = (
        uncached * found.picos["uncached_input"]
        + cached * found.picos.get("cache_read", 0)
        + written * found.picos.get("cache_write_other", 0)
        + output * found.picos["output"]
        + found.request_picos
    )
    assert Decimal(ours).scaleb(-12) == said.total_price


@pytest.mark.parametrize(
    ("provider", "model", "asked"),
    [
        ("openai", "gpt-5.6-sol", {"processing": "batch"}),
        ("openai", "gpt-5.6-sol", {"service_tier": "flex"}),
        ("openai", "gpt-5.6-sol", {"service_tier": "priority"}),
        ("openai", "gpt-5.6-sol", {"service_tier": "fast"}),
        ("anthropic", "claude-opus-4-6", {"processing": "batch"}),
        ("anthropic", "claude-fable-5-2", {"speed": "fast"}),
        ("mistral", "codestral-2508", {"processing": "batch"}),
    ],
)
@pytest.mark.parametrize("tokens", [1_000, 272_000, 272_001])
def test_a_variant_of_the_base_list_is_taken(provider: str, model: str, asked: dict[str, str], tokens: int) -> None:
    found = price(context(OURS.get(provider, provider), model, asked, above(tokens)))
    said = calc_price(
        Usage(input_tokens=tokens, output_tokens=7),
        model,
        provider_id=provider,
        genai_request_timestamp=_noon(NOVEMBER),
        price_context=asked,
    )
    ours = tokens * found.picos["uncached_input"] + 7 * found.picos["output"]
    assert Decimal(ours).scaleb(-12) == said.total_price
    plain = price(Context(OURS.get(provider, provider), model, above=above(tokens)))
    assert found.picos != plain.picos
    assert found.price_id != plain.price_id


def test_every_variant_of_the_base_list_is_priced_or_refused_never_standard() -> None:
    standard = {("service_tier", "default")}
    for listed in Catalogue()._all:
        for model in listed.models:
            for variant in model.price_variants or ():
                when = dict(variant.when)
                fields = {"processing", "service_tier", "speed"}
                if set(when) - fields or set(when.items()) & standard:
                    continue
                found = BOOK.price(context(listed.id, model.id, when), NOVEMBER)
                if isinstance(found, Unpriced):
                    continue
                whole = vars(variant.prices)
                if "input_mtok" not in whole and "processing" not in found.price_id:
                    assert "uncached_input" not in found.picos


def test_standard_words_are_the_standard_price() -> None:
    plain = price(Context("openai", "gpt-5.6-sol"))
    for tier in ("", "default", "standard", "auto", "on_demand", "Default"):
        assert price(Context("openai", "gpt-5.6-sol", service_tier=tier)) == plain
    assert price(Context("anthropic", "claude-opus-4-6", region="not_available")) == price(
        Context("anthropic", "claude-opus-4-6", service_tier="standard", speed="standard")
    )


def test_a_context_cliff_changes_the_whole_request() -> None:
    # 272,000 tokens cost 1.088 at 4.00; 272,001 cost 2.176008 at 8.00
    below, beyond = (price(Context("openai", "gpt-5.6-sol", above=above(tokens))) for tokens in (272_000, 272_001))
    assert (below.picos["uncached_input"], beyond.picos["uncached_input"]) == (4_000_000, 8_000_000)
    assert (below.picos["output"], beyond.picos["output"]) == (20_000_000, 30_000_000)


def test_a_batch_before_the_list_knew_it_has_the_providers_half_price() -> None:
    # The list has Anthropic's batch prices from 2026-10-14 on.
    before = price(Context("anthropic", "claude-opus-4-6", processing="batch"), date(2026, 9, 1))
    after = price(Context("anthropic", "claude-opus-4-6", processing="batch"))
    assert before.picos == after.picos
    assert before.picos["output"] == 12_500_000


def test_anthropic_reports_a_batch_as_a_service_tier() -> None:
    told = price(Context("anthropic", "claude-opus-4-6", service_tier="batch"))
    assert told == price(Context("anthropic", "claude-opus-4-6", processing="batch"))


def test_an_american_region_costs_a_tenth_more_and_stacks_with_a_batch() -> None:
    plain = price(Context("anthropic", "claude-opus-4-6")).picos
    us = price(Context("anthropic", "claude-opus-4-6", region="us")).picos
    both = price(Context("anthropic", "claude-opus-4-6", region="us", processing="batch")).picos
    assert {b: 10 * p for b, p in us.items()} == {b: 11 * p for b, p in plain.items()}
    assert {b: 20 * p for b, p in both.items()} == {b: 11 * p for b, p in plain.items()}


def test_openai_asks_a_tenth_more_for_a_region_since_march_2026() -> None:
    assert price(Context("openai", "gpt-5.6-sol", region="eu")).picos["output"] == 22_000_000
    old = Context("openai", "gpt-4o-mini", region="eu")
    assert price(old).picos == price(Context("openai", "gpt-4o-mini")).picos


def test_a_cache_write_price_that_the_list_lacks_follows_from_the_input_price() -> None:
    picos = price(Context("anthropic", "claude-3-haiku")).picos
    assert picos["cache_write_1h"] == 2 * picos["uncached_input"]


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (
            Context("openai", "gpt-5.6-sol", service_tier="ultrafast"),
            'service_tier "ultrafast": no price for gpt-5.6-sol',
        ),
        (
            Context("openai", "gpt-5.6-sol", service_tier="scale"),
            'service_tier "scale": no price for gpt-5.6-sol',
        ),
        (
            Context("anthropic", "claude-opus-4-6", service_tier="priority"),
            'service_tier "priority": no price for claude-opus-4-6',
        ),
        (
            Context("anthropic", "claude-opus-4-6", region="eu"),
            'region "eu": no price for claude-opus-4-6',
        ),
        (Context("openai", "gpt-4o-mini", speed="fast"), 'speed "fast": no price for gpt-4o-mini'),
        (Context("azure.ai.openai", "gpt-5.4", processing="batch"), 'processing "batch": no price'),
        (Context("openai", "gpt-99"), 'model "gpt-99": no price for it from openai'),
        (Context("acme-openai", "gpt-5"), 'provider "acme-openai": no prices for it'),
        (Context("deepseek", "deepseek-v4-pro"), "its price depends on the time of day"),
        (Context("openai", None), "the call names no model"),
        (Context(None, "gpt-5"), "the call names no provider"),
    ],
)
def test_what_nobody_knows_is_unpriced_with_the_reason(context: Context, said: str) -> None:
    assert said in reason(context)


def test_two_modifiers_that_the_list_does_not_combine_are_no_price() -> None:
    both = Context("anthropic", "claude-fable-5-2", speed="fast", processing="batch")
    assert 'speed "fast": no price for claude-fable-5-2' in reason(both)


def test_a_bucket_without_a_price_leaves_the_cell_unpriced_and_is_named() -> None:
    known = cell(provider="openai", model="gpt-5.6-sol", output_tokens=10)
    costs, problems = priced(BOOK, known, {**known, "cache_write_1h_tokens": 5})
    assert costs[0] == (200_000_000, "priced", f"{BOOK.version}/openai/gpt-5.6-sol@2026-08-21", None)
    assert costs[1] == (None, "unpriced", None, "no price for cache write (1 h) tokens of gpt-5.6-sol")
    assert [problem.slug for problem in problems] == ["unpriced-usage"]
    assert problems[0].severity == "warning"
    assert "1 call with 15 tokens of openai gpt-5.6-sol" in problems[0].message


def test_a_cell_without_a_model_is_unpriced_never_free() -> None:
    costs, problems = priced(BOOK, cell(provider="openai", output_tokens=1), cell(output_tokens=1))
    assert [cost[:2] for cost in costs] == [(None, "unpriced"), (None, "unpriced")]
    assert len(problems) == 2


def test_the_largest_counts_do_not_overflow(tmp_path: Path) -> None:
    most = 2**63 - 1
    high = book(tmp_path, "prices: [{provider: p, model: m, input: 1000000, output: 1000000}]")
    full = cell(provider="p", model="m", **{f"{bucket}_tokens": most for bucket in ("output", "tool_prompt")})
    costs, _ = priced(high, full)
    assert costs[0][0] == 2 * most * 10**12


def test_the_same_calls_on_many_days_share_one_price() -> None:
    start, end = date(2026, 11, 1), date(2026, 12, 1)
    assert len(BOOK.spans(Context("openai", "gpt-5.6-sol"), start, end)) == 1


@given(
    tokens=st.lists(st.integers(0, 10**12), min_size=len(BUCKETS), max_size=len(BUCKETS)),
    calls=st.integers(0, 10**9),
)
def test_a_cell_costs_the_sum_over_its_calls(tokens: list[int], calls: int) -> None:
    found = price(Context("anthropic", "claude-opus-4-6"))
    given_tokens = {f"{bucket}_tokens": count for bucket, count in zip(BUCKETS, tokens, strict=True)}
    costs, _ = priced(BOOK, cell(provider="anthropic", model="claude-opus-4-6", calls=calls, **given_tokens))
    assert costs[0][0] == sum(count * found.picos[bucket] for bucket, count in zip(BUCKETS, tokens, strict=True))


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
