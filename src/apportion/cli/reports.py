"""What can be exported: each report by its name, made from a view of the published tables."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from apportion.period import Period
from apportion.project import Project, View
from apportion.propose.tables import decisions
from apportion.report.context import shown_value
from apportion.report.coverage import coverage, coverage_by_dimension
from apportion.report.cross_tables import cross_table, usual_tables
from apportion.report.gaps import gaps, tag_in, ways_in
from apportion.report.listings import LISTINGS, cells, listing
from apportion.report.reason_tables import every_reason
from apportion.report.reconcile import reconcile
from apportion.report.statements import statements
from apportion.report.table import Table, ordered
from apportion.report.unit_costs import margins, unit_costs
from apportion.report.usage_listing import postings, usage_cells
from apportion.report.utilisation import capacity, reservations, seats

Report = Callable[[View, str | None, str], list[Table]]


def _journal(view: View) -> Table:
    with view.books.reading() as reading:
        lines = [
            (
                booked.entry_id,
                booked.entry.pool_id,
                booked.entry.kind,
                booked.entry.memo,
                _account(view, side.account, side.owner),
                side.amount_minor,
            )
            for booked in reading.in_force(str(view.period))
            for side in booked.entry.postings
        ]
    return postings(view.context, view.period, lines)


def _account(view: View, account: str, owner: str | None) -> str:
    """An account as a reader may see it: that of an owner may be a person's."""
    if owner is None:
        return account
    return account.removesuffix(owner) + shown_value(view.context, view.context.owner, owner)


def _decisions(view: View) -> Table:
    with view.books.reading() as reading:
        return decisions(reading.decisions(), view.context)


def _stored(name: str) -> Report:
    def make(view: View, _by: str | None, _category: str) -> list[Table]:
        return [listing(view.engine.connection, view.context, view.period, name)]

    return make


def _environment(view: View, by: str | None, _category: str) -> list[Table]:
    return [cross_table(view.engine.connection, view.context, view.period, by or view.context.owner, "environment")]


def in_order(tables: Sequence[Table], name: str, *, descending: bool) -> list[Table]:
    """The tables, those that have a column of this name ordered by it.

    Raises:
        BadParameter: None has it.
    """
    columns = list(dict.fromkeys(column.name for table in tables for column in table.columns))
    if name not in columns:
        near = difflib.get_close_matches(name, columns, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(columns)}"
        raise typer.BadParameter(f"no column is called {name!r}; {hint}", param_hint="--sort")
    return [
        ordered(table, name, descending=descending) if name in [c.name for c in table.columns] else table
        for table in tables
    ]


def gap_table(folder: Path, period: Period | None) -> Table:
    """What nobody owns in a period of a project, and what would name an owner."""
    project = Project.open(folder)
    with project.view(period) as view:
        ways, tag = ways_in(project.settings), tag_in(project.settings)
        return gaps(view.engine.connection, view.context, view.period, ways, tag)


REPORTS: Mapping[str, Report] = {
    "statements": lambda v, by, _: [statements(v.engine.connection, v.context, v.period, by)],
    "reasons": lambda v, by, _: [every_reason(v.engine.connection, v.context, v.period, by)],
    "coverage": lambda v, by, _: [coverage(v.engine.connection, v.context, v.period, by)],
    "coverage-by-dimension": lambda v, _by, _: [coverage_by_dimension(v.engine.connection, v.context, v.period)],
    "unit-costs": lambda v, by, c: [unit_costs(v.engine.connection, v.context, v.period, by, category=c)],
    "customers": lambda v, by, _: [margins(v.engine.connection, v.context, v.period, by or "customer")],
    "seats": lambda v, _by, _: [seats(v.engine.connection, v.context, v.period, active_days=v.active_days)],
    "gpus": lambda v, _by, _: [capacity(v.engine.connection, v.context, v.period)],
    "reservations": lambda v, _by, _: [reservations(v.engine.connection, v.context, v.period)],
    "category-by-owner": lambda v, by, _: [
        cross_table(v.engine.connection, v.context, v.period, by or v.context.owner, "category")
    ],
    "tier-by-feature": lambda v, by, _: [
        cross_table(v.engine.connection, v.context, v.period, by or "feature", "model_tier")
    ],
    "environments": _environment,
    "usual-tables": lambda v, _by, _: usual_tables(v.engine.connection, v.context, v.period),
    "reconciliation": lambda v, _by, _: list(reconcile(v.engine.connection, v.context, v.period).tables),
    "decisions": lambda v, _by, _: [_decisions(v)],
    "postings": lambda v, _by, _: [_journal(v)],
    "usage-cells": lambda v, _by, _: [usage_cells(v.engine.connection, v.context, v.period)],
    "allocated-charges": lambda v, _by, _: [cells(v.engine.connection, v.context, v.period)],
    **{name: _stored(name) for name in LISTINGS},
}
