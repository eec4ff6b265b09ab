"""Why the cost of calls moved: volume, models, ways of processing, tokens, cache, list price and what was billed of it.

Each step changes one thing, in a fixed order, and leaves what was changed before it changed. What a step costs is the
difference of two counterfactual costs, each an exact fraction that is rounded once to whole nano-units; as every cost
but the first and the last stands in two differences, the steps add up to the change of the cost, to the nano-unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from apportion.money import half_up_div

Kind = Literal[
    "new", "ended", "volume", "models", "ways", "input", "output", "cache", "price", "billed", "cost per call"
]
Prices = tuple[Fraction | None, ...]

# The kinds of tokens, as the columns of usage_cells follow each other: six of input, then output.
INPUT_KINDS = 6
CACHE_READ = 1
OUTPUT = INPUT_KINDS
REQUEST = OUTPUT + 1


@dataclass(frozen=True)
class Used:
    """Calls of one model in one way of processing, in one period.

    Attributes:
        calls: How many.
        tokens: Of each kind, six of input and then output.
        picos: Their list cost, in pico-units of the price list's currency.
        prices: What a token of each kind cost on average, and a call itself, in picos; None for a kind that no price
            is known of. None where the prices cannot be told apart.
    """

    calls: int
    tokens: tuple[int, ...]
    picos: int
    prices: Prices | None

    @property
    def input_tokens(self) -> int:
        """All kinds of input."""
        return sum(self.tokens[:INPUT_KINDS])


NOTHING = Used(0, (0,) * (OUTPUT + 1), 0, None)


@dataclass(frozen=True)
class Measured:
    """The calls of one model for one line of work in two periods.

    Attributes:
        provider: Of the model.
        model: Its name.
        before: What was charged for them, in nano-units of the ledger currency.
        now: The same a period later.
        ways: By the way of processing, the usage of both periods.
        priced: Whether every call has a list price.
    """

    provider: str
    model: str
    before: int
    now: int
    ways: Mapping[str, tuple[Used, Used]]
    priced: bool = True

    @property
    def calls(self) -> tuple[int, int]:
        """How many, in the period before and in this one."""
        return sum(was.calls for was, _ in self.ways.values()), sum(now.calls for _, now in self.ways.values())

    @property
    def picos(self) -> tuple[int, int]:
        """The list cost of both periods."""
        return sum(was.picos for was, _ in self.ways.values()), sum(now.picos for _, now in self.ways.values())


@dataclass(frozen=True)
class Effect:
    """What one step changed.

    Attributes:
        kind: Which step.
        nano: Its money, in nano-units of the ledger currency.
        measured: The calls that it is about; None where it is about a whole line of work.
        way: The way of processing that it is about; empty for all.
    """

    kind: Kind
    nano: int
    measured: Measured | None = None
    way: str = ""


def effects(models: Sequence[Measured]) -> Iterator[Effect]:
    """Take the change of one line of work apart, whose calls may go to several models.

    Args:
        models: Each of them has calls in at least one period, and no cost in one without calls.

    Yields:
        The steps; they add up to the sum of what is charged now less that of before.
    """
    before, now = sum(m.before for m in models), sum(m.now for m in models)
    calls_before, calls_now = (sum(m.calls[at] for m in models) for at in (0, 1))
    if not calls_before or not calls_now:
        yield Effect("new" if calls_now else "ended", now - before)
        return
    grown = half_up_div(before * calls_now, calls_before)
    yield Effect("volume", grown - before)
    moved = [_at_cost_before(m) for m in models]
    yield Effect("models", sum(moved) - grown)
    for m, start in zip(models, moved, strict=True):
        if all(m.calls):
            yield from _of_model(m, start)


def _at_cost_before(m: Measured) -> int:
    """This period's calls at what a call cost before; at what it costs now where there was none before."""
    was, now = m.calls
    return half_up_div(m.before * now, was) if was else m.now


def _of_model(m: Measured, start: int) -> Iterator[Effect]:
    list_before, list_now = m.picos
    if not m.priced or not list_before or not list_now:
        yield Effect("cost per call", m.now - start, m)
        return
    billed = Fraction(m.before, list_before)
    ends, shifted = 0, 0
    made: list[Effect] = []
    for way, (was, now) in sorted(m.ways.items()):
        end = _rounded(billed * now.picos)
        ends += end
        if was.calls and now.calls:
            begin = _rounded(billed * Fraction(was.picos * now.calls, was.calls))
            made += _of_way(m, way, billed, begin, end)
        else:
            begin = end
        shifted += begin
    yield Effect("ways", shifted - start, m)
    yield from made
    yield Effect("billed", m.now - ends, m)


def _of_way(m: Measured, way: str, billed: Fraction, begin: int, end: int) -> Iterator[Effect]:
    was, now = m.ways[way]
    if was.prices is None or now.prices is None:
        yield Effect("cost per call", end - begin, m, way)
        return
    prices = [was if was is not None else now or Fraction(0) for was, now in zip(was.prices, now.prices, strict=True)]
    output_before = Fraction(was.tokens[OUTPUT] * now.calls, was.calls)
    mixed = _input_price(was if was.input_tokens else now, prices) * now.input_tokens
    fixed = prices[REQUEST] * now.calls
    output = prices[OUTPUT] * now.tokens[OUTPUT]
    longer = _rounded(billed * (fixed + mixed + prices[OUTPUT] * output_before))
    wordier = _rounded(billed * (fixed + mixed + output))
    cached = _rounded(billed * (fixed + _input_price(now, prices) * now.input_tokens + output))
    yield Effect("input", longer - begin, m, way)
    yield Effect("output", wordier - longer, m, way)
    yield Effect("cache", cached - wordier, m, way)
    yield Effect("price", end - cached, m, way)


def _input_price(used: Used, prices: Sequence[Fraction]) -> Fraction:
    """What a token of input costs where the kinds of input are mixed as in some usage."""
    whole = used.input_tokens
    cost = sum((count * price for count, price in zip(used.tokens[:INPUT_KINDS], prices, strict=False)), Fraction(0))
    return cost / whole if whole else Fraction(0)


def _rounded(cost: Fraction) -> int:
    return half_up_div(cost.numerator, cost.denominator)
