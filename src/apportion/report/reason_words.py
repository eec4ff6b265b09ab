"""Reasons in sentences: what changed, from what to what; never more than the tables say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from apportion.money import half_up_div, show
from apportion.report.context import UNALLOCATED
from apportion.report.decomposition import CACHE_READ, INPUT_KINDS, OUTPUT, REQUEST, Effect, Measured
from apportion.report.moved import Amount, Line, Weighed
from apportion.report.percentages import percent, quotient
from apportion.report.steps import DayOfCalls, busiest, cache_step

_KINDS = (
    "input",
    "cached input",
    "cache write (5 m)",
    "cache write (1 h)",
    "cache write",
    "tool prompt",
    "output",
    "call",
)
_OTHERS = {
    "credit": "Credit of {of}",
    "tax": "Tax on {of}",
    "correction": "Correction of an earlier period, {of}",
    "variance": "Variance of {of}",
    "shortfall": "Minimum fee of {of}",
}
_ROLES = {"idle": ", idle", "own_idle": ", own idle"}
_PICOS_A_NANO = 1_000
_MOST_DIGITS = 4


@dataclass(frozen=True)
class Told:
    """What a sentence is made of.

    Attributes:
        parts: The steps that it sums up, with the lines of work they are steps of.
        days: The days of this month's calls; none where they were not asked for.
    """

    parts: Sequence[tuple[Line, Effect]]
    days: Sequence[DayOfCalls] = ()

    @property
    def line(self) -> Line:
        """The line of work; the first where there are several."""
        return self.parts[0][0]

    @property
    def measured(self) -> list[Measured]:
        """The calls, each once."""
        found = [effect.measured for _, effect in self.parts if effect.measured is not None]
        return list({id(m): m for m in found}.values())

    @property
    def estimate(self) -> bool:
        """Whether some of the money has no bill yet."""
        return any(line.estimate for line, _ in self.parts)

    @property
    def subject(self) -> str:
        """What the calls are made for; their model where they say nothing of it, or where there are several."""
        line = self.line
        if not line.name:
            only = line.models[0]
            return only.model if _named(only.model) else f"{only.provider} that name no model"
        named = f"{line.name} ({line.operation})" if line.several and line.operation else line.name
        return f"{named} on {self.measured[0].model}" if self.measured and len(line.models) > 1 else named

    def tokens(self, at: int) -> list[int]:
        """Of each kind, in the period before (0) or in this one (1)."""
        periods = [periods[at] for m in self.measured for periods in m.ways.values()]
        return [sum(used.tokens[kind] for used in periods) for kind in range(OUTPUT + 1)]

    def calls(self, at: int) -> int:
        """How many, in the period before (0) or in this one (1)."""
        models = self.measured or self.line.models
        return sum(m.calls[at] for m in models)


def whole_percent(part: int, whole: int) -> str:
    """A share for people: `71 %`, with a decimal below 1 %."""
    found = percent(part, whole, 0)
    if found is not None and abs(found) < 1 and part:
        found = percent(part, whole, 1)
    return "n/a" if found is None else f"{found:,f} %"


def _volume(told: Told) -> str:
    was, now = told.calls(0), told.calls(1)
    word = "more" if now > was else "fewer"
    day = busiest(told.days, now - was) if now > was else None
    when = f"; {day.calls:,} of them on {day.day.day} {day.day:%B}" if day else ""
    return f"{whole_percent(abs(now - was), was)} {word} calls of {told.subject} ({now:,} after {was:,}{when})"


def _models(told: Told) -> str:
    calls: dict[str, tuple[int, int]] = {}
    for m in told.line.models:
        name = m.model or m.provider or "no model named"
        was, now = calls.get(name, (0, 0))
        calls[name] = was + m.calls[0], now + m.calls[1]
    return f"Calls of {told.subject}: {_shifted(calls)}"


def _ways(told: Told) -> str:
    shares: dict[str, tuple[int, int]] = {}
    for m in told.measured:
        for way, (was, now) in m.ways.items():
            counted = shares.get(way, (0, 0))
            shares[way] = counted[0] + was.calls, counted[1] + now.calls
    return f"Calls of {told.subject}: {_shifted(shares)}"


def _shifted(calls: Mapping[str, tuple[int, int]]) -> str:
    """The one whose share of the calls moved most, with both shares."""
    before, now = (sum(counts[at] for counts in calls.values()) for at in (0, 1))
    # What calls say nothing of is named only where there is nothing else.
    named = {name: counts for name, counts in calls.items() if name} or calls
    moved = {name: Fraction(b, now) - Fraction(a, before) for name, (a, b) in named.items()}
    name = min(moved, key=lambda name: (-abs(moved[name]), -moved[name], name))
    return f"{name} {whole_percent(calls[name][1], now)} after {whole_percent(calls[name][0], before)}"


def _input(told: Told) -> str:
    return _per_call(told, "Input", lambda tokens: sum(tokens[:INPUT_KINDS]))


def _output(told: Told) -> str:
    return _per_call(told, "Output", lambda tokens: tokens[OUTPUT])


def _per_call(told: Told, what: str, count: Callable[[list[int]], int]) -> str:
    was, now = (half_up_div(count(told.tokens(at)), told.calls(at)) for at in (0, 1))
    return f"{what} per call of {told.subject}: {now:,} tokens after {was:,}"


def _cache(told: Told) -> str:
    was, now = told.tokens(0), told.tokens(1)
    before, after = sum(was[:INPUT_KINDS]), sum(now[:INPUT_KINDS])
    first, last = _apart((was[CACHE_READ], before), (now[CACHE_READ], after))
    if first == last:
        return f"Kinds of input of {told.subject}: fresh, cached, written to a cache, tool prompts"
    word = "fell" if now[CACHE_READ] * before < was[CACHE_READ] * after else "rose"
    step = cache_step(told.days)
    when = f", to {whole_percent(step.part, step.whole)} from {step.day.day} {step.day:%B} on" if step else ""
    return f"Cached input of {told.subject} {word} from {first} to {last}{when}"


def _apart(before: tuple[int, int], now: tuple[int, int]) -> tuple[str, str]:
    """Two shares with as many decimals as tell them apart, within reason."""
    texts = [f"{percent(*share, digits)} %" for digits in range(_MOST_DIGITS + 1) for share in (before, now)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])


def _price(told: Told) -> str:
    _, effect = max(told.parts, key=lambda part: (abs(part[1].nano), part[1].way))
    m = told.measured[0] if effect.measured is None else effect.measured
    was, now = m.ways[effect.way]
    moved: list[tuple[Fraction, int, Fraction, Fraction]] = []
    for kind, (old, new) in enumerate(zip(was.prices or (), now.prices or (), strict=True)):
        count = now.calls if kind == REQUEST else now.tokens[kind]
        if old is not None and new is not None:
            moved.append((abs(new - old) * count, -kind, old, new))
    if not moved or not max(moved)[0]:
        return f"List price of {m.model}"
    _, kind, old, new = max(moved)
    word = "fell" if new < old else "rose"
    unit = 1 if kind == -REQUEST else 10**6
    per = "" if kind == -REQUEST else " per 1M tokens"
    return f"List price of {m.model}, {_KINDS[-kind]}, {word} from {_dear(old * unit)} to {_dear(new * unit)}{per}"


def _dear(picos: Fraction) -> str:
    """A list price in whole units of its currency: at least two decimals, and no more than it has."""
    found = quotient(picos.numerator, picos.denominator * 10**12, 6)
    text = f"{found:f}".rstrip("0")
    return text + "0" * max(2 - len(text.partition(".")[2]), 0)


def _billed(told: Told, currency: str) -> str:
    provider = told.measured[0].provider or "the vendor"
    if currency != "USD":
        return f"Billed by {provider} against list price, exchange rate included"
    listed = [sum(m.picos[at] for m in told.measured) for at in (0, 1)]
    billed = [sum((m.before, m.now)[at] for m in told.measured) * _PICOS_A_NANO for at in (0, 1)]
    first, last = _apart((billed[0], listed[0]), (billed[1], listed[1]))
    return f"Billed by {provider}: {last} of list price after {first}"


def _cost_per_call(told: Told) -> str:
    costs = []
    for at in (0, 1):
        nano = sum((m.before, m.now)[at] for m in told.measured)
        costs.append(quotient(nano, told.calls(at) * 10**9, 5))
    return f"Cost per call of {told.subject}: {costs[1]} after {costs[0]}"


def _new(told: Told) -> str:
    return f"New: calls of {told.subject} ({told.calls(1):,})"


def _ended(told: Told) -> str:
    return f"Ended: calls of {told.subject} ({told.calls(0):,} before)"


_SENTENCES: Mapping[str, Callable[[Told], str]] = {
    "volume": _volume,
    "models": _models,
    "ways": _ways,
    "input": _input,
    "output": _output,
    "cache": _cache,
    "price": _price,
    "cost per call": _cost_per_call,
    "new": _new,
    "ended": _ended,
}


def calls_changed(kind: str, told: Told, currency: str) -> str:
    """What changed of some calls.

    Args:
        kind: Of the step.
        told: What is known of them.
        currency: Of the ledger.
    """
    text = _billed(told, currency) if kind == "billed" else _SENTENCES[kind](told)
    return f"{text}, estimate" if told.estimate else text


def title_of(rule: str, item: str) -> str:
    """A pool as a statement calls it."""
    item = item.strip("/")
    return f"{rule}: {item}" if item and item != rule else rule


def pool_changed(amount: Amount, pools: tuple[Weighed, Weighed], currency: str) -> str:
    """A shared pool that became larger or smaller."""
    was, now = (show(pool.amount, currency) for pool in pools)
    return _marked(f"{title_of(amount.rule, amount.item)} cost {now} after {was}", amount)


def share_changed(amount: Amount, pools: tuple[Weighed, Weighed], owner: str, unit: int) -> str:
    """An owner's part of a shared pool: its weights where they are one number, else what they came to."""
    title = f"{title_of(amount.rule, amount.item)}{_ROLES.get(amount.role, '')}"
    texts = [_weighed(pool, owner, amount.role) for pool in pools]
    if texts[0] is None or texts[1] is None:
        parts = [
            percent(nano, pool.amount * unit) for nano, pool in zip((amount.before, amount.now), pools, strict=True)
        ]
        return _marked(f"Part of {title}: {parts[1]} % after {parts[0]} %", amount)
    words = pools[1].measure.unit_words if pools[1].measure else ""
    return _marked(f"Part of {title}: {texts[1]} {words}, after {texts[0]}", amount)


def _weighed(pool: Weighed, owner: str, role: str) -> str | None:
    weight = pool.weights.get((owner, role))
    if pool.measure is None or pool.total is None or weight is None:
        return None
    return f"{pool.measure.counted(weight):,f} of {pool.measure.counted(pool.total):,f}"


def amount_changed(amount: Amount, month: str, currency: str, unit: int) -> str:
    """Money that has an amount and nothing else that is known of it."""
    was, now = (show(half_up_div(nano, unit), currency) for nano in (amount.before, amount.now))
    if amount.kind in _OTHERS:
        of = amount.issuer if amount.kind in ("credit", "tax", "correction") else amount.rule
        return _marked(f"{_OTHERS[amount.kind].format(of=of or amount.provider)}: {now} after {was}", amount)
    name = _called(amount)
    if not amount.before:
        return _marked(f"New: {name}", amount)
    return _marked(f"Ended: {name} ({was} in {month})" if not amount.now else f"{name}: {now} after {was}", amount)


def _called(amount: Amount) -> str:
    """A pool of a rule, or the cost of a model that calls do not explain."""
    of = amount.model if _named(amount.model) else amount.provider
    if amount.rule:
        return ", ".join(part for part in (amount.rule, of) if part)
    return f"{of} for {amount.item}, as billed" if _named(amount.item) else f"{of}, as billed"


def _named(value: str) -> bool:
    return value not in ("", UNALLOCATED)


def _marked(text: str, amount: Amount) -> str:
    return f"{text}, estimate" if amount.estimate else text
