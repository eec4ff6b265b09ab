"""A run of settings that are not written yet: what a check would say, and whose the latest month would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apportion.config.load import Loaded
from apportion.errors import Problem, ProblemsFound
from apportion.period import Period
from apportion.pipeline import Outcome
from apportion.pipeline import run as run_all
from apportion.pipeline.run import Progress
from apportion.project import Project
from apportion.report.bridge import invoices_of
from apportion.report.cents import cents
from apportion.report.gaps import NOT_NEEDED, gaps, tag_in, ways_in
from apportion.warehouse.tables import Part


@dataclass(frozen=True)
class Gap:
    """The one thing that would raise the owned share most.

    Attributes:
        what: That nobody owns.
        minor: How much it is.
        cure: What would name an owner.
    """

    what: str
    minor: int
    cure: str


@dataclass(frozen=True)
class Owned:
    """A month as it would be published.

    Attributes:
        period: Which.
        layers: Minor units by layer, `unallocated` among them.
        gap: What would raise the share most; None where nothing is left.
        not_ai: What was billed beside it and is no AI, in minor units.
    """

    period: Period
    layers: dict[str, int]
    gap: Gap | None
    not_ai: int = 0

    @property
    def total(self) -> int:
        """All AI cost, in minor units."""
        return sum(self.layers.values())

    @property
    def owned(self) -> int:
        """What has an owner."""
        return self.total - self.layers.get("unallocated", 0)


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        problems: Everything that a check would show.
        month: The latest month; None where there is none.
    """

    problems: tuple[Problem, ...]
    month: Owned | None = None

    @property
    def errors(self) -> list[Problem]:
        """Those by which a check would fail."""
        return [problem for problem in self.problems if problem.severity == "error"]


@dataclass(frozen=True)
class _Unwritten(Project):
    """A project whose settings are not in its folder, and whose own files must not be either."""

    place: Path

    @property
    def state(self) -> Path:
        """Away from the project's folder."""
        return self.place


def attempt(loaded: Loaded, folder: Path, scratch: Path, progress: Progress | None = None) -> Trial:
    """Work everything out, publish nothing, and leave nothing in the project's folder.

    Args:
        loaded: The settings.
        folder: The project's.
        scratch: Where the run may write.
        progress: Who watches.
    """
    if not loaded.sound:
        return Trial(loaded.problems)
    project = _Unwritten(folder, loaded, scratch / "state")
    month: list[Owned] = []

    def look(outcome: Outcome, place: Path, parts: Sequence[Part]) -> None:
        for text in reversed(outcome.periods):
            # A month in which nothing is AI has no owner to speak of.
            month[:] = [_month(project, Period.parse(text), outcome.run_id, place, parts)]
            if month[0].total:
                return

    try:
        outcome = run_all(project, publish=False, progress=progress, look=look)
    except ProblemsFound as found:
        return Trial(tuple(found.problems))
    return Trial(tuple(outcome.problems), month[0] if month else None)


def _month(project: Project, period: Period, run: str, place: Path, parts: Sequence[Part]) -> Owned:
    with project.preview(period, run, place, parts) as view:
        con, context = view.engine.connection, view.context
        layers = dict(cents(con, context, period).by_layer)
        table = gaps(con, context, period, ways_in(project.settings), tag_in(project.settings))
        found = [
            Gap(str(row["gap"]), int(str(row["amount"])), str(row["cure"]))
            for row in (dict(zip((c.name for c in table.columns), cells, strict=True)) for cells in table.rows)
            if row["cure"] not in NOT_NEEDED and int(str(row["amount"])) > 0
        ]
        not_ai = sum(invoice.out_of_scope for invoice in invoices_of(con, period))
    return Owned(period, layers, found[0] if found else None, not_ai)
