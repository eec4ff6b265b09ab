"""Proposals as tables: what is proposed, what came near, and what a decision moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from apportion.books.decisions import Decision, in_force
from apportion.config.approved import OwnerRule
from apportion.money import show
from apportion.period import Period
from apportion.propose.find import Found
from apportion.propose.proposal import KINDS, Proposal, shown
from apportion.report.context import PERSON_DIMENSION, UNALLOCATED, Context, is_rest, shown_value
from apportion.report.coverage import ATTRIBUTED, LAYERS, share_sum
from apportion.report.percentages import percent, shares_of_hundred
from apportion.report.table import Column, Row, Table

_MOST_OWNERS = 5


@dataclass(frozen=True)
class Totals:
    """What a period is divided into, in minor units.

    Attributes:
        owners: By owner, as a reader may see it.
        layers: By layer of coverage.
    """

    owners: Mapping[str, int]
    layers: Mapping[str, int]

    @property
    def attributed(self) -> int:
        """What evidence or a rule owns."""
        return self.layers.get("direct", 0) + self.layers.get("rule", 0)

    @property
    def whole(self) -> int:
        """All of it."""
        return sum(self.owners.values())


def proposals(found: Found, context: Context, period: Period) -> Table:
    """What may be approved, the most money first, with the coverage once it and all above it are.

    Its amounts add up to what is unallocated, the last row being what no proposal would move.
    """
    rows: list[Row] = []
    attributed = found.attributed
    for one in found.proposals:
        # A split is shared cost, which no one owns by evidence.
        attributed += 0 if one.rule.kind == "split" else one.minor
        said = shown(one.rule, context)
        rows.append(
            (one.rule.rule_id, said.words, KINDS[one.rule.kind], evidence_words(one), one.minor,
             percent(attributed, found.total))
        )  # fmt: skip
    left = found.unallocated - sum(one.minor for one in found.proposals)
    rows.append(("none", "what no proposal would move", "", "", left, ""))
    return Table(
        name="proposals",
        title=f"Owners proposed for what nobody owns, {period.title}, {context.currency}",
        columns=(
            Column("proposal", "Proposal"),
            Column("says", "What it says"),
            Column("kind", "Kind"),
            Column("evidence", "Evidence"),
            Column("amount", "Would move", "money"),
            Column("attributed_percent", "dir.+rule after", "percent"),
        ),
        rows=tuple(rows),
        total=("Unallocated", "", "", "", found.unallocated, ""),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def near(found: Found, context: Context, period: Period) -> Table:
    """What came near to a proposal, and what it lacks."""
    return Table(
        name="not-proposed",
        title=f"Not proposed, {period.title}",
        columns=(
            Column("says", "What it would say"),
            Column("unowned", "Unowned calls", "integer"),
            Column("evidence", "Evidence"),
            Column("why_not", "Why not"),
        ),
        rows=tuple(
            (shown(one.rule, context).words, one.counted.unowned, evidence_words(one), one.why_not)
            for one in found.near
        ),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def evidence_words(one: Proposal) -> str:
    """What speaks for a proposal, in few words."""
    counted = one.counted
    if not counted.owned:
        return f"{counted.unowned:,} unowned calls; no owned one to compare"
    if one.rule.kind == "split":
        theirs = ", ".join(f"{owner} {calls:,}" for owner, calls in counted.owners if owner in dict(one.rule.shares))
        return f"of {counted.owned:,} owned calls on {counted.days} days: {theirs}"
    agree = counted.agree
    share = percent(agree, counted.owned, 1)
    low = percent(int(one.lower * 10_000), 10_000, 1)
    days = f"{counted.days} {'day' if counted.days == 1 else 'days'}"
    return f"{agree:,} of {counted.owned:,} owned calls ({share} %, at least {low} %), {days}"


def card(one: Proposal, found: Found, context: Context) -> list[tuple[str, str]]:
    """Everything about one proposal, as headings and what they say."""
    counted, said = one.counted, shown(one.rule, context)
    of = percent(one.minor, found.unallocated, 1)
    facts = [
        (
            "says",
            f"calls with {said.antecedent} → {said.consequent or said.words}" if said.kind != "join" else said.words,
        ),
        ("moves", f"{_amount(one.minor, context)} of {_amount(found.unallocated, context)} unallocated ({of} %)"),
        ("unowned", f"{counted.unowned:,} calls"),
        ("agrees", evidence_words(one)),
    ]
    if counted.owners and one.rule.kind != "join":
        names = (f"{shown_value(context, context.owner, owner)} {calls:,}" for owner, calls in counted.owners)
        facts.append(("owners", ", ".join(islice(names, _MOST_OWNERS))))
        facts.append(("mixed", f"{one.entropy:.2f} of 1"))
    if counted.strangers is None:
        facts.append(("people", "its unowned calls name nobody, so that strangers cannot be told"))
    else:
        facts.append(("people", f"{counted.strangers} % of its unowned calls are of people never seen in an owned one"))
    for day, owner, calls in one.examples:
        facts.append(("but", f"{calls:,} calls of {day} are {shown_value(context, context.owner, owner)}"))
    if one.rule.kind != "join" and not one.examples:
        facts.append(("but", "no owned call says otherwise"))
    return facts


def _amount(minor: int, context: Context) -> str:
    return f"{show(minor, context.currency)} {context.currency}"


def moved(before: Totals, after: Totals, context: Context, period: Period, *, title: str) -> list[Table]:
    """What a decision changes: for each owner, and for the layers of coverage."""
    names = sorted({*before.owners, *after.owners} | {UNALLOCATED}, key=lambda name: (is_rest(name), name))
    owners = [_row(name, before.owners, after.owners) for name in names]
    layers = [
        _row(name, before.layers, after.layers) for name in LAYERS if name in before.layers or name in after.layers
    ]
    # As `coverage` shows them: the layers add up to 100, and what is attributed is the sum of its two.
    shares = [shares_of_hundred([_int(row[at]) for row in layers], [str(row[0]) for row in layers]) for at in (1, 2)]
    both = [share_sum([of[n] for n, row in enumerate(layers) if row[0] in ATTRIBUTED]) for of in shares]
    attributed = ("direct + rule", before.attributed, after.attributed, after.attributed - before.attributed)
    columns = (
        Column("before", "Before", "money"),
        Column("after", "After", "money"),
        Column("change", "Change", "money", signed=True),
    )
    share = (
        Column("before_percent", "of all before", "percent"),
        Column("after_percent", "of all after", "percent"),
    )

    return [
        Table(
            name="moved",
            title=f"{title}, {period.title}, {context.currency}",
            columns=(Column(context.owner, context.owner.replace("_", " ").capitalize()), *columns),
            rows=tuple(owners),
            total=("All AI cost", before.whole, after.whole, after.whole - before.whole),
            currency=context.currency,
            period=str(period),
            company=context.company,
            run=context.run,
        ),
        Table(
            name="coverage-moved",
            title=f"Coverage before and after, {period.title}, {context.currency}",
            columns=(Column("layer", "Layer"), *columns, *share),
            rows=tuple((*row, *of) for row, *of in zip(layers, *shares, strict=True)),
            below=((*attributed, *both),),
            currency=context.currency,
            period=str(period),
            company=context.company,
            run=context.run,
        ),
    ]


def _row(name: str, before: Mapping[str, int], after: Mapping[str, int]) -> Row:
    old, new = before.get(name, 0), after.get(name, 0)
    return (name, old, new, new - old)


def _int(cell: object) -> int:
    return cell if isinstance(cell, int) else 0


def _evidence(one: Decision, context: Context) -> str:
    """What a person was shown; nothing of it where it names people whom a reader may not see."""
    return one.evidence if context.owner != PERSON_DIMENSION or context.users == "name" else ""


def decisions(every: Sequence[Decision], context: Context) -> Table:
    """Every decision in the books, with who made it, what it says and whether it holds."""
    held = {decision.number for decision in in_force(every)}
    rows: list[Row] = []
    for one in every:
        rule = shown(OwnerRule.from_json(one.subject), context)
        what = one.kind if one.undoes is None else f"undo of {one.undoes}"
        days = (rule.start or "", rule.end or "")
        holds = "yes" if one.number in held else "no"
        rows.append(
            (one.number, one.decided_at, one.person, what, one.subject_id, rule.words, *days, holds, one.note,
             _evidence(one, context))
        )  # fmt: skip
    return Table(
        name="decisions",
        title="Decisions",
        columns=(
            Column("number", "No.", "integer"),
            Column("decided_at", "When"),
            Column("person", "Who"),
            Column("decision", "Decision"),
            Column("proposal", "Proposal"),
            Column("says", "What it says"),
            Column("from", "From", "date"),
            Column("until", "Until", "date"),
            Column("in_force", "In force"),
            Column("note", "Why"),
            Column("evidence", "Evidence", short=24),
        ),
        rows=tuple(rows),
        currency=context.currency,
        company=context.company,
    )
