"""The options that several commands take, each with its words and its reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from apportion.cli.choices import one_of
from apportion.cli.output import Format
from apportion.period import Period


def period_of(text: str) -> Period:
    """Read `2026-11`.

    Raises:
        BadParameter: It is no period.
    """
    try:
        return Period.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}") from error


def memory_of(text: str) -> str:
    """Read an amount of memory such as `512MB`.

    Raises:
        BadParameter: It is none.
    """
    if not re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*([KMGT]i?B)\s*", text, re.IGNORECASE):
        raise typer.BadParameter(f"{text!r} is no amount of memory such as 512MB or 2GB")
    return text.strip()


ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", help="The folder with apportion.yaml.", show_default="this folder")
]
RunPeriodOption = Annotated[
    Period | None,
    typer.Option("--period", parser=period_of, metavar="YYYY-MM", help="Only this period; all of them if not given."),
]
PeriodOption = Annotated[
    Period | None,
    typer.Option(
        "--period", parser=period_of, metavar="YYYY-MM", help="The accounting period; the latest if not given."
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", parser=one_of(Format), metavar="table|csv|json|xlsx", help="How to write it."),
]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")]
HERE = Path()
