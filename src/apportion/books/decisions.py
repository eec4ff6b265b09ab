"""Decisions: what a person approved or rejected, and what of it was undone. They are only ever added to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import sqlalchemy as sa

from apportion.books.schema import decisions
from apportion.errors import ApportionError

DecisionKind = Literal["approve", "reject", "undo"]


@dataclass(frozen=True)
class Decision:
    """One thing that a person decided.

    Attributes:
        kind: `approve`, `reject`, or `undo` of one of them.
        subject_id: What it is about, such as a proposal.
        subject: The same in full, as JSON: what holds while the decision is in force.
        evidence: What the person was shown, as JSON.
        person: Who.
        decided_at: When, ISO 8601, UTC.
        note: Why, in the person's words.
        undoes: The number of the decision that an `undo` takes back.
        number: Its place among all decisions; 0 before it is in the books.
    """

    kind: DecisionKind
    subject_id: str
    subject: str
    evidence: str
    person: str
    decided_at: str
    note: str = ""
    undoes: int | None = None
    number: int = 0


Guard = Callable[[Sequence[Decision], Decision], None]


def read(connection: sa.Connection) -> list[Decision]:
    """Every decision, in their order."""
    rows = connection.execute(sa.select(decisions).order_by(decisions.c.number))
    return [_decision(row) for row in rows]


def in_force(every: Sequence[Decision]) -> list[Decision]:
    """The approvals and rejections that nobody has undone, in their order."""
    undone = {decision.undoes for decision in every}
    return [decision for decision in every if decision.kind != "undo" and decision.number not in undone]


def write(connection: sa.Connection, new: Sequence[Decision], guard: Guard) -> list[Decision]:
    """Add decisions, inside the caller's transaction.

    Args:
        connection: In a writing transaction.
        new: In their order.
        guard: Raises where a decision may not follow those in force.

    Returns:
        The same with their numbers.

    Raises:
        ApportionError: One of them is about what is decided already, or takes back what is not in force.
    """
    every = read(connection)
    done: list[Decision] = []
    for decision in new:
        held = in_force(every)
        if decision.kind == "undo":
            if decision.undoes not in {one.number for one in held}:
                raise _not_in_force(decision)
        else:
            for one in held:
                if one.subject_id == decision.subject_id:
                    raise _already(one)
            guard(held, decision)
        numbered = replace(decision, number=every[-1].number + 1 if every else 1)
        connection.execute(decisions.insert(), vars(numbered))
        every.append(numbered)
        done.append(numbered)
    return done


def _already(one: Decision) -> ApportionError:
    how = "approved" if one.kind == "approve" else "rejected"
    return ApportionError(
        "already-decided",
        f"{one.subject_id} was {how} by {one.person} on {one.decided_at[:10]}, and that holds.",
        cure=f"apportion undo {one.subject_id}",
    )


def _not_in_force(decision: Decision) -> ApportionError:
    return ApportionError(
        "nothing-to-undo",
        f"No decision about {decision.subject_id} is in force; nothing was undone.",
        cure="apportion export decisions",
    )


def _decision(row: sa.Row[tuple[object, ...]]) -> Decision:
    kind: DecisionKind = next(kind for kind in get_args(DecisionKind) if kind == row.kind)
    return Decision(
        kind, row.subject_id, row.subject, row.evidence, row.person, row.decided_at, row.note, row.undoes, row.number
    )
