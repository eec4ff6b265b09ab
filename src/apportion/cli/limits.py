"""`apportion limits`: what of each limit of the gateway is used, metered and allocated beside each other."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from apportion.cli.options import HERE, FormatOption, OutputOption, ProjectOption
from apportion.cli.output import Format, of_ending, write

if TYPE_CHECKING:
    from apportion.gateway.limits import Limit
    from apportion.project import Project

_NANO = 10**9


def limits(project: ProjectOption = HERE, form: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """What is used of each limit of the gateway in the period of now, metered and allocated."""
    from apportion.cli.gateway_budget import Budgeting
    from apportion.gateway.counters import totals
    from apportion.gateway.limits import Calendar
    from apportion.project import Project
    from apportion.report.table import Column, Table

    opened = Project.open(project)
    budgeting = Budgeting(opened.folder, opened.state / "gateway")
    budget = budgeting.budget(opened.settings)
    calendar, now = Calendar(ZoneInfo(budget.zone)), time.time()
    booked = _booked(opened, budget.limits, now)
    counted = dict(totals(budgeting.counters))
    rows = []
    for limit in budget.limits:
        current = calendar.counter(limit, (), now).label[2]
        there = {label[3:] for label in counted if label[:3] == (limit.name, limit.unit, current)}
        for values in sorted(there | set(booked.get(limit.name, {})) or {()}):
            counter = calendar.counter(limit, values, now)
            total = counted.get(counter.label)
            settled = total.settled if total else 0
            used = settled + budget.offsets.get(counter.key.hex(), 0)
            rows.append(
                (
                    limit.name,
                    ", ".join([*(f"{key}={value}" for key, value in limit.only.items()), *values]) or "all",
                    current,
                    limit.unit,
                    _shown(limit, limit.most),
                    _shown(limit, settled),
                    _shown(limit, booked.get(limit.name, {}).get(values)),
                    _shown(limit, used),
                    _shown(limit, total.reserved if total else 0),
                    Decimal(used * 1000 // limit.most) / 10 if limit.most else None,
                    limit.at_limit,
                )
            )
    columns = (
        Column("limit", "Limit"),
        Column("of", "Of"),
        Column("period", "Period"),
        Column("unit", "Unit"),
        Column("most", "At most", "decimal"),
        Column("metered", "Metered", "decimal"),
        Column("allocated", "Allocated", "decimal"),
        Column("used", "Counts", "decimal"),
        Column("reserved", "On their way", "decimal"),
        Column("percent", "%", "percent"),
        Column("at_limit", "At the limit"),
    )
    table = Table(
        name="limits",
        title="Limits of the gateway",
        columns=columns,
        rows=tuple(rows),
        currency=opened.settings.currency,
        period="",
        company=opened.settings.company,
    )
    if rows or of_ending(form, output) is not Format.TABLE:
        write([table], form, output)
    if not rows:
        typer.echo("The settings have no limits; `limits:` under `gateway:` makes some.", err=True)


def _booked(project: Project, every: tuple[Limit, ...], now: float) -> dict[str, dict[tuple[str, ...], int]]:
    """What the books have allocated, of the limits of which they know it."""
    from apportion.cli.gateway_budget import allocated, is_booked
    from apportion.errors import ApportionError

    settings = project.settings
    wanted = [limit for limit in every if is_booked(limit, settings.owner)]
    if not wanted:
        return {}
    try:
        with project.books() as books, books.reading() as view:
            return {limit.name: allocated(view, limit, settings, now) for limit in wanted}
    except ApportionError as error:
        if error.slug != "no-books":
            raise
        return {}


def _shown(limit: Limit, number: int | None) -> Decimal | int | None:
    if number is None or limit.unit != "money":
        return number
    return (Decimal(number) / _NANO).quantize(Decimal("0.01"))
