"""Owner rules that were approved: what a person decided, as evidence of the owner dimension.

They are no part of `apportion.yaml`: the books hold them, with who approved them and when, and each can be undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from apportion.config.dimensions import ApprovedJoin, ApprovedKeys, OwnEvidence
from apportion.config.rules import FixedRule
from apportion.config.written import POOL
from apportion.period import OPEN_END, OPEN_START

Kind = Literal["join", "key", "split"]

# Fields that say most about who calls, in this order: where a key and a person differ, it is the person who is right.
STRONGEST = ("user_id", "user", "api_key_id", "project", "workspace", "deployment", "inference_profile")

_ORDER: tuple[Kind, ...] = ("join", "key", "split")

# What stands between the values of two fields in one key: it is in no text that a call carries.
BETWEEN = "\x1f"


@dataclass(frozen=True)
class OwnerRule:
    """A way to find the owner of calls that nothing else names.

    Attributes:
        rule_id: Short and stable: the same rule has the same one whenever it is proposed.
        kind: A directory that is joined, values that mean an owner, or values whose cost is divided.
        fields: The columns or dimensions that it reads.
        values: Of each field; empty for a join.
        owner: Whose such calls are; of a join, the column of the directory that says so; of a split, empty.
        shares: Of a split: each owner's part, in hundredths of a percent; they add up to 10,000.
        directory: Of a join: the directory's name.
        on: Of a join: the directory's column that holds the key.
        but: Of a join: keys that it is not asked for, because the calls that have an owner contradict it.
        start: The first day of calls that it holds for; open if None.
        end: The first day that it does not hold for any more; open if None.
    """

    rule_id: str
    kind: Kind
    fields: tuple[str, ...]
    values: tuple[str, ...] = ()
    owner: str = ""
    shares: tuple[tuple[str, int], ...] = ()
    directory: str = ""
    on: str = ""
    but: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None

    @property
    def words(self) -> str:
        """What it says, in words."""
        if self.kind == "join":
            but = f", but for {len(self.but):,} of its keys" if self.but else ""
            return f"{self.fields[0]} → {self.owner} as {self.directory} says{but}"
        return f"{self.antecedent} → {self.consequent}"

    @property
    def antecedent(self) -> str:
        """Which calls it is about."""
        if self.kind == "join":
            return self.fields[0]
        return " and ".join(f"{field} {value}" for field, value in zip(self.fields, self.values, strict=True))

    @property
    def consequent(self) -> str:
        """Whose they are."""
        if self.kind == "split":
            return ", ".join(f"{owner} {Decimal(share).scaleb(-2)} %" for owner, share in self.shares)
        return self.owner

    @property
    def target(self) -> str:
        """The owner, or the pool that a split divides."""
        return f"{POOL}{self.rule_id}" if self.kind == "split" else self.owner

    @property
    def span(self) -> tuple[date, date]:
        """The days that it holds for, end out."""
        return self.start or OPEN_START, self.end or OPEN_END

    def meets(self, other: OwnerRule) -> bool:
        """Whether both would decide the same calls."""
        same = (self.kind == "join", self.fields, self.values, self.directory, self.on)
        if same != (other.kind == "join", other.fields, other.values, other.directory, other.on):
            return False
        (start, end), (other_start, other_end) = self.span, other.span
        return start < other_end and other_start < end

    def repeats(self, other: OwnerRule) -> bool:
        """Whether it says of some calls what another rule says of them.

        A rule for a key of one provider says of its calls what the rule for the key says of all.
        """
        if self.kind != other.kind:
            return False
        if self.kind == "join":
            return (self.fields, self.owner, self.directory, self.on) == (
                other.fields,
                other.owner,
                other.directory,
                other.on,
            )
        mine, theirs = (
            set(zip(self.fields, self.values, strict=True)),
            set(zip(other.fields, other.values, strict=True)),
        )
        return self.owner == other.owner and (mine <= theirs or theirs <= mine)

    def to_json(self) -> str:
        """As the books keep it."""
        said = {
            "rule_id": self.rule_id, "kind": self.kind, "fields": list(self.fields), "values": list(self.values),
            "owner": self.owner, "shares": [list(pair) for pair in self.shares], "directory": self.directory,
            "on": self.on, "but": list(self.but), "start": str(self.start) if self.start else None,
            "end": str(self.end) if self.end else None,
        }  # fmt: skip
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> OwnerRule:
        """From what the books keep."""
        said: dict[str, Any] = json.loads(text)
        days = {key: date.fromisoformat(said[key]) if said[key] else None for key in ("start", "end")}
        return cls(
            said["rule_id"], said["kind"], tuple(said["fields"]), tuple(said["values"]), said["owner"],
            tuple((owner, int(share)) for owner, share in said["shares"]), said["directory"], said["on"],
            tuple(said["but"]), **days,
        )  # fmt: skip


def evidence_of(rules: Iterable[OwnerRule], owner: str) -> tuple[OwnEvidence, ...]:
    """The evidence that approved rules are, in the order in which they are asked, whenever they were approved.

    What a directory says goes first, then one field, then two together, and splits last; among each the person goes
    first.

    Args:
        rules: In force.
        owner: The owner dimension.
    """
    found: dict[tuple[int, int, int, tuple[str, ...]], OwnEvidence] = {}
    for rule in rules:
        if rule.kind == "join":
            lookup = {"key": rule.fields[0], "in": rule.directory, "take": rule.owner, "on": rule.on}
            said = {"lookup": lookup, "from": rule.start, "to": rule.end, "but": rule.but}
            found[strength(rule)] = ApprovedJoin.model_validate(said)
        else:
            found[strength(rule)] = ApprovedKeys(approved=rule.fields, take=owner, split=rule.kind == "split")
    return tuple(found[place] for place in sorted(found))


def strength(rule: OwnerRule) -> tuple[int, int, int, tuple[str, ...]]:
    """Where a rule stands among others: the smaller, the sooner it is asked."""
    first = STRONGEST.index(rule.fields[0]) if rule.fields[0] in STRONGEST else len(STRONGEST)
    apart = (rule.directory, rule.on, str(rule.start or "")) if rule.kind == "join" else ()
    return (_ORDER.index(rule.kind), len(rule.fields), first, (*rule.fields, *apart))


def pools_of(rules: Iterable[OwnerRule]) -> tuple[FixedRule, ...]:
    """The pools that approved splits feed."""
    return tuple(
        FixedRule(
            name=rule.rule_id,
            method="fixed",
            shares={owner: Decimal(share).scaleb(-2) for owner, share in rule.shares},
            note=f"approved split of {rule.antecedent}",
        )
        for rule in rules
        if rule.kind == "split"
    )


def directory_rows(rules: Sequence[OwnerRule], owner: str) -> list[Mapping[str, object]]:
    """The rows of the directory that approved keys look themselves up in.

    Args:
        rules: In the order of their approval; no two decide the same calls.
        owner: The owner dimension.
    """
    return [
        {
            "lookup": ApprovedKeys.directory(split=rule.kind == "split"),
            "on_column": BETWEEN.join(rule.fields),
            "key": BETWEEN.join(rule.values),
            "take_column": owner,
            "value": rule.target,
            "valid_from": rule.span[0],
            "valid_to": rule.span[1],
            "source_file": "",
            "source_row": number,
        }
        for number, rule in enumerate(rules, start=1)
        if rule.kind != "join"
    ]
