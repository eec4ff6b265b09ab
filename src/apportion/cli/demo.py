"""The worked company: put on a user's disk whole, never over somebody's own work, and shown."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from apportion.cli.certify import certify
from apportion.cli.output import Format, write
from apportion.cli.pasted import try_next
from apportion.cli.report_folder import put as put_report
from apportion.cli.report_folder import report_of
from apportion.cli.summary import Month, headline
from apportion.errors import WrongUsage
from apportion.larkspur import write_company
from apportion.project import Project
from apportion.report.coverage import coverage
from apportion.report.statements import statements
from apportion.report.unit_costs import margins, unit_costs

# When Larkspur closes its October. The demo's clock stands, so that it is the same on every day.
CLOSING = datetime(2026, 11, 5, 8, 14, 9, tzinfo=UTC)
_SETTINGS = "apportion.yaml"


def put(folder: Path) -> None:
    """Write the worked company to a folder, in place of what an earlier demo left there.

    Args:
        folder: Made, with the folders above it.

    Raises:
        WrongUsage: The folder holds something else, or a demo whose settings were changed.
    """
    with tempfile.TemporaryDirectory(prefix="apportion-demo-") as scratch:
        fresh = Path(scratch) / "larkspur"
        write_company(fresh)
        if folder.exists():
            _refuse_others(folder, (fresh / _SETTINGS).read_bytes())
            shutil.rmtree(folder)
        shutil.copytree(fresh, folder, copy_function=shutil.copyfile)


def present(folder: Path, found: Sequence[Month]) -> None:
    """Show the latest month of what `put` wrote, once it has run, and what to look at next.

    Args:
        folder: Of the project.
        found: Its months.
    """
    project = Project.open(folder)
    with project.view(None) as view:
        con, context, period = view.engine.connection, view.context, view.period
        tables = [
            statements(con, context, period),
            coverage(con, context, period),
            unit_costs(con, context, period, "feature"),
            margins(con, context, period, "customer"),
        ]
        lead = headline(project.settings.company, found)
        write(tables, Format.TABLE, None, lead=lead, tail=f"\n{certify(view).line}")
        place = folder / "report"
        put_report(place, report_of(view)[1].files)
    typer.echo("", err=True)
    typer.echo(f"The same as a page to open, and as XLSX and CSV: {place / 'index.html'}", err=True)
    typer.echo(f"What is planted in it, and how each is found: {folder / 'README.md'}\n", err=True)
    try_next(folder, "statement --owner support", "coverage --fix", "propose")


def _refuse_others(folder: Path, settings: bytes) -> None:
    found = folder / _SETTINGS
    empty = folder.is_dir() and not any(folder.iterdir())
    if empty or (found.is_file() and found.read_bytes() == settings):
        return
    what = f"{found} is not as the demo wrote it" if found.is_file() else f"{folder} holds something else"
    raise WrongUsage(
        "folder-taken",
        f"The demo writes {folder} anew, and {what}; nothing was touched.",
        cure=f"apportion demo --into {folder}-2",
    )
