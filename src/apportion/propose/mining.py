"""Mining: what the calls that have an owner say of calls with the same key, weighed before it is believed.

The bar follows `practice.md` of the field (read 2026-11-23): agreement alone is not enough, because a team that never
sends its name looks like its neighbours. So a key whose unowned calls come from people who were never seen with a
name is left alone, however well its other calls agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from duckdb import DuckDBPyConnection

from apportion.config.approved import BETWEEN, OwnerRule
from apportion.money import split
from apportion.propose.calls import Fields
from apportion.propose.proposal import Counted, Proposal, named
from apportion.propose.strength import entropy, lower_bound
from apportion.report.percentages import percent
from apportion.warehouse.steps import step_text

_PACKAGE = "apportion.propose"
RECENT = timedelta(days=7)
_TWO = 2
# Of a split, in hundredths of a percent.
_WHOLE = 10_000
# Where nearly all calls with an owner carry a person, one that carries none is a stranger.
_USUALLY_NAMED = 10


@dataclass(frozen=True)
class Bar:
    """What evidence must reach.

    Attributes:
        calls: Calls with an owner.
        days: On so many days.
        lower: The lower bound of the share that agrees.
        entropy: At most so mixed.
        above: So much above the owner's share of all calls.
        recent: The share that agrees in the last seven days.
        untagged: The share that agrees of untagged calls that a directory knows.
        strangers: In percent, at most.
        drift: Of a split: how far a share of the last seven days may lie from that of the period.
        two: Of a split: the share of the two that have most.
    """

    calls: int = 30
    days: int = 5
    lower: Decimal = Decimal("0.90")
    entropy: Decimal = Decimal("0.20")
    above: Decimal = Decimal("0.15")
    recent: Decimal = Decimal("0.90")
    untagged: Decimal = Decimal("0.90")
    strangers: Decimal = Decimal(25)
    drift: Decimal = Decimal("0.25")
    two: Decimal = Decimal("0.95")


class Miner:
    """Weighs every value of some fields.

    Args:
        con: Has `asked_calls`.
        fields: What `asked_calls.said` holds, in order.
        recent: The first of the last seven days with calls.
        bar: What evidence must reach.
    """

    def __init__(self, con: DuckDBPyConnection, fields: Fields, recent: date, bar: Bar) -> None:
        self._con = con
        self._fields = fields
        self._recent = recent
        self._bar = bar
        known = con.execute(
            "SELECT owner, SUM(calls)::BIGINT FROM asked_calls WHERE state = 'known' GROUP BY owner"
        ).fetchall()
        self._of_all: dict[str, int] = dict(known)

    def weigh(self, asked: Sequence[tuple[str, ...]]) -> list[Proposal]:
        """Every value that a call without an owner has and a call with one, too.

        Args:
            asked: Fields, each alone or two together.

        Returns:
            What fits and what does not, by field and value.
        """
        if not asked:
            return []
        numbers = {name: number for number, name in enumerate(self._fields.names, start=1)}
        places = [(at, *(numbers[name] for name in names), 0)[:3] for at, names in enumerate(asked)]
        self._con.execute("CREATE OR REPLACE TEMP TABLE asked_fields (place INT, first_field INT, second_field INT)")
        self._con.executemany("INSERT INTO asked_fields VALUES (?, ?, ?)", places)
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE candidates AS {step_text('candidates.sql', _PACKAGE)}")
        found = []
        for (place, value), counted in self._counted().items():
            if counted.owned:
                rule = OwnerRule("", "key", asked[place], tuple(value.split(BETWEEN)), counted.owners[0][0])
                found.append(self._judged(rule, counted))
        return found

    def as_split(self, near: Proposal) -> Proposal | None:
        """A key that two owners share, as a proposal to divide its cost; None where it is no such key."""
        counted = near.counted
        two = counted.owners[:_TWO]
        if len(two) < _TWO or sum(calls for _, calls in two) < self._bar.two * counted.owned:
            return None
        weights = {owner: picos for owner, picos in counted.picos if owner in dict(two)}
        if not any(weights.values()):
            weights = dict(two)
        owners = sorted(weights, key=lambda owner: (-weights[owner], owner))
        shares = split(_WHOLE, [weights[owner] for owner in owners])
        if not self._steady(counted, owners):
            return None
        if self._too_few(counted) or self._unknown_people(counted) or not all(shares):
            return None
        rule = OwnerRule("", "split", near.rule.fields, near.rule.values, "", tuple(zip(owners, shares, strict=True)))
        return Proposal(named(rule), counted, lower_bound(sum(c for _, c in two), counted.owned), near.entropy)

    def _steady(self, counted: Counted, owners: Sequence[str]) -> bool:
        """Whether the last seven days show the two owners of a split about as all of the period does."""
        recent, calls = dict(counted.recent), dict(counted.owners)
        total = sum(recent.values())
        if not total:
            return not counted.recent_unowned
        apart = [abs(recent.get(one, 0) * counted.owned - calls[one] * total) for one in owners]
        return all(distance <= self._bar.drift * total * counted.owned for distance in apart)

    def _counted(self) -> dict[tuple[int, str], Counted]:
        asked = {"recent": self._recent}
        owners: dict[tuple[int, str], list[tuple[str, int, int, int, int]]] = defaultdict(list)
        for place, value, *of_owner in self._rows("owners", asked):
            owners[place, value].append(tuple(of_owner))
        guard = {(row[0], row[1]): row[2:] for row in self._rows("strangers", {})}
        found = {}
        for place, value, owned, days, unowned, _, recent_unowned in self._rows("counts", asked):
            of = owners[place, value]
            found[place, value] = Counted(
                owned,
                days,
                tuple((owner, calls) for owner, calls, *_ in of),
                tuple((owner, int(picos)) for owner, _, picos, *_ in of),
                tuple((owner, recent) for owner, _, _, recent, _ in of if recent),
                tuple((owner, untagged) for owner, *_, untagged in of if untagged),
                unowned,
                recent_unowned,
                _strangers(owned, *guard[place, value]),
            )
        return found

    def _rows(self, name: str, asked: dict[str, date]) -> list[tuple[Any, ...]]:
        return self._con.execute(step_text(f"{name}.sql", _PACKAGE), asked).fetchall()

    def _judged(self, rule: OwnerRule, counted: Counted) -> Proposal:
        lower = lower_bound(counted.agree, counted.owned)
        mixed = entropy((calls for _, calls in counted.owners), len(self._of_all))
        why = self._why_not(rule.owner, counted, lower, mixed)
        return Proposal(named(rule), counted, lower, mixed, why)

    def _why_not(self, owner: str, counted: Counted, lower: Decimal, mixed: Decimal) -> str:
        bar = self._bar
        if few := self._too_few(counted):
            return few
        if lower < bar.lower:
            share = percent(counted.agree, counted.owned, 1)
            sure = f"at least {_percent(lower)} % for certain"
            return f"{share} % of its owned calls agree, {sure}; {_percent(bar.lower)} % is asked"
        by_cost = sum(picos for _, picos in counted.picos)
        of_owner = dict(counted.picos).get(owner, 0)
        if by_cost and of_owner < bar.lower * by_cost:
            return f"{percent(of_owner, by_cost, 1)} % of its owned cost agrees; {_percent(bar.lower)} % is asked"
        if mixed > bar.entropy:
            return f"its owners are too mixed: {mixed:.2f}; at most {bar.entropy} is asked"
        base = Decimal(self._of_all[owner]) / sum(self._of_all.values())
        if lower - base < bar.above:
            return f"{owner} has {_percent(base)} % of all owned calls, so this says little"
        return self._changed(owner, counted) or self._others(owner, counted) or self._unknown_people(counted)

    def _too_few(self, counted: Counted) -> str:
        bar = self._bar
        if counted.owned < bar.calls:
            return f"{counted.owned:,} of its calls carry an owner; {bar.calls} are asked"
        if counted.days < bar.days:
            return f"its owned calls are of {counted.days} days; {bar.days} are asked"
        return ""

    def _changed(self, owner: str, counted: Counted) -> str:
        recent = sum(calls for _, calls in counted.recent)
        if not recent:
            return "in the last seven days only unowned calls" if counted.recent_unowned else ""
        agree = dict(counted.recent).get(owner, 0)
        if agree < self._bar.recent * recent:
            return f"in the last seven days {percent(agree, recent, 1)} % of its owned calls agree"
        return ""

    def _others(self, owner: str, counted: Counted) -> str:
        """Whether the untagged calls that a directory knows are somebody else's: the others will be like them."""
        untagged = sum(calls for _, calls in counted.untagged)
        agree = dict(counted.untagged).get(owner, 0)
        if agree < self._bar.untagged * untagged:
            share, asked = percent(agree, untagged, 1), _percent(self._bar.untagged)
            return f"of its untagged calls that a directory knows {share} % agree; {asked} % is asked"
        return ""

    def _unknown_people(self, counted: Counted) -> str:
        if counted.strangers is None or counted.strangers <= self._bar.strangers:
            return ""
        return (
            f"{counted.strangers} % of its unowned calls are of people never seen in an owned one;"
            f" at most {self._bar.strangers} % is asked"
        )


def _strangers(owned: int, named_: int, strangers: int, nameless: int, owned_nameless: int) -> Decimal | None:
    if owned_nameless * _USUALLY_NAMED < owned:
        named_, strangers = named_ + nameless, strangers + nameless
    return percent(strangers, named_, 1)


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f}".removesuffix(".0")


def pairs(fields: Fields) -> list[tuple[str, ...]]:
    """Two fields together, the first of which may stand alone."""
    return [(one, other) for at, one in enumerate(fields.strong, start=1) for other in fields.names[at:]]
