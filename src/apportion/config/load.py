"""Reads `apportion.yaml` and tells everything that is wrong with it at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from apportion import focus
from apportion.config.check import check
from apportion.config.document import FILE, LARGEST_BYTES, problem_at, read
from apportion.config.settings import Settings
from apportion.config.shape import understand
from apportion.errors import Place, Problem, in_order

__all__ = ["FILE", "Loaded", "load", "load_text"]


@dataclass(frozen=True)
class Loaded:
    """What became of the project's settings.

    Attributes:
        settings: Complete only if no problem stops; with problems, the sound part of them, or None.
        problems: Everything wrong, by line.
        text: The file as read; empty if it could not be.
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    text: str

    @property
    def sound(self) -> bool:
        """Whether a run can go on with the settings."""
        return self.settings is not None and not any(problem.stops for problem in self.problems)

    def line_of(self, *path: str | int) -> int | None:
        """The line that a setting stands in, for problems that show only in the data; None if it is not there."""
        document, _ = read(self.text)
        if document is None:
            return None
        taken, _, value = document.reach(path)
        return value.line if taken == path else None


def _missing(folder: Path) -> str:
    """What is missing: the settings, or the folder itself, with the one that is named nearest."""
    if folder.is_dir():
        return f"There is no {FILE} in {folder}."
    try:
        beside = [each.name for each in folder.parent.iterdir() if (each / FILE).is_file()]
    except OSError:
        beside = []
    near = difflib.get_close_matches(folder.name, beside, n=1)
    return f"There is no folder {folder}{f'; did you mean {near[0]}?' if near else '.'}"


def load(folder: Path, known_fields: Collection[str] | None = None) -> Loaded:
    """Read the settings of a project.

    Args:
        folder: The project's folder.
        known_fields: The columns of charges and usage that conditions may name; without it, all of them.

    Returns:
        The settings and their problems. Nothing that a user can write raises.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        message = _missing(folder) if missing else f"{FILE} cannot be read: {error.strerror}."
        cure = "Go to the project's folder, or have settings proposed by `apportion init`." if missing else None
        return _failed(Problem("config-missing", message, Place(FILE), cure=cure))
    if len(raw) > LARGEST_BYTES:
        message = f"The file is larger than {LARGEST_BYTES:,} bytes."
        cure = "Settings are small; data belongs into the files that they name."
        return _failed(Problem("config-too-large", message, Place(FILE), cure=cure))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        lines = raw.decode("utf-8", "replace").splitlines()
        message = f"Byte 0x{raw[error.start]:02X} is not UTF-8."
        cure = "Save the file as UTF-8."
        return _failed(problem_at(lines, "config-encoding", message, line, column, cure=cure))
    return load_text(text, folder, known_fields)


def load_text(text: str, folder: Path, known_fields: Collection[str] | None = None) -> Loaded:
    """The same for settings that are not (yet) a file, such as a preview.

    Args:
        text: The settings.
        folder: The project that they are for; paths are judged from there.
        known_fields: As for `load`.
    """
    known = focus.known_fields() if known_fields is None else known_fields
    document, problems = read(text)
    if document is None:
        return Loaded(None, tuple(in_order(problems)), text)
    settings, document, faults, left_out = understand(document)
    problems += faults
    if settings is not None:
        settings = settings.with_columns(known)
        problems += check(settings, document, known, folder, left_out)
    return Loaded(settings, tuple(in_order(problems)), text)


def _failed(problem: Problem) -> Loaded:
    return Loaded(None, (problem,), "")
