"""The commands that gates stand on: whether invoices add up, and whether a period is what was published."""

from __future__ import annotations

import sys

import typer

from apportion.cli.options import HERE, FormatOption, OutputOption, PeriodOption, ProjectOption
from apportion.cli.output import Format, of_ending, write
from apportion.errors import EXIT_GATE


def reconcile(
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Each invoice against what was metered; exit code 4 above the project's threshold."""
    from apportion.project import Project
    from apportion.report.reconcile import reconcile as make

    with Project.open(project).view(period) as view:
        found = make(view.engine.connection, view.context, view.period)
        write(found.tables, form, output)
    if found.worst == "block" or not found.balanced:
        typer.echo("refused: a variance is above the block threshold, or an invoice does not add up", err=True)
        raise typer.Exit(EXIT_GATE)


def verify(
    project: ProjectOption = HERE,
    period: PeriodOption = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """The certificate: every stage's control total, content hashes, and ok."""
    from apportion.cli.certify import certify
    from apportion.cli.output import save
    from apportion.project import Project

    with Project.open(project).view(period) as view:
        found = certify(view)
    if of_ending(form, output) is Format.JSON:
        if output:
            save(output, found.to_json().encode())
        else:
            sys.stdout.write(found.to_json())
    else:
        write(found.tables, form, output, tail=found.line)
    if not found.ok:
        raise typer.Exit(EXIT_GATE)
