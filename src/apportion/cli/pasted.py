"""Commands as they can be pasted where their reader is: with the path of the program and the project that is meant."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

_NAME = "apportion"
_COMMAND = re.compile(
    r"(?<![\w/.-])apportion (check|run|statement|coverage|propose|approve|reject|undo|explain|reconcile|verify|report"
    r"|export|gateway|key [a-z]+|limits|doctor)\b(?! -p\b)"
)
_GROUPS = ("key", "job")
_OPTIONS = ("-p", "--project")


def try_next(folder: Path, *lines: str) -> None:
    """Commands to go on with, the project named as shortly as it can be; after everything else that was said."""
    sys.stdout.flush()
    for number, line in enumerate(lines):
        typer.echo(f"{'Try:' if not number else '':<6}{command(folder, line)}", err=True)


def command(folder: Path, line: str) -> str:
    """A command about a project.

    Args:
        folder: The project's.
        line: A verb and what follows it.
    """
    verb, _, rest = line.partition(" ")
    if verb in _GROUPS:
        second, _, rest = rest.partition(" ")
        verb = f"{verb} {second}"
    return f"{program()} {verb}{_option(folder)}{' ' + rest if rest else ''}"


def pasted(text: str, folder: Path) -> str:
    """A text that may name commands, such as the cure of a problem, with each of them as `command` has it."""
    return _COMMAND.sub(lambda found: command(folder, found[1]), text)


def asked_folder(words: Sequence[str]) -> Path:
    """The project that a command line names; this folder where it names none."""
    for at, word in enumerate(words):
        if word in _OPTIONS and at + 1 < len(words):
            return Path(words[at + 1])
        if word.startswith("--project="):
            return Path(word.removeprefix("--project="))
    return Path()


def _option(folder: Path) -> str:
    here = os.path.relpath(folder)
    named = str(folder) if here.startswith("..") and len(here) > len(str(folder)) else here
    return "" if named == "." else f" -p {shlex.quote(named)}"


def program() -> str:
    """What to type for this program: its name where the shell finds it, else the path that it was started by."""
    given, found = Path(sys.argv[0]), shutil.which(_NAME)
    if given.name != _NAME or not given.is_file() or (found and given.samefile(found)):
        return _NAME
    here = os.path.relpath(given)
    return shlex.quote(str(given.absolute()) if here.startswith("..") else here)
