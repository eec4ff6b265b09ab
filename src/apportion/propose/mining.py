"""Mining: what the calls that carry a name say of calls with the same key, weighed before it is believed.

The bar follows `practice.md` of the field (read 2026-11-23): agreement alone is not enough, because a team that never
sends its name looks like its neighbours. So a key whose untagged calls come from people who were never seen with a
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
# Where nearly all calls with a name carry a person, one that carries none is a stranger.
_USUALLY_NAMED = 10


@dataclass(frozen=True)
class Bar:
    """What evidence must reach.

    Attributes:
        calls: Calls with a name.
        days: On so many days.
        lower: The lower bound of the share that agrees.
        entropy: At most so mixed.
        above: So much above the owner's share of all calls.
        recent: The share that agrees in the last seven days.
        strangers: In percent, at most.
        two: Of a split: the share of the two that have most.
    """

    calls: int = 30
    days: int = 5
    lower: Decimal = Decimal("0.90")
    entropy: Decimal = Decimal("0.20")
    above: Decimal = Decimal("0.15")
    recent: Decimal = Decimal("0.90")
    strangers: Decimal = Decimal(25)
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
            if counted.tagged:
                rule = OwnerRule("", "key", asked[place], tuple(value.split(BETWEEN)), counted.owners[0][0])
                found.append(self._judged(rule, counted))
        return found

    def as_split(self, near: Proposal) -> Proposal | None:
        """A key that two owners share, as a proposal to divide its cost; None where it is no such key."""
        counted = near.counted
        two = counted.owners[:_TWO]
        if len(two) < _TWO or sum(calls for _, calls in two) < self._bar.two * counted.tagged:
            return None
        weights = {owner: picos for owner, picos in counted.picos if owner in dict(two)}
        if not any(weights.values()):
            weights = dict(two)
        owners = sorted(weights, key=lambda owner: (-weights[owner], owner))
        shares = split(_WHOLE, [weights[owner] for owner in owners])
        recent = dict(counted.recent)
        theirs = sum(recent.get(owner, 0) for owner in owners)
        if theirs < self._bar.two * sum(recent.values()):
            return None
        if self._too_few(counted) or self._unknown_people(counted) or not all(shares):
            return None
        rule = OwnerRule("", "split", near.rule.fields, near.rule.values, "", tuple(zip(owners, shares, strict=True)))
        return Proposal(named(rule), counted, lower_bound(sum(c for _, c in two), counted.tagged), near.entropy)

    def _counted(self) -> dict[tuple[int, str], Counted]:
        asked = {"recent": self._recent}
        owners: dict[tuple[int, str], list[tuple[str, int, int, int]]] = defaultdict(list)
        for place, value, owner, calls, picos, recent in self._rows("owners", asked):
            owners[place, value].append((owner, calls, picos, recent))
        guard = {(row[0], row[1]): row[2:] for row in self._rows("strangers", {})}
        found = {}
        for place, value, tagged, days, untagged, _, recent_untagged in self._rows("counts", asked):
            of = owners[place, value]
            found[place, value] = Counted(
                tagged,
                days,
                tuple((owner, calls) for owner, calls, _, _ in of),
                tuple((owner, int(picos)) for owner, _, picos, _ in of),
                tuple((owner, recent) for owner, _, _, recent in of if recent),
                untagged,
                recent_untagged,
                _strangers(tagged, *guard[place, value]),
            )
        return found

    def _rows(self, name: str, asked: dict[str, date]) -> list[tuple[Any, ...]]:
        return self._con.execute(step_text(f"{name}.sql", _PACKAGE), asked).fetchall()

    def _judged(self, rule: OwnerRule, counted: Counted) -> Proposal:
        lower = lower_bound(counted.agree, counted.tagged)
        mixed = entropy((calls for _, calls in counted.owners), len(self._of_all))
        why = self._why_not(rule.owner, counted, lower, mixed)
        return Proposal(named(rule), counted, lower, mixed, why)

    def _why_not(self, owner: str, counted: Counted, lower: Decimal, mixed: Decimal) -> str:
        bar = self._bar
        if few := self._too_few(counted):
            return few
        if lower < bar.lower:
            share = percent(counted.agree, counted.tagged, 1)
            sure = f"at least {_percent(lower)} % for certain"
            return f"{share} % of its tagged calls agree, {sure}; {_percent(bar.lower)} % is asked"
        by_cost = sum(picos for _, picos in counted.picos)
        of_owner = dict(counted.picos).get(owner, 0)
        if by_cost and of_owner < bar.lower * by_cost:
            return f"{percent(of_owner, by_cost, 1)} % of its tagged cost agrees; {_percent(bar.lower)} % is asked"
        if mixed > bar.entropy:
            return f"its owners are too mixed: {mixed:.2f}; at most {bar.entropy} is asked"
        base = Decimal(self._of_all[owner]) / sum(self._of_all.values())
        if lower - base < bar.above:
            return f"{owner} has {_percent(base)} % of all tagged calls, so this says little"
        return self._changed(owner, counted) or self._unknown_people(counted)

    def _too_few(self, counted: Counted) -> str:
        bar = self._bar
        if counted.tagged < bar.calls:
            return f"{counted.tagged:,} of its calls carry an owner; {bar.calls} are asked"
        if counted.days < bar.days:
            return f"its tagged calls are of {counted.days} days; {bar.days} are asked"
        return ""

    def _changed(self, owner: str, counted: Counted) -> str:
        recent = sum(calls for _, calls in counted.recent)
        if not recent:
            return "in the last seven days only untagged calls" if counted.recent_untagged else ""
        agree = dict(counted.recent).get(owner, 0)
        if agree < self._bar.recent * recent:
            return f"in the last seven days {percent(agree, recent, 1)} % of its tagged calls agree"
        return ""

    def _unknown_people(self, counted: Counted) -> str:
        if counted.strangers is None or counted.strangers <= self._bar.strangers:
            return ""
        return (
            f"{counted.strangers} % of its untagged calls are of people never seen in a tagged one;"
            f" at most {self._bar.strangers} % is asked"
        )


def _strangers(tagged: int, named_: int, strangers: int, nameless: int, tagged_nameless: int) -> Decimal | None:
    if tagged_nameless * _USUALLY_NAMED < tagged:
        named_, strangers = named_ + nameless, strangers + nameless
    return percent(strangers, named_, 1)


def _percent(share: Decimal) -> str:
    return f"{share * 100:.1f}".removesuffix(".0")


def pairs(fields: Fields) -> list[tuple[str, ...]]:
    """Two fields together, the first of which may stand alone."""
    return [(one, other) for at, one in enumerate(fields.strong, start=1) for other in fields.names[at:]]
