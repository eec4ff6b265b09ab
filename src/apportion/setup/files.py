"""The files to look at: those in the folders and at the paths given, and those passed by, each with its reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apportion.collect.sync import Format, file_format
from apportion.config.document import FILE
from apportion.report.page.folder import PAGE, REPORT_FILES, is_report

_MOST_FILES = 20_000
_PRICES = (".yaml", ".yml")


@dataclass(frozen=True)
class DataFile:
    """One file that may hold data.

    Attributes:
        path: Where it lies.
        name: As settings of the project would write it: relative to the project where that is possible.
        format: From its ending; None for a YAML file, which may hold prices.
    """

    path: Path
    name: str
    format: Format | None


@dataclass(frozen=True)
class Passed:
    """A file that becomes part of no source.

    Attributes:
        name: As settings would write it.
        reason: Why, and what would change that.
    """

    name: str
    reason: str


def find(paths: Sequence[Path], folder: Path) -> tuple[list[DataFile], list[Passed]]:
    """Every file at the paths and below them, in the order of their names.

    Links to folders are not followed, so that no loop of links can hold the search up; hidden files and the product's
    own are no data.

    Args:
        paths: Files and folders.
        folder: The project's.

    Returns:
        The files with an ending that can be read, and the others.
    """
    found: dict[str, DataFile] = {}
    passed: dict[str, Passed] = {}
    for path in paths:
        for number, (each, fault) in enumerate(_below(path)):
            name = written(each, folder)
            if number >= _MOST_FILES:
                passed[name] = Passed(name, f"only the first {_MOST_FILES:,} files of a folder are looked at")
                break
            reason = fault or _no_data(each, name)
            if reason:
                passed[name] = Passed(name, reason)
            else:
                found.setdefault(name, DataFile(each, name, file_format(each.name)))
    return [found[name] for name in sorted(found)], [passed[name] for name in sorted(passed)]


def written(path: Path, folder: Path) -> str:
    """A path as settings write it: relative to the project, or absolute where no relative path leads there."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def outside(folders: Iterable[Path], folder: Path) -> list[str]:
    """The folders that the project must name under `roots:` to read what is in some folders.

    Args:
        folders: That it reads from, wherever they are.
        folder: The project's.
    """
    real = folder.resolve()
    needed = {each.resolve() for each in folders if not each.resolve().is_relative_to(real)}
    kept = [each for each in needed if not any(other != each and each.is_relative_to(other) for other in needed)]
    return sorted(written(each, real) for each in kept)


def _below(path: Path) -> Iterator[tuple[Path, str]]:
    """Each file with what stands against it, sorted; folders are walked, not followed through links."""
    if not path.is_dir():
        yield path, "" if path.is_file() else _not_there(path)
        return
    faults: list[OSError] = []
    for place, folders, names in os.walk(path, onerror=faults.append):
        here = Path(place)
        if is_report(here):
            folders[:] = [name for name in folders if name not in REPORT_FILES]
            names[:] = [name for name in names if name not in REPORT_FILES]
            yield here / PAGE, "a report of apportion, which holds nothing that its sources do not"
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [each for each in folders if (here / each).is_symlink()]:
            folders.remove(name)
            yield here / name, "a link to a folder is not followed; name the folder itself"
        for name in sorted(names):
            if name.startswith(".") or name == FILE:
                continue
            each = here / name
            yield each, "" if each.is_file() else _not_there(each)
    for fault in faults:
        yield Path(str(fault.filename)), f"it cannot be opened: {fault.strerror}"


def _not_there(path: Path) -> str:
    if path.is_symlink():
        return "the link leads nowhere"
    return "it is no file" if path.exists() else "there is no such file"


def _no_data(path: Path, name: str) -> str:
    """Why a file cannot be data at all; empty if it can."""
    if any(ord(character) < ord(" ") for character in name):
        return "its name holds a control character; rename it"
    try:
        if path.stat().st_size == 0:
            return "it is empty (0 bytes)"
    except OSError as error:
        return f"it cannot be opened: {error.strerror}"
    if file_format(path.name) or path.suffix.lower() in _PRICES:
        return ""
    kind = f"of the kind {path.suffix}" if path.suffix else "without an ending"
    return f"a file {kind} is not read; data is .csv, .tsv, .parquet, .jsonl or .json, packed as .gz or not"
