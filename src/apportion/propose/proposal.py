"""A proposal: an owner rule with all that speaks for it and against it, and the money that it would move."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from decimal import Decimal

from apportion.config.approved import BETWEEN, Kind, OwnerRule
from apportion.report.context import PERSON_DIMENSION, Context, shown_value

# Fields whose values are people.
PERSON_FIELDS = frozenset({"user", "user_id"})
_ID_DIGITS = 6


@dataclass(frozen=True)
class Counted:
    """What the calls with an owner say of the calls with the same values.

    Attributes:
        owned: Calls that have an owner.
        days: On how many days.
        owners: How many of them each owner has, the most first.
        picos: The list cost of each owner's.
        recent: Calls with an owner in the last seven days, by owner.
        untagged: Calls whose owner only a directory knows, by owner: those without one are most like them.
        unowned: Calls that have none.
        recent_unowned: Of those, in the last seven days.
        strangers: Calls without an owner, in percent of those that can be judged, whose person was never seen in
            calls with one; None where none can be judged.
    """

    owned: int = 0
    days: int = 0
    owners: tuple[tuple[str, int], ...] = ()
    picos: tuple[tuple[str, int], ...] = ()
    recent: tuple[tuple[str, int], ...] = ()
    untagged: tuple[tuple[str, int], ...] = ()
    unowned: int = 0
    recent_unowned: int = 0
    strangers: Decimal | None = None

    @property
    def agree(self) -> int:
        """Calls of the owner that most are of."""
        return self.owners[0][1] if self.owners else 0


@dataclass(frozen=True)
class Proposal:
    """What is proposed, or what came near to it.

    Attributes:
        rule: What would hold.
        counted: What it rests on; of a join, how far the calls with an owner agree with the directory.
        lower: The lower end of the 95 % interval of the share that agrees.
        entropy: How mixed the owners are, from 0 to 1.
        why_not: Why it is no proposal; empty if it is one.
        minor: The money that it would move, in minor units, once those above it have moved theirs.
        examples: Counter-examples: day, owner, calls.
    """

    rule: OwnerRule
    counted: Counted
    lower: Decimal = Decimal(0)
    entropy: Decimal = Decimal(0)
    why_not: str = ""
    minor: int = 0
    examples: tuple[tuple[str, str, int], ...] = field(default=())

    @property
    def fits(self) -> bool:
        """Whether it may be approved."""
        return not self.why_not

    def evidence(self) -> str:
        """What a person is shown before they decide, as JSON for the books."""
        counted = self.counted
        said = {
            "owned": counted.owned,
            "agree": counted.agree,
            "days": counted.days,
            "owners": dict(counted.owners),
            "lower_bound": f"{self.lower:.4f}",
            "entropy": f"{self.entropy:.4f}",
            "strangers_percent": None if counted.strangers is None else f"{counted.strangers:.2f}",
            "untagged": dict(counted.untagged),
            "unowned": counted.unowned,
            "amount_minor": self.minor,
            "counter_examples": [list(example) for example in self.examples],
        }
        return json.dumps(said, ensure_ascii=False, sort_keys=True)


def named(rule: OwnerRule) -> OwnerRule:
    """The rule with its id: short, and the same whenever the same is proposed, whatever its dates and shares."""
    owners = [owner for owner, _ in rule.shares] or [rule.owner]
    said = [rule.kind, *rule.fields, BETWEEN, *rule.values, BETWEEN, *owners, BETWEEN, rule.directory, rule.on]
    digest = hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
    return replace(rule, rule_id=f"P-{digest[:_ID_DIGITS]}")


def shown(rule: OwnerRule, context: Context) -> OwnerRule:
    """The rule as a reader may see it: people by name, by pseudonym or not at all."""

    def one(name: str, value: str) -> str:
        return shown_value(context, PERSON_DIMENSION, value) if name in PERSON_FIELDS else value

    values = tuple(one(name, value) for name, value in zip(rule.fields, rule.values, strict=False))
    if context.owner == PERSON_DIMENSION and rule.kind != "join":
        shares = tuple((shown_value(context, PERSON_DIMENSION, owner), share) for owner, share in rule.shares)
        return replace(rule, values=values, owner=shown_value(context, PERSON_DIMENSION, rule.owner), shares=shares)
    return replace(rule, values=values)


KINDS: dict[Kind, str] = {"join": "directory", "key": "owner", "split": "split"}
