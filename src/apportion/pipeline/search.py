"""A search for owners: a run that keeps what the calls say of themselves, publishes nothing and is looked into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from apportion.books.decisions import Decision, in_force
from apportion.config.approved import OwnerRule
from apportion.config.settings import Settings
from apportion.errors import ApportionError
from apportion.period import Period
from apportion.pipeline.inputs import gather, read
from apportion.pipeline.run import Outcome, Progress, run
from apportion.project import Project
from apportion.propose import Found, find
from apportion.propose.calls import IDENTITY
from apportion.report.context import Context
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.tables import Part


@dataclass(frozen=True)
class Search:
    """What a search found, and what was decided before it.

    Attributes:
        period: Which was searched.
        context: For reports.
        found: What may be approved, and what came near.
        decisions: Every decision in the books, in their order.
    """

    period: Period
    context: Context
    found: Found
    decisions: tuple[Decision, ...] = field(default=())


def search(project: Project, period: Period | None, progress: Progress | None = None) -> Search:
    """Look for owners of what nobody owns.

    Args:
        project: With sound settings; something is published.
        period: Which; None is the latest that is published.
        progress: Who watches.

    Raises:
        ApportionError: Nothing is published yet.
        ProblemsFound: The project or its data have errors.
    """
    with project.books() as books, books.reading() as reading:
        decisions = tuple(reading.decisions())
        known = reading.periods()
    chosen = str(period) if period else (known[-1] if known else None)
    if chosen is None or chosen not in known:
        raise ApportionError(
            "nothing-published",
            f"Nothing is published for {chosen or 'any period'}; there is {', '.join(known) or 'nothing yet'}.",
            cure="apportion run",
        )
    asked = Period.parse(chosen)
    held = in_force(decisions)
    approved = [OwnerRule.from_json(decision.subject) for decision in held if decision.kind == "approve"]
    settings = project.settings.with_approved(approved).with_kept(IDENTITY)
    decided = {decision.subject_id for decision in held}
    rejected = [OwnerRule.from_json(decision.subject) for decision in held if decision.kind == "reject"]

    def is_decided(rule: OwnerRule) -> bool:
        return rule.rule_id in decided or any(rule.repeats(other) for other in rejected)

    directory = _directory(project, settings)
    results: list[Search] = []

    def look(outcome: Outcome, folder: Path, parts: Sequence[Part]) -> None:
        with project.preview(asked, outcome.run_id, folder, parts) as view:
            found = find(view.engine.connection, settings, view.context, asked, directory, is_decided)
            results.append(Search(asked, view.context, found, decisions))

    run(project, only=asked, progress=progress, publish=False, look=look, approved=approved, kept=IDENTITY)
    return results[0]


def _directory(project: Project, settings: Settings) -> pa.Table:
    """Every row of the project's directories that names an owner."""
    alone = settings.model_copy(update={"bills": (), "usage": (), "meters": (), "seats": (), "fx": None})
    with DuckDBEngine() as engine:
        read(engine, alone, gather(alone, project.folder, project.state))
        return engine.connection.sql(
            """SELECT lookup, on_column, take_column, "key", "value", valid_from, valid_to FROM directory_values
            WHERE take_column = $owner AND lookup NOT LIKE '(%' ORDER BY ALL""",
            params={"owner": settings.owner},
        ).to_arrow_table()
