"""Decisions taken: an approval or its undoing goes into the books, and the periods that it touches are run anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apportion.books.decisions import Decision
from apportion.books.view import BooksView
from apportion.config.approved import OwnerRule
from apportion.errors import ApportionError
from apportion.period import Period
from apportion.pipeline.run import Outcome, Progress, run
from apportion.project import Project, View
from apportion.propose.tables import Totals
from apportion.report.cents import cents
from apportion.report.context import Context
from apportion.warehouse.tables import Part


@dataclass(frozen=True)
class Moved:
    """What decisions did to one period.

    Attributes:
        period: Which.
        context: Of its reports.
        before: How it was divided.
        after: How it is, or would be, divided.
    """

    period: Period
    context: Context
    before: Totals
    after: Totals


def try_out(
    project: Project, changed: Sequence[OwnerRule], rules: Sequence[OwnerRule], progress: Progress | None = None
) -> list[Moved]:
    """What every period that a decision touches would be with other owner rules in force; nothing is kept.

    Args:
        project: With sound settings.
        changed: The rules that are decided about.
        rules: All that would be in force.
        progress: Who watches.
    """
    with project.books() as books, books.reading() as reading:
        touched = _touched(reading, changed)
    return [_tried(project, period, rules, progress) for period in touched]


def _tried(project: Project, period: Period, rules: Sequence[OwnerRule], progress: Progress | None) -> Moved:
    with project.view(period) as view:
        before = totals(view)
    found: list[Moved] = []

    def look(outcome: Outcome, folder: Path, parts: Sequence[Part]) -> None:
        with project.preview(period, outcome.run_id, folder, parts) as view:
            found.append(Moved(period, view.context, before, totals(view)))

    run(project, only=period, progress=progress, publish=False, look=look, approved=rules)
    return found[0]


def take(
    project: Project,
    new: Sequence[Decision],
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Moved]:
    """Put decisions into the books and run every open, published period that they touch.

    Args:
        project: With sound settings.
        new: In their order, all about owner rules.
        progress: Who watches.
        now: The clock.

    Returns:
        What each period became.

    Raises:
        ApportionError: A decision may not follow those in force; nothing was decided.
        ProblemsFound: The decision is in the books, and the project has errors that keep it from being run.
    """
    rules = [OwnerRule.from_json(decision.subject) for decision in new if decision.kind == "approve"]
    rules += _undone(project, new)
    with project.books() as books:
        books.decide(new, _no_two_for_the_same_calls)
        with books.reading() as reading:
            touched = _touched(reading, rules)
    done = []
    for period in touched:
        with project.view(period) as view:
            before = totals(view)
        run(project, only=period, progress=progress, now=now)
        with project.view(period) as view:
            done.append(Moved(period, view.context, before, totals(view)))
    return done


def totals(view: View) -> Totals:
    """How a period is divided."""
    found = cents(view.engine.connection, view.context, view.period)
    return Totals(found.by_value, found.by_layer)


def _undone(project: Project, new: Sequence[Decision]) -> list[OwnerRule]:
    """Owner rules whose approval is taken back; what a rejection held back moves nothing."""
    numbers = {decision.undoes for decision in new if decision.kind == "undo"}
    if not numbers:
        return []
    with project.books() as books, books.reading() as reading:
        every = reading.decisions()
    return [
        OwnerRule.from_json(decision.subject)
        for decision in every
        if decision.number in numbers and decision.kind == "approve"
    ]


def _touched(reading: BooksView, rules: Sequence[OwnerRule]) -> list[Period]:
    """The open, published periods in which any of some rules would hold."""
    periods = [Period.parse(text) for text in reading.periods() if reading.period_state(text) != "closed"]
    return [
        period for period in periods if any(rule.span[0] < period.end and period.start < rule.span[1] for rule in rules)
    ]


def _no_two_for_the_same_calls(held: Sequence[Decision], new: Decision) -> None:
    if new.kind != "approve":
        return
    rule = OwnerRule.from_json(new.subject)
    for decision in held:
        if decision.kind == "approve" and rule.meets(OwnerRule.from_json(decision.subject)):
            raise ApportionError(
                "already-decided",
                f"{decision.subject_id}, approved by {decision.person} on {decision.decided_at[:10]}, decides the same"
                f" calls as {new.subject_id}.",
                cure=f"apportion undo {decision.subject_id}",
            )
