"""Where data goes: stdout or a file, as a table, CSV, JSON or a spreadsheet."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from apportion.errors import WrongUsage, writing
from apportion.report.spreadsheet import to_xlsx
from apportion.report.table import Table, to_csv, to_json
from apportion.report.terminal import render


class Format(StrEnum):
    """How data is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


def write(tables: Sequence[Table], form: Format, output: Path | None, *, lead: str = "", tail: str = "") -> None:
    """Write tables to stdout or to a file, whole or not at all.

    Args:
        tables: One or several; JSON is a list only for several.
        form: How.
        output: A file; a spreadsheet needs one.
        lead: A text before them, for people.
        tail: A text after them, for people.

    Raises:
        WrongUsage: A spreadsheet has no file, or the file no folder.
        ApportionError: The file cannot be written.
    """
    several = tables if len(tables) != 1 else tables[0]
    form = of_ending(form, output)
    if form is Format.XLSX:
        if output is None:
            raise WrongUsage("file-needed", "A spreadsheet cannot go to the terminal.", cure="Add -o FILE.xlsx.")
        save(output, to_xlsx(several))
    elif form is Format.TABLE:
        _people(tables, output, lead, tail)
    else:
        text = to_json(several) if form is Format.JSON else "\n".join(to_csv(table) for table in tables)
        if output:
            save(output, text.encode())
        else:
            sys.stdout.write(text)


def of_ending(form: Format, output: Path | None) -> Format:
    """The form that a file's ending asks for, where none was asked for: a workbook is never a text of that name."""
    if form is not Format.TABLE or output is None:
        return form
    return next((each for each in Format if output.suffix.lower() == f".{each}"), form)


def save(output: Path, content: bytes) -> None:
    """Write a file in one step, so that nobody finds half of it.

    Raises:
        WrongUsage: Its folder does not exist.
        ApportionError: It cannot be written.
    """
    if not output.parent.is_dir():
        raise WrongUsage(
            "cannot-write",
            f"{output} cannot be written: there is no folder {output.parent}.",
            cure=f"mkdir -p {output.parent}",
        )
    with writing(str(output)):
        if output.exists() and not output.is_file():
            # A pipe or a device is written to, never replaced.
            output.write_bytes(content)
            return
        with tempfile.NamedTemporaryFile(dir=output.resolve().parent, prefix=".apportion-", delete=False) as file:
            file.write(content)
        partial = Path(file.name)
        try:
            partial.chmod(0o644)
            partial.replace(output.resolve())
        finally:
            partial.unlink(missing_ok=True)


def _people(tables: Sequence[Table], output: Path | None, lead: str, tail: str) -> None:
    if output:
        text = io.StringIO()
        _render(tables, Console(file=text, width=160, highlight=False), lead, tail)
        save(output, text.getvalue().encode())
    else:
        _render(tables, Console(highlight=False), lead, tail)


def _render(tables: Sequence[Table], console: Console, lead: str, tail: str) -> None:
    if lead:
        console.print(lead, markup=False, soft_wrap=True)
    for number, table in enumerate(tables):
        if number or lead:
            console.print()
        render(table, console)
    if tail:
        console.print(tail, markup=False, soft_wrap=True)
