"""Propose, approve, reject, undo: nothing moves without a decision, and every decision can be taken back."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apportion.cli.options import HERE, FormatOption, OutputOption, PeriodOption, ProjectOption
from apportion.cli.output import Format, of_ending, write
from apportion.errors import WrongUsage
from apportion.period import Period

if TYPE_CHECKING:
    from apportion.books.decisions import Decision, DecisionKind
    from apportion.pipeline.decide import Moved
    from apportion.pipeline.search import Search
    from apportion.propose import Proposal

_PERCENT = 100


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day such as 2026-11-01") from error


def _share(text: str) -> Decimal:
    try:
        found = Decimal(text.removesuffix("%").strip())
    except ArithmeticError as error:
        raise typer.BadParameter(f"{text!r} is no percentage such as 98.5") from error
    if not 0 < found <= _PERCENT:
        raise typer.BadParameter(f"{text!r} is not between 0 and 100")
    return found


Ids = Annotated[list[str] | None, typer.Argument(help="Proposals, such as P-3fa9c1.", show_default=False)]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decides.", show_default="who is logged in here")
]
Note = Annotated[str, typer.Option("--note", help="Why, for those who read the books.", show_default=False)]
Preview = Annotated[bool, typer.Option("--preview", help="Show what it would move, and decide nothing.")]


def propose(
    proposal: Annotated[
        str | None, typer.Argument(help="One proposal, to see everything about it.", show_default=False)
    ] = None,
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    every: Annotated[bool, typer.Option("--all", help="Also what came near, and what it lacks.")] = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Owners for what nobody owns, with the evidence and the money; nothing moves."""
    from apportion.propose.tables import near, proposals

    found = _search(project, period)
    if proposal:
        _card(found, _one(found, proposal), form, output)
        return
    tables = [proposals(found.found, found.context, found.period)]
    tables += [near(found.found, found.context, found.period)] if every else []
    write(tables, form, output)
    if form is Format.TABLE and not output:
        _next(project, found, period, every=every)


def approve(
    proposals: Ids = None,
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    at_least: Annotated[
        Decimal | None,
        typer.Option(
            "--at-least",
            parser=_share,
            metavar="PERCENT",
            help="All proposals whose share that agrees is at least this for certain; directories among them.",
        ),
    ] = None,
    start: Annotated[
        date | None,
        typer.Option(
            "--from",
            parser=_day,
            metavar="DAY",
            help="The first day of calls that it holds for.",
            show_default="the first day of the period",
        ),
    ] = None,
    end: Annotated[
        date | None,
        typer.Option("--until", parser=_day, metavar="DAY", help="The first day that it does not hold for any more."),
    ] = None,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Let proposals hold from a day on, and run the periods that they touch."""
    from apportion.cli.pasted import command
    from apportion.cli.progress import Bars, stderr
    from apportion.pipeline.decide import take, try_out
    from apportion.project import Project

    opened, found = Project.open(project), _search(project, period)
    chosen = _chosen(found, proposals or [], at_least)
    first = start or found.period.start
    if end is not None and end <= first:
        raise typer.BadParameter(f"{end} is not after {first}", param_hint="--until")
    dated = [replace(one, rule=replace(one.rule, start=first, end=end)) for one in chosen]
    if preview:
        changed = [one.rule for one in dated]
        moved = try_out(opened, changed, [*opened.approved(), *changed], Bars(stderr()))
        _show(moved, "What it would move", form, output)
        typer.echo("a preview; nothing was decided", err=True)
        return
    new = [_decision("approve", one, by, note) for one in dated]
    _show(take(opened, new, Bars(stderr())), "What moved", form, output)
    for one in dated:
        back = command(project, f"undo {one.rule.rule_id}")
        typer.echo(f"{one.rule.rule_id} approved from {first}; to take it back: {back}", err=True)


def reject(
    proposals: Ids = None,
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    by: By = None,
    note: Note = "",
) -> None:
    """Not to be proposed again; money stays where it is."""
    from apportion.cli.pasted import command
    from apportion.project import Project

    found = _search(project, period)
    new = [_decision("reject", one, by, note) for one in _chosen(found, proposals or [], None)]
    with Project.open(project).books() as books:
        books.decide(new)
    for decision in new:
        back = command(project, f"undo {decision.subject_id}")
        typer.echo(f"{decision.subject_id} rejected; to take that back: {back}", err=True)


def undo(
    proposals: Ids = None,
    project: ProjectOption = HERE,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Take an approval or a rejection back; every table is again what it was without it."""
    from apportion.books.decisions import Decision, in_force
    from apportion.cli.progress import Bars, stderr
    from apportion.config.approved import OwnerRule
    from apportion.pipeline.decide import take, try_out
    from apportion.project import Project

    opened = Project.open(project)
    with opened.books() as books, books.reading() as reading:
        held = {decision.subject_id: decision for decision in in_force(reading.decisions())}
    names = [_held(name, held) for name in _some(proposals)]
    if preview:
        approved = {name: one for name, one in held.items() if one.kind == "approve"}
        changed = [OwnerRule.from_json(one.subject) for name, one in approved.items() if name in names]
        kept = [OwnerRule.from_json(one.subject) for name, one in approved.items() if name not in names]
        moved = try_out(opened, changed, kept, Bars(stderr()))
        _show(moved, "What it would move", form, output)
        typer.echo("a preview; nothing was undone", err=True)
        return
    at, who = _now(), by or _person()
    new = [Decision("undo", name, held[name].subject, "{}", who, at, note, undoes=held[name].number) for name in names]
    _show(take(opened, new, Bars(stderr())), "What moved", form, output)
    for name in names:
        typer.echo(f"{name}: {'approval' if held[name].kind == 'approve' else 'rejection'} taken back", err=True)


def _search(project: Path, period: Period | None) -> Search:
    from apportion.cli.progress import Bars, stderr
    from apportion.pipeline.search import search
    from apportion.project import Project

    return search(Project.open(project), period, Bars(stderr()))


def _chosen(found: Search, ids: Sequence[str], at_least: Decimal | None) -> list[Proposal]:
    if at_least is None:
        return [_one(found, name) for name in _some(ids)]
    if ids:
        raise typer.BadParameter("name proposals, or give --at-least, and not both", param_hint="--at-least")
    chosen = [one for one in found.found.proposals if one.rule.kind == "join" or one.lower * _PERCENT >= at_least]
    if not chosen:
        raise WrongUsage(
            "no-such-proposal", f"No proposal agrees to at least {at_least} % for certain.", cure="apportion propose"
        )
    return chosen


def _some(ids: Sequence[str] | None) -> Sequence[str]:
    if not ids:
        raise typer.BadParameter("name at least one, such as P-3fa9c1", param_hint="PROPOSALS")
    return list(dict.fromkeys(ids))


def _one(found: Search, name: str) -> Proposal:
    by_id = {one.rule.rule_id: one for one in found.found.proposals}
    held = {decision.subject_id: decision for decision in found.decisions}
    if name not in by_id and name in held:
        last = held[name]
        raise WrongUsage(
            "already-decided",
            f"{name} was {_DONE[last.kind]} by {last.person} on {last.decided_at[:10]}.",
            cure=f"apportion undo {name}" if last.kind != "undo" else "apportion propose",
        )
    return by_id[_known(name, by_id, f"proposal for {found.period}")]


_DONE = {"approve": "approved", "reject": "rejected", "undo": "taken back"}


def _known(name: str, names: Collection[str], what: str) -> str:
    if name in names:
        return name
    close = difflib.get_close_matches(name, list(names), n=1)
    known = ", ".join(list(names)[:5]) or "none"
    raise WrongUsage(
        "no-such-proposal",
        f"{name!r} is no {what}; there is {known}.",
        cure=f"Did you mean {close[0]}?" if close else "apportion propose",
    )


def _held(name: str, held: Collection[str]) -> str:
    if name in held:
        return name
    close = difflib.get_close_matches(name, list(held), n=1)
    raise WrongUsage(
        "nothing-to-undo",
        f"No decision about {name!r} is in force; nothing was undone.",
        cure=f"Did you mean {close[0]}?" if close else "apportion export decisions",
    )


def _decision(kind: DecisionKind, one: Proposal, by: str | None, note: str) -> Decision:
    from apportion.books.decisions import Decision

    return Decision(kind, one.rule.rule_id, one.rule.to_json(), one.evidence(), by or _person(), _now(), note)


def _person() -> str:
    from apportion.books.runners import person

    return person()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(moved: Sequence[Moved], title: str, form: Format, output: Path | None) -> None:
    from apportion.propose.tables import moved as tables_of

    tables = [
        table for one in moved for table in tables_of(one.before, one.after, one.context, one.period, title=title)
    ]
    write(tables, form, output)


def _card(found: Search, one: Proposal, form: Format, output: Path | None) -> None:
    from apportion.propose.tables import card

    facts = card(one, found.found, found.context)
    if of_ending(form, output) is Format.TABLE:
        width = max(len(name) for name, _ in facts)
        lines = [f"{one.rule.rule_id}, {found.period.title}", *(f"  {name:<{width}}  {said}" for name, said in facts)]
        write([], form, output, lead="\n".join(lines))
        return
    from apportion.report.table import Column, Table

    table = Table(
        name="proposal",
        title=f"{one.rule.rule_id}, {found.period.title}",
        columns=(Column("fact", "Fact"), Column("says", "What it says")),
        rows=(*facts, ("evidence", json.dumps(json.loads(one.evidence()), ensure_ascii=False))),
        currency=found.context.currency,
        period=str(found.period),
        company=found.context.company,
    )
    write([table], form, output)


def _next(project: Path, found: Search, period: Period | None, *, every: bool) -> None:
    from apportion.cli.pasted import try_next

    typer.echo(err=True)
    # The same proposal stands in other months too, and there moves other money.
    asked = f" --period {period}" if period else ""
    if not found.found.proposals:
        typer.echo("Nothing is proposed; `coverage --fix` says what else would name an owner.", err=True)
        try_next(project, *([] if every else [f"propose --all{asked}"]), f"coverage --fix{asked}")
        return
    first = found.found.proposals[0].rule.rule_id
    try_next(project, f"propose {first}{asked}", f"approve {first}{asked} --preview", f"approve {first}{asked}")
