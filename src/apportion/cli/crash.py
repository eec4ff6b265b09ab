"""A fault of ours as a short text: what happened, where the details are, and what to do."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from apportion import __version__
from apportion.errors import InvariantError

_STATE = ".apportion"
_FILE = "last-error.txt"
_LONGEST = 300


def bug(error: BaseException, words: Sequence[str]) -> str:
    """The text of an exception that nobody expected; its traceback goes to a file, never to the terminal.

    Args:
        error: The exception.
        words: The command as given, the program's own name left out.
    """
    law = error.law if isinstance(error, InvariantError) else "unexpected"
    command = " ".join(["apportion", *words])
    lines = [f"bug[{law}]", f"  {_said(error)}", f"  This is a fault of apportion, in: {command}"]
    lines.append("  Nothing is half written: what was published before is still current.")
    kept = _keep(error, command, _project(words))
    if kept:
        lines.append(f"  The details are in {kept}")
        lines.append("  Cure: Report this with that file; look through it first, it may hold values of your data.")
    else:
        lines.append("  Cure: Report this with the command that you gave.")
    return "\n".join(lines)


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    if isinstance(error, InvariantError):
        return shown
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def _project(words: Sequence[str]) -> Path:
    """The project that a command names, as the options `-p` and `--project` say; this folder without them."""
    for at, word in enumerate(words):
        if word in {"-p", "--project"} and at + 1 < len(words):
            return Path(words[at + 1])
        if word.startswith("--project="):
            return Path(word.removeprefix("--project="))
    return Path()


def _keep(error: BaseException, command: str, project: Path) -> Path | None:
    """Write the traceback down, in the project's state folder if it has one, and say where."""
    text = f"apportion {__version__}, Python {sys.version.split()[0]}\n{command}\n\n"
    text += "".join(traceback.format_exception(error))
    state = project / _STATE
    if state.is_dir():
        try:
            (state / _FILE).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            pass
        else:
            return state / _FILE
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="apportion-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError:
        return None
    return Path(file.name)
