"""The command line: verbs in the order of the flow; data to stdout, words and progress to stderr.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 problems in the project or data, 4 a gate refused, 70 our bug.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apportion import __version__
from apportion.cli.choices import Category, EngineKind, ExportName, one_of
from apportion.cli.decide import approve, propose, reject, undo
from apportion.cli.doctor import doctor
from apportion.cli.gates import reconcile, verify
from apportion.cli.gateway import gateway
from apportion.cli.init import init
from apportion.cli.job import app as jobs
from apportion.cli.keys import app as keys
from apportion.cli.limits import limits
from apportion.cli.options import (
    HERE,
    FormatOption,
    OutputOption,
    PeriodOption,
    ProjectOption,
    RunPeriodOption,
    memory_of,
)
from apportion.cli.output import Format, of_ending, write
from apportion.cli.pasted import asked_folder, pasted, try_next
from apportion.cli.progress import Bars, stderr
from apportion.cli.report_folder import report
from apportion.errors import EXIT_BUG, EXIT_PROBLEMS, ApportionError, Problem, ProblemsFound, writing
from apportion.period import Period

if TYPE_CHECKING:
    from apportion.cli.summary import Month
    from apportion.warehouse.choice import EngineChoice

app = typer.Typer(
    name="apportion",
    help="AI cost allocation: every AI bill in, every cent owned, statements out.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _whole(
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,  # noqa: FBT002
) -> None:
    if version:
        typer.echo(f"apportion {__version__}")
        raise typer.Exit


app.command()(init)


@app.command()
def demo(
    into: Annotated[Path, typer.Option("--into", help="Where to put the worked company.")] = Path("larkspur"),
) -> None:
    """Write a worked company, run it through every stage and show its latest month."""
    from apportion.cli.demo import CLOSING, present, put

    put(into)
    present(into, _run(into, None, now=lambda: CLOSING))


@app.command()
def check(project: ProjectOption = HERE) -> None:
    """Show every problem of the project and its data at once; write nothing."""
    from apportion.pipeline import run as run_all
    from apportion.project import Project

    opened = Project.open(project)
    if not opened.loaded.sound:
        _tell(opened.loaded.problems)
        _count(opened.loaded.problems)
        raise typer.Exit(EXIT_PROBLEMS)
    try:
        problems: Sequence[Problem] = run_all(opened, publish=False, progress=Bars(stderr())).problems
    except ProblemsFound as found:
        problems = found.problems
    _tell(problems)
    if _count(problems):
        raise typer.Exit(EXIT_PROBLEMS)


def _count(problems: Sequence[Problem]) -> int:
    """Say how many problems there are; how many of them are errors."""
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    typer.echo(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}", err=True)
    return errors


@app.command()
def run(
    project: ProjectOption = HERE,
    period: RunPeriodOption = None,
    preview: Annotated[bool, typer.Option("--preview", help="Print what it would publish, only.")] = False,  # noqa: FBT002
    memory: Annotated[
        str, typer.Option("--memory", parser=memory_of, metavar="SIZE", help="How much memory the engine may use.")
    ] = "1GB",
    engine: Annotated[
        EngineKind,
        typer.Option(
            "--engine",
            envvar="APPORTION_ENGINE",
            parser=one_of(EngineKind),
            metavar="duckdb|spark",
            help="What works on the calls.",
        ),
    ] = EngineKind.DUCKDB,
    master: Annotated[
        str,
        typer.Option(
            "--master", envvar="APPORTION_MASTER", metavar="URL", help="For spark: local[4], spark://…, yarn or sc://…"
        ),
    ] = "local[*]",
) -> None:
    """Run every stage and publish the result in one step."""
    from apportion.warehouse.choice import EngineChoice

    on = EngineChoice(engine.value, memory, master)
    if preview:
        _preview(project, period, on)
    else:
        _run(project, period, on)
        typer.echo(err=True)
        try_next(project, "statement", "coverage", "reconcile", "verify")


def _run(
    project: Path,
    period: Period | None,
    on: EngineChoice | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Month]:
    """Run and publish; the problems, what was posted and the months' totals go to stderr."""
    from apportion.cli.summary import months
    from apportion.pipeline import run as run_all
    from apportion.project import Project

    opened = Project.open(project)
    outcome = run_all(opened, only=period, progress=Bars(stderr()), on=on, now=now)
    _tell(outcome.problems)
    moved = f"{_counted(outcome.posted, 'entry')} posted, {outcome.kept:,} kept, {outcome.reversed:,} reversed"
    typer.echo(f"{', '.join(outcome.periods) or 'no period'} published: {moved}", err=True)
    if outcome.reuse:
        typer.echo(f"  calls: {outcome.reuse}", err=True)
    found = months(opened, outcome.periods)
    for month in found:
        typer.echo(month.line, err=True)
    return found


def _preview(project: Path, period: Period | None, on: EngineChoice) -> None:
    """Work everything out and print the statements that a run would publish."""
    from apportion.cli.summary import preview_tables
    from apportion.pipeline import Outcome
    from apportion.pipeline import run as run_all
    from apportion.project import Project
    from apportion.report.statements import statements
    from apportion.report.table import Table
    from apportion.warehouse.tables import Part

    opened = Project.open(project)
    tables: list[Table] = []

    def look(outcome: Outcome, folder: Path, parts: Sequence[Part]) -> None:
        for text in outcome.periods:
            month = Period.parse(text)
            published: Table | None = None
            if opened.has(month):
                with opened.view(month) as view:
                    published = statements(view.engine.connection, view.context, month)
            with opened.preview(month, outcome.run_id, folder, parts) as view:
                tables.extend(preview_tables(view, published))

    outcome = run_all(opened, only=period, progress=Bars(stderr()), publish=False, on=on, look=look)
    _tell(outcome.problems)
    write(tables, Format.TABLE, None)
    sys.stdout.flush()
    typer.echo(f"{', '.join(outcome.periods) or 'no period'} worked out, nothing published", err=True)


@app.command()
def statement(
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    owner: Annotated[str | None, typer.Option("--owner", help="One owner's statement, pool by pool.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Cut the same cents by another dimension.")] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """What each owner receives."""
    from apportion.project import Project
    from apportion.report.statements import statement as make

    with Project.open(project).view(period) as view:
        write(make(view.engine.connection, view.context, view.period, owner=owner, by=by), form, output)


@app.command()
def coverage(
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    by: Annotated[str | None, typer.Option("--by", help="One dimension; all of them if not given.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="What nobody owns, by money, and what would cure it.")] = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """How much of the cost has an owner, in four layers."""
    if fix:
        from apportion.cli.reports import gap_table

        if by:
            raise typer.BadParameter("--fix is about the owner's dimension; --by cuts the coverage", param_hint="--by")

        write([gap_table(project, period)], form, output)
        return
    names = ["coverage"] if by else ["coverage", "coverage-by-dimension"]
    _show(project, period, names, by=by, form=form, output=output)


for _verb in (propose, approve, reject, undo):
    app.command()(_verb)


@app.command()
def explain(
    reference: Annotated[
        str | None,
        typer.Argument(help="An owner, a pool or the start of its id, a rule, an item, an invoice or a posting."),
    ] = None,
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only this owner's part.")] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """From an amount to its pool, rule, weights and source rows."""
    from apportion.project import Project
    from apportion.report.explain import explain as make

    asked = reference or owner
    if asked is None:
        raise typer.BadParameter("name an owner, a pool, a rule, an invoice or a posting", param_hint="REFERENCE")
    with Project.open(project).view(period) as view:
        view.register_postings()
        found = make(
            view.engine.connection,
            view.context,
            asked,
            period=view.period,
            owner=owner if reference else None,
        )
        if of_ending(form, output) is Format.TABLE:
            write([], form, output, lead=found.text)
        else:
            write(found.tables, form, output)


for _gate in (reconcile, verify):
    app.command()(_gate)


app.command()(report)


@app.command()
def export(
    table: Annotated[
        ExportName,
        typer.Argument(parser=one_of(ExportName), help="Which table."),
    ],
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    by: Annotated[str | None, typer.Option("--by", help="The dimension, where the table has a choice.")] = None,
    category: Annotated[
        Category,
        typer.Option("--category", parser=one_of(Category), metavar="|".join(Category), help="Of unit costs."),
    ] = Category.INFERENCE,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="COLUMN", help="Order the rows by this column; n/a and unallocated come last."),
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="The largest first.")] = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Any table, as it is shown."""
    if descending and sort is None:
        raise typer.BadParameter("name the column with --sort", param_hint="--descending")
    order = (sort, descending) if sort is not None else None
    _show(project, period, [table.value], by=by, category=category.value, order=order, form=form, output=output)


app.command()(gateway)


app.add_typer(keys)


app.add_typer(jobs)


app.command()(limits)


app.command()(doctor)


def _show(
    project: Path,
    period: Period | None,
    names: Sequence[str],
    *,
    by: str | None = None,
    category: str = "inference",
    order: tuple[str, bool] | None = None,
    form: Format = Format.TABLE,
    output: Path | None = None,
) -> None:
    from apportion.cli.reports import REPORTS, in_order
    from apportion.project import Project

    with Project.open(project).view(period) as view:
        tables = [table for name in names for table in REPORTS[name](view, by, category)]
        write(in_order(tables, order[0], descending=order[1]) if order else tables, form, output)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _tell(problems: Sequence[Problem]) -> None:
    for problem in problems:
        typer.echo(pasted(problem.text(), asked_folder(sys.argv[1:])) + "\n", err=True)


def main() -> None:
    """Run the command line; every error leaves as a text and an exit code, never as a traceback."""
    try:
        with writing("a file of the project"):
            app()
    except ApportionError as error:
        typer.echo(pasted(error.text(), asked_folder(sys.argv[1:])), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets a text and not a traceback
        from apportion.cli.crash import bug

        typer.echo(bug(error, sys.argv[1:]), err=True)
        sys.exit(EXIT_BUG)
