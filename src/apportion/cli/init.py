"""Your own data in minutes: what lies in a folder, settings that read it, and whose the latest month would be."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from apportion.cli.options import HERE
from apportion.errors import WrongUsage

if TYPE_CHECKING:
    from apportion.setup.proposal import Proposal, Question


def init(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders to look at.", show_default="the project's folder")
    ] = None,
    project: Annotated[
        Path, typer.Option("--project", "-p", help="Where to write apportion.yaml.", show_default="this folder")
    ] = HERE,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing; take the defaults.")] = False,  # noqa: FBT002
    preview: Annotated[bool, typer.Option("--preview", help="Print the settings, and write nothing.")] = False,  # noqa: FBT002
) -> None:
    """Look at your own files, say what they are, and propose the settings that read them."""
    from apportion.cli.progress import Bars, stderr
    from apportion.setup.proposal import propose

    if missing := next((path for path in paths or () if not path.exists() and not path.is_symlink()), None):
        raise WrongUsage(
            "path-missing", f"There is no {missing}.", cure="Correct the path; files and folders are taken."
        )
    if not preview:
        refuse_others(project)
    asks = not no_input and on_a_terminal()
    with tempfile.TemporaryDirectory(prefix="apportion-init-") as scratch, standing(project, keep=not preview):
        found = propose(paths or [project], project, Path(scratch), answer if asks else take_default, Bars(stderr()))
        present(found, Console(stderr=preview, highlight=False))
        if not found.draft.sources and not found.draft.left_out:
            raise WrongUsage(
                "nothing-to-read",
                "Nothing that was looked at is an input as it is; nothing was written.",
                cure="Name the files or folders with bills, usage or meters; docs/inputs.md lists the columns of each.",
            )
    if preview:
        sys.stdout.write(found.text)
    else:
        put(project, found.text)
    close(found, project, preview=preview)


def on_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def standing(folder: Path, *, keep: bool) -> Iterator[None]:
    """A project's folder, made if it is not there, for paths that lead out of it and into another.

    Args:
        folder: The project's.
        keep: Whether it stays when all goes well.

    Raises:
        ApportionError: It cannot be made.
    """
    from apportion.errors import writing

    made = [each for each in (folder, *folder.parents) if not each.exists()]
    with writing(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    done = False
    try:
        yield
        done = keep
    finally:
        if not done:
            for each in made:
                with suppress(OSError):
                    each.rmdir()


def refuse_others(folder: Path) -> None:
    """Never write over settings that are there.

    Raises:
        WrongUsage: There are some.
    """
    from apportion.config.load import FILE

    path = folder / FILE
    if path.exists() or path.is_symlink():
        raise WrongUsage(
            "settings-exist",
            f"{path} is there already; it is never written over.",
            cure="Add --preview to see what would be proposed now, name another folder with --project, or delete the"
            " file if nothing in it is yours.",
        )


def answer(question: Question) -> str:
    """Ask on stderr until the answer is one of the options; without one the default is taken."""
    while True:
        options = f" ({', '.join(question.options)})" if question.options else ""
        said = str(typer.prompt(question.text + options, default=question.default, err=True)).strip()
        if said and (not question.options or said in question.options):
            return said
        typer.echo(f"  one of {', '.join(question.options)}, please", err=True)


def take_default(question: Question) -> str:
    """Take the default, and say so."""
    from apportion.report.terminal import visible

    typer.echo(visible(f"{question.about}: {question.default} ({question.why})"), err=True)
    return question.default


def present(found: Proposal, console: Console) -> None:
    """Show what was understood: the sources, three rows of each, and what is not read."""
    from apportion.report.terminal import render
    from apportion.setup.listing import not_read, overview, samples

    tables = [overview(found.draft, found.study), *samples(found.draft)] if found.draft.sources else []
    for table in tables:
        render(table, console)
        console.print()
    if left := not_read(found.draft):
        console.print("Not read", style="bold")
        for names, reason in left:
            console.print(f"{names}\n    {reason}", markup=False, soft_wrap=True)
        console.print()


def put(folder: Path, text: str) -> None:
    """Write the settings into the project's folder.

    Raises:
        WrongUsage: Somebody wrote them meanwhile.
        ApportionError: They cannot be written.
    """
    from apportion.config.load import FILE
    from apportion.errors import writing

    path = folder / FILE
    with writing(str(path)):
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            refuse_others(folder)
            raise


def close(found: Proposal, folder: Path, *, preview: bool) -> None:
    """Say whose the latest month would be, what would raise that most, and what to type next."""
    from apportion.cli.pasted import try_next
    from apportion.config.load import FILE
    from apportion.money import show
    from apportion.report.percentages import percent

    sys.stdout.flush()
    month, currency = found.trial.month, found.draft.currency
    for problem in found.trial.errors:
        typer.echo(problem.text() + "\n", err=True)
    if not preview:
        typer.echo(f"{folder / FILE} written", err=True)
    if month is None or not month.total:
        typer.echo(_no_cost(found), err=True)
    else:
        total = f"{show(month.total, currency)} {currency}"
        part = f"{percent(month.owned, month.total, 1)} %"
        if not 0 <= month.owned <= month.total:
            # What nobody owns may be a credit.
            part = show(month.owned, currency)
        more = f"; {show(month.not_ai, currency)} {currency} more is not AI" if month.not_ai else ""
        typer.echo(f"{month.period.title}: {part} of {total} has an owner{more}", err=True)
        if gap := month.gap:
            amount = f"{show(gap.minor, currency)} {currency}"
            typer.echo(f"  {gap.what}: {amount} without one; cure: {gap.cure}", err=True)
    typer.echo(err=True)
    if not preview:
        try_next(folder, "check", "run", "coverage --fix")


def _no_cost(found: Proposal) -> str:
    """Why no month has a cost of AI."""
    from apportion.money import show, to_minor

    billed: Counter[str] = Counter()
    for (section, _), extent in found.study.extents.items():
        if section == "bills":
            billed.update({currency: to_minor(amount, currency) for currency, amount in extent.money})
    if not +billed:
        return "No cost of AI is in it yet: bills or priced usage are missing."
    money = " and ".join(f"{show(minor, currency)} {currency}" for currency, minor in sorted(billed.items()))
    return (
        f"Of the {money} billed nothing is AI by the built-in rules; if some of it is, say which with"
        " `scope: {include: …}` (docs/categories.md)."
    )
