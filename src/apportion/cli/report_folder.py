"""The report as a folder: a page to open, and its tables as CSV, as a workbook and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apportion.cli.options import HERE, PeriodOption, ProjectOption

if TYPE_CHECKING:
    from apportion.project import View
    from apportion.report.page import Folder, Report


def report(
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="The folder.", show_default="report in the project")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Name the files that it would write, only.")] = False,  # noqa: FBT002
) -> None:
    """The whole period as one page to read, print and pass on, with its tables beside it."""
    from apportion.project import Project

    place = project / "report" if into is None else into
    with Project.open(project).view(period) as view:
        found, made = report_of(view)
    if preview:
        for name, content in made.files.items():
            typer.echo(f"{place / name}  {len(content):,} bytes")
        return
    put(place, made.files)
    sections = f"{len(found.owners):,} statements, {len(found.pools):,} pools, {len(made.tables):,} tables"
    typer.echo(f"{place / 'index.html'}: {found.period.title}, {sections}", err=True)
    for said in (found.owners_left_out, found.pools_left_out):
        if said:
            typer.echo(f"  {said}", err=True)


def report_of(view: View) -> tuple[Report, Folder]:
    """What the report of a period says, and its files."""
    from apportion.cli.certify import certify
    from apportion.report.page import folder, gather

    with view.books.reading() as reading:
        closed = reading.period_state(str(view.period)) == "closed"
    con, certificate = view.engine.connection, certify(view)
    found = gather(con, view.context, view.period, certificate, state="closed" if closed else "open")
    return found, folder(found)


def put(place: Path, files: dict[str, bytes]) -> None:
    """Write the files of a report, each in one step, and take away the tables that it does not have any more.

    Args:
        place: The folder; made if it is not there, with those above it.
        files: By their path in the folder.

    Raises:
        WrongUsage: The folder holds files of these names that are no report.
        ApportionError: It cannot be written.
    """
    from apportion.cli.output import save
    from apportion.errors import WrongUsage, writing
    from apportion.report.page import EVERY_TABLE, PAGE, REPORT_FILES, UNFINISHED, is_report

    taken = sorted(name for name in REPORT_FILES if (place / name).exists())
    if taken and not is_report(place):
        raise WrongUsage(
            "folder-taken",
            f"{place} holds {' and '.join(taken)} of something else; nothing was touched.",
            cure=f"apportion report --into {place / 'report'}",
        )
    with writing(str(place)):
        (place / "csv").mkdir(parents=True, exist_ok=True)
        if not taken:
            # Should this be cut short, the next report knows the folder for its own.
            save(place / PAGE, UNFINISHED)
        for name in EVERY_TABLE:
            if f"csv/{name}.csv" not in files:
                (place / "csv" / f"{name}.csv").unlink(missing_ok=True)
    # The page goes last: whoever finds it finds what it names.
    for name in sorted(files, key=lambda name: name == PAGE):
        save(place / name, files[name])
