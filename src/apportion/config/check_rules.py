"""Checks what allocation rules say: their references, shares, owners and the pools they feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from apportion.config.circles import circles
from apportion.config.document import Document
from apportion.config.rules import (
    BUILT_IN_METERS,
    DirectRule,
    EvenRule,
    FixedRule,
    HeadcountRule,
    ProportionalRule,
    Rule,
    SeatsRule,
    Target,
)
from apportion.config.settings import Settings
from apportion.config.shape import meant
from apportion.config.written import POOL
from apportion.errors import Problem

Steps = tuple[str | int, ...]

_WHOLES = (Decimal(100), Decimal(1))


def check_rules(settings: Settings, document: Document, left_out: frozenset[str]) -> Iterator[Problem]:
    """Everything about the rules that their form does not show.

    Args:
        settings: What was written.
        document: Where it was written.
        left_out: Names whose definition has a fault of its own; references to them are not reported.
    """
    fed = {pool for rule in settings.allocate for pool in rule.feeds}
    fed.add((settings.policies.variance.to or "").removeprefix(POOL))
    for number, rule in enumerate(settings.allocate):
        place: Steps = ("allocate", number)
        if rule.condition is None and rule.name not in fed:
            message = f"The rule `{rule.name}` names no charges, and no other rule feeds it."
            cure = "Add `when:`, such as `when: \"category = 'inference'\"`, or `when: true` for what is left."
            yield document.problem("rule-without-charges", message, place, cure=cure)
        yield from _numbers(rule, document, place)
        yield from _references(rule, settings, document, place, left_out)
        yield from _fallback(rule, settings, document, place, left_out)
    yield from _names(settings, document)
    yield from _pools(settings, document, left_out)


def _names(settings: Settings, document: Document) -> Iterator[Problem]:
    rules = list(enumerate(settings.allocate))
    for number, rule in rules:
        place = ("allocate", number, "name")
        earlier = [other for n, other in rules if n < number and other.name == rule.name]
        if any(other.version == rule.version for other in earlier):
            message = f"`{rule.name}` version {rule.version} is the name of two rules."
            cure = "Give each its own name, or a new `version:` with dates."
            yield document.problem("duplicate-name", message, place, cure=cure)
        elif overlap := next((o for o in earlier if o.start < rule.end and rule.start < o.end), None):
            message = f"Versions {overlap.version} and {rule.version} of `{rule.name}` hold on the same days."
            cure = "End the earlier version with `to:` on the day the later one starts with `from:`."
            yield document.problem("overlapping-versions", message, place, cure=cure)


def _numbers(rule: Rule, document: Document, place: Steps) -> Iterator[Problem]:
    if isinstance(rule, FixedRule):
        yield from _shares(rule.shares, document, (*place, "shares"))
    if isinstance(rule, EvenRule):
        yield from _owners(rule.among, document, (*place, "among"))
    if isinstance(rule, DirectRule) and rule.minimum:
        yield from _shares(rule.minimum.shares, document, (*place, "minimum", "shares"))
        if rule.minimum.amount < 0:
            message = f"The minimum {rule.minimum.amount} is negative."
            yield document.problem("out-of-range", message, (*place, "minimum", "amount"))
    if isinstance(rule, ProportionalRule) and rule.floor is not None and rule.floor < 0:
        message = f"The floor {rule.floor} is negative, and so would be a weight."
        yield document.problem("out-of-range", message, (*place, "floor"), cure="Write `floor: 0`.")
    if rule.amortize and rule.amortize.days is not None and rule.amortize.days < 1:
        message = f"A charge cannot be spread over {rule.amortize.days} days."
        yield document.problem("out-of-range", message, (*place, "amortize", "days"))


def _shares(shares: Mapping[str, Decimal], document: Document, place: Steps) -> Iterator[Problem]:
    negative = [owner for owner, share in shares.items() if share < 0]
    for owner in negative:
        message = f"The share of `{owner}` is negative: {shares[owner]}."
        cure = "Shares are 0 or more."
        yield document.problem("negative-share", message, (*place, owner), cure=cure)
    total = sum(shares.values(), Decimal(0))
    if not shares:
        cure = "Write `{owner: 60, other: 40}`."
        yield document.problem("empty-owners", "There are no shares.", place, cure=cure)
    elif not negative and total not in _WHOLES:
        whole = min(_WHOLES, key=lambda each: abs(each - total))
        missing = whole - total
        change = f"{abs(missing)} {'is missing' if missing > 0 else 'is too much'}"
        cure = f"Make the shares total {whole} ({change}); for equal parts write `even`."
        message = f"The shares total {total}, not {' or '.join(map(str, _WHOLES))}."
        yield document.problem("shares-total", message, place, at="key", cure=cure)


def _owners(owners: Sequence[str], document: Document, place: Steps) -> Iterator[Problem]:
    if not owners:
        cure = "Name at least one owner: `[support, search]`."
        yield document.problem("empty-owners", "There are no owners.", place, cure=cure)
    for number, owner in enumerate(owners):
        if owner in owners[:number]:
            message = f"`{owner}` is named twice and would get two parts."
            cure = "Name it once; for unequal parts write `fixed` shares."
            yield document.problem("duplicate-owner", message, (*place, number), cure=cure)


def _references(
    rule: Rule, settings: Settings, document: Document, place: Steps, left_out: frozenset[str]
) -> Iterator[Problem]:
    if isinstance(rule, ProportionalRule):
        yield from _meters(rule, settings, document, place, left_out)
    if isinstance(rule, HeadcountRule):
        yield from _roster(rule.roster, settings, document, place, left_out)
    if isinstance(rule, SeatsRule):
        known = [each.name for each in settings.seats]
        wanted = rule.seats if rule.seats is not None else rule.name
        if wanted in {*known, *left_out} or (rule.seats is None and len(known) == 1):
            return
        message = f"There are no seats `{wanted}`."
        cure = meant(wanted, known) or "Add them under `seats:`."
        if rule.seats is None:
            message = f"The rule `{rule.name}` does not say whose seats it means."
            cure = f"Add `seats:`. {meant(rule.name, known)}" if known else "Add them under `seats:`."
        steps = (*place, "seats") if rule.seats is not None else place
        yield document.problem("unknown-seats", message, steps, cure=cure)


def _meters(
    rule: ProportionalRule, settings: Settings, document: Document, place: Steps, left_out: frozenset[str]
) -> Iterator[Problem]:
    known = [each.name for each in settings.meters]
    for number, meter in enumerate(rule.meter):
        steps = (*place, "meter", number)
        if meter not in {*known, *BUILT_IN_METERS, *left_out}:
            message = f"There is no meter `{meter}`."
            cure = meant(meter, [*known, *BUILT_IN_METERS])
            yield document.problem("unknown-meter", message, steps, cure=cure)
        if len(rule.meter) > 1 and meter in BUILT_IN_METERS and meter not in known:
            message = f"`{meter}` cannot be combined: only meters of the project can."
            yield document.problem("bad-combination", message, steps, cure="Use it alone.")
        if meter in rule.meter[:number]:
            message = f"The meter `{meter}` is named twice."
            yield document.problem("bad-combination", message, steps, cure="Name it once.")
    if len(rule.meter) > 1 and rule.combine is None:
        message = "Two meters need to be told how they become one weight."
        yield document.problem("bad-combination", message, (*place, "meter"), cure="Add `combine: larger_share`.")
    if len(rule.meter) == 1 and rule.combine is not None:
        message = "There is one meter: nothing can be combined."
        cure = "Remove `combine`, or name two meters: `meter: [gpu_hours, gpu_memory_hours]`."
        yield document.problem("bad-combination", message, (*place, "combine"), cure=cure)
    if rule.idle and all(meter in BUILT_IN_METERS and meter not in known for meter in rule.meter):
        message = f"`{rule.meter[0]}` knows no capacity, so nothing can be idle."
        cure = "Remove `idle`, or weigh by a meter with a capacity."
        yield document.problem("idle-without-meter", message, (*place, "idle"), at="key", cure=cure)
    if rule.idle and rule.idle.to is not None and rule.idle.policy != "separate":
        message = f"Idle cost cannot both be `{rule.idle.policy}` and be kept by `{rule.idle.to}`."
        yield document.problem("both-chosen", message, (*place, "idle"), cure="Write one of the two.")


def _roster(
    roster: str | None, settings: Settings, document: Document, place: Steps, left_out: frozenset[str]
) -> Iterator[Problem]:
    known = [each.name for each in settings.directory if each.type == "roster"]
    if roster is not None and roster not in {*known, *left_out}:
        message = f"There is no roster `{roster}` in `directory`."
        cure = meant(roster, known) or "Add one with `type: roster`."
        yield document.problem("unknown-roster", message, (*place, "roster"), cure=cure)
    elif roster is None and len(known) != 1 and not left_out:
        count = "no roster" if not known else f"{len(known)} rosters"
        message = f"Heads are to be counted, and `directory` has {count}."
        cure = "Add one with `type: roster`." if not known else f"Add `roster:`. {meant('', known)}"
        yield document.problem("unknown-roster", message, place, cure=cure)


def _fallback(
    rule: Rule, settings: Settings, document: Document, place: Steps, left_out: frozenset[str]
) -> Iterator[Problem]:
    fallback = rule.fallback
    if fallback is None:
        return
    place = (*place, "fallback")
    if len(fallback.model_fields_set) != 1:
        message = f"A fallback is one of four things, and here are {len(fallback.model_fields_set)}."
        cure = "Write `{even: [a, b]}`, `{fixed: {a: 60, b: 40}}`, `{headcount: {}}` or `{to: OWNER}`."
        yield document.problem("both-chosen", message, place, cure=cure)
    if fallback.fixed is not None:
        yield from _shares(fallback.fixed, document, (*place, "fixed"))
    if fallback.even is not None:
        yield from _owners(fallback.even, document, (*place, "even"))
    if fallback.headcount is not None:
        yield from _roster(fallback.headcount.roster, settings, document, (*place, "headcount"), left_out)


def _pools(settings: Settings, document: Document, left_out: frozenset[str]) -> Iterator[Problem]:
    names = list(dict.fromkeys(rule.name for rule in settings.allocate))
    targets: list[tuple[Steps, str]] = [
        (("allocate", number, *path), owner)
        for number, rule in enumerate(settings.allocate)
        for path, owner in rule.targets()
    ]
    central = settings.policies.variance.to
    if central is not None:
        targets.append((("policies", "variance", "to"), central))
    for place, owner in targets:
        if owner.startswith(POOL) and (pool := owner.removeprefix(POOL)) not in {*names, *left_out}:
            message = f"There is no rule `{pool}` whose pool could be fed."
            yield document.problem("unknown-pool", message, place, cure=meant(pool, names))
    places: dict[tuple[str, str], Steps] = {}
    edges: dict[str, list[str]] = {name: [] for name in names}
    for number, rule in enumerate(settings.allocate):
        own: list[tuple[Steps, str]] = [((*("allocate", number), *path), owner) for path, owner in _fed(rule, central)]
        for place, owner in own:
            pool = owner.removeprefix(POOL)
            if owner.startswith(POOL) and pool in edges:
                places.setdefault((rule.name, pool), place)
                edges[rule.name].append(pool)
    for circle in circles(edges):
        cure = "Let one of these rules charge owners instead of a pool."
        shown = " → ".join(circle)
        message = f"Pools feed each other in a circle: {shown}."
        if circle[0] == circle[1]:
            message = f"The rule feeds its own pool: {shown}."
        yield document.problem("pool-circle", message, places[circle[0], circle[1]], cure=cure)


def _fed(rule: Rule, central: str | None) -> Iterator[Target]:
    """What a rule feeds, the project's variance policy included where the rule has none of its own."""
    yield from rule.targets()
    if isinstance(rule, DirectRule) and rule.variance is None and central is not None:
        yield (), central
