"""Reserve before, settle after, release on failure: no limit is passed but by what calls use beyond what they held."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.gateway.budgets import OUTPUT_TOKENS, WANTED, Asks, Beyond, Budgets
from apportion.gateway.limits import Budget, Calendar, Hold, Limit, Unit
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.tariff import Priced, Rate, Tariff

NOW = datetime(2026, 11, 27, 14, 31, 7, tzinfo=UTC).timestamp()
MODEL = Priced("openai", "gpt-4o")
TARIFF = Tariff({MODEL: (Rate(0, {"uncached_input": 1_000_000, "output": 1_000_000}),)})


def asks(team: str | None = "search", most: int | None = 10, **more: str) -> Asks:
    facts = {"key": "k", "model": "gpt-4o", **more} | ({"team": team} if team else {})
    return Asks(facts, MODEL, 5, most)


def used(tokens: int) -> Measure:
    return Measure("measured", parts=(Part(output=tokens),))


class Kept:
    """Budgets of one test, closed behind it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Budgets] = []

    def __call__(self, *limits: Limit, tariff: Tariff = TARIFF, **more: object) -> Budgets:
        made = Budgets(self._folder, Budget(limits, tariff=tariff, **more), NOW)  # type: ignore[arg-type]
        self._made.append(made)
        for each in self._made:
            each.look(NOW)
        return made

    def close(self) -> None:
        for made in self._made:
            made.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    kept.close()


def held(found: Hold | Beyond) -> Hold:
    assert isinstance(found, Hold), found
    return found


def refused(found: Hold | Beyond) -> Beyond:
    assert isinstance(found, Beyond), found
    return found


class Watched:
    """The words of a file of counters, looked at from outside after each one that is written."""

    def __init__(self, words: memoryview, look: Callable[[], None]) -> None:
        self._words, self._look = words, look

    def __getitem__(self, at: int) -> int:
        return int(self._words[at])

    def __setitem__(self, at: int, number: int) -> None:
        self._words[at] = number
        self._look()


@pytest.mark.parametrize(("unit", "writes"), [("calls", 2), ("tokens", 2), ("money", 2)])
def test_no_other_worker_ever_sees_a_call_that_is_neither_held_nor_counted(make: Kept, unit: Unit, writes: int) -> None:
    limit = Limit("l", unit, {"calls": 1, "tokens": 15, "money": 15_000}[unit], "hour")
    budgets, other = make(limit), make(limit)
    first = held(budgets.reserve(asks(), NOW))
    seen: list[Hold | Beyond] = []
    own = budgets._counters._own
    words = own._words
    own._words = Watched(words, lambda: seen.append(other.reserve(asks(), NOW)))  # type: ignore[assignment]
    budgets.settle(first, MODEL, Measure("measured", parts=(Part(uncached_input=5, output=10),)), failed=False)
    own._words = words
    assert len(seen) == writes
    assert all(isinstance(each, Beyond) for each in seen)


def test_calls_are_counted_one_by_one(make: Kept) -> None:
    budgets = make(Limit("l", "calls", 2, "hour"))
    first, second = held(budgets.reserve(asks(), NOW)), held(budgets.reserve(asks(), NOW))
    beyond = refused(budgets.reserve(asks(), NOW))
    assert (beyond.refused.status, beyond.refused.code) == (429, "limit-reached")
    # 14:31:07 is 28 minutes and 53 seconds before the hour.
    assert beyond.retry_after == 28 * 60 + 53
    assert beyond.refused.message == (
        "the limit `l`: 0 calls of 2 calls in 2026-11-27T14:00 are used; calls on their way hold 2 calls"
    )
    budgets.settle(first, MODEL, used(1), failed=False)
    budgets.settle(second, MODEL, Measure("missing"), failed=True)
    budgets.settle(held(budgets.reserve(asks(), NOW)), MODEL, used(1), failed=False)
    refused(budgets.reserve(asks(), NOW))
    held(budgets.reserve(asks(), NOW + 3600))


def test_no_limit_that_concerns_a_call_is_no_block(make: Kept) -> None:
    budgets = make(Limit("l", "calls", 0, "day", {"team": "ml"}), Limit("m", "tokens", 0, "day", {"model": "o1"}))
    assert held(budgets.reserve(asks(), NOW)).held == []
    refused(budgets.reserve(asks("ml"), NOW))


def test_each_has_a_counter_of_its_own_and_who_is_not_told_shares_one(make: Kept) -> None:
    budgets = make(Limit("l", "calls", 1, "day", each=("team",)))
    for team in ("search", "ml", None):
        held(budgets.reserve(asks(team), NOW))
        refused(budgets.reserve(asks(team), NOW))


def test_tokens_are_held_as_many_as_may_be_used_and_settled_as_they_were(make: Kept) -> None:
    budgets = make(Limit("l", "tokens", 100, "day"))
    hold = held(budgets.reserve(asks(most=60), NOW))
    beyond = refused(budgets.reserve(asks(most=60), NOW))
    assert "hold 65 tokens; this call may use 65 tokens" in beyond.refused.message
    budgets.settle(hold, MODEL, used(20), failed=False)
    held(budgets.reserve(asks(most=60), NOW))
    assert refused(budgets.reserve(asks(most=None), NOW)).refused.message.endswith(f"{5 + OUTPUT_TOKENS:,} tokens")


def test_an_answer_of_which_nothing_is_known_counts_as_what_it_held(make: Kept) -> None:
    budgets = make(Limit("l", "tokens", 100, "day"))
    budgets.settle(held(budgets.reserve(asks(most=75), NOW)), MODEL, Measure("missing"), failed=False)
    assert "80 tokens of 100 tokens" in refused(budgets.reserve(asks(most=60), NOW)).refused.message


def test_money_is_a_metered_estimate(make: Kept) -> None:
    # 1 µUSD a token: 20 tokens are 0.00002 USD, and 0.0001 USD are 100 tokens.
    budgets = make(Limit("l", "money", 100_000, "month", {"team": "search"}))
    budgets.settle(held(budgets.reserve(asks(), NOW)), MODEL, used(90), failed=False)
    beyond = refused(budgets.reserve(asks(), NOW))
    assert "USD 0.00 in 2026-11 are used, a metered estimate; this call" in beyond.refused.message
    assert beyond.retry_after == (datetime(2026, 12, 1, tzinfo=UTC) - datetime.fromtimestamp(NOW, UTC)).total_seconds()


def test_a_price_that_is_not_known_yet_is_asked_for_and_counted_when_it_is(make: Kept, tmp_path: Path) -> None:
    limit = Limit("l", "money", 100_000, "day")
    budgets = make(limit, tariff=Tariff())
    budgets.settle(held(budgets.reserve(asks(), NOW)), MODEL, used(99), failed=False)
    (wanted,) = tmp_path.glob(f"*{WANTED}")
    assert [Priced(*json.loads(line)) for line in wanted.read_text().splitlines()] == [MODEL]
    held(budgets.reserve(asks(), NOW))
    budgets.take(Budget((limit,), tariff=TARIFF))
    refused(budgets.reserve(asks(), NOW))


def test_what_has_no_price_is_told_once(make: Kept, caplog: pytest.LogCaptureFixture) -> None:
    budgets = make(Limit("l", "money", 1, "day"), tariff=Tariff({MODEL: (Rate(0, {}, 0, "no price for it"),)}))
    for _ in range(3):
        budgets.settle(held(budgets.reserve(asks(), NOW)), MODEL, used(99), failed=False)
    assert budgets.unpriced == 3
    assert [record.message for record in caplog.records] == [
        "gpt-4o of openai: no price for it; limits of money do not see such calls"
    ]


def test_who_is_warned_is_let_through_and_marked(make: Kept, caplog: pytest.LogCaptureFixture) -> None:
    budgets = make(Limit("l", "calls", 5, "day", at_limit="warn"))
    with caplog.at_level(logging.WARNING):
        marked = []
        for _ in range(7):
            hold = held(budgets.reserve(asks(), NOW))
            marked.append(hold.over)
            budgets.settle(hold, MODEL, used(1), failed=False)
    assert marked == [(), (), (), (), (), ("l",), ("l",)]
    assert [record.message for record in caplog.records] == [
        "limit `l`: 4 calls of 5 calls in 2026-11-27 are used",
        "limit `l`: 5 calls of 5 calls in 2026-11-27 are used",
    ]


def test_a_limit_is_told_of_whichever_call_ends_last(make: Kept, caplog: pytest.LogCaptureFixture) -> None:
    budgets = make(Limit("l", "calls", 5, "day"))
    with caplog.at_level(logging.WARNING):
        for hold in reversed([held(budgets.reserve(asks(), NOW)) for _ in range(5)]):
            budgets.settle(hold, MODEL, used(1), failed=False)
    assert [record.message for record in caplog.records] == [
        "limit `l`: 4 calls of 5 calls in 2026-11-27 are used",
        "limit `l`: 5 calls of 5 calls in 2026-11-27 are used",
    ]


@pytest.mark.parametrize("unit", ["tokens", "money"])
def test_whatever_a_request_says_that_it_may_use_others_go_on(make: Kept, unit: Unit) -> None:
    budgets = make(Limit("first", "calls", 3, "day"), Limit("l", unit, 10**15 - 1, "day"))
    for most in (2**64 - 1, 10**30):
        assert "`l`" in refused(budgets.reserve(asks()._replace(most_output=most), NOW)).refused.message
    # What such a request held of the limits before is given back.
    assert len(held(budgets.reserve(asks(), NOW)).held) == 2


def test_who_is_throttled_goes_on_at_a_pace(make: Kept) -> None:
    limit = Limit("l", "calls", 1, "day", at_limit="throttle", pace_seconds=10)
    budgets, beside = make(limit), make(limit)
    budgets.look(NOW)
    held(budgets.reserve(asks(), NOW))
    assert held(budgets.reserve(asks(), NOW)).over == ("l",)
    assert refused(beside.reserve(asks(), NOW + 4)).retry_after == 6
    assert held(beside.reserve(asks(), NOW + 10)).over == ("l",)


def test_what_a_run_has_allocated_takes_the_place_of_what_was_metered(make: Kept) -> None:
    limit = Limit("l", "money", 100_000, "month")
    budgets = make(limit)
    budgets.settle(held(budgets.reserve(asks(), NOW)), MODEL, used(90), failed=False)
    refused(budgets.reserve(asks(), NOW))
    key = Calendar(UTC).counter(limit, (), NOW).key.hex()
    # 90 tokens were metered and 0.00005 USD allocated for them.
    budgets.take(Budget((limit,), tariff=TARIFF, offsets={key: 50_000 - 90_000}))
    held(budgets.reserve(asks(), NOW))


def test_of_several_limits_the_one_that_stands_against_it_is_named_and_nothing_is_held(make: Kept) -> None:
    budgets = make(Limit("wide", "tokens", 100, "day"), Limit("narrow", "calls", 0, "day"))
    for _ in range(20):
        assert "`narrow`" in refused(budgets.reserve(asks(), NOW)).refused.message
    assert "hold" not in refused(budgets.reserve(asks(most=1000), NOW)).refused.message


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30), st.integers(0, 30), st.booleans()), max_size=60),
    st.integers(0, 200),
)
def test_no_limit_is_ever_passed_but_by_what_was_used_beyond_a_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int, bool]], most: int
) -> None:
    """Three workers begin and end calls in any order; what a call uses stays within what it held."""
    folder = tmp_path_factory.mktemp("budgets")
    budget = Budget((Limit("l", "tokens", most, "day"),))
    workers = [Budgets(folder, budget, NOW) for _ in range(3)]
    for worker in workers:
        worker.look(NOW)
    flying: list[tuple[Budgets, Hold, int]] = []
    settled = 0
    for number, wanted, spent, end in steps:
        found = workers[number].reserve(Asks({}, MODEL, 0, wanted), NOW)
        reserved = sum(hold.held[0][2] for _, hold, _ in flying)
        assert isinstance(found, Hold) == (settled + reserved + wanted <= most)
        if isinstance(found, Hold):
            flying.append((workers[number], found, min(spent, wanted)))
        if end and flying:
            worker, hold, tokens = flying.pop(0)
            worker.settle(hold, MODEL, used(tokens), failed=False)
            settled += tokens
        assert settled <= most
    for worker in workers:
        worker.close()
