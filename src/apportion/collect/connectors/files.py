"""Local files below the project or one of its declared roots."""

from __future__ import annotations

import difflib
import glob
import os
from pathlib import Path
from typing import ClassVar

from apportion.collect.connector import Found, Listing, Pattern, glob_parts, is_glob
from apportion.errors import Place, Problem


class FilesConnector:
    """Finds files by a glob, sorted, and leaves them where they are.

    A file that lies, or through a symbolic link resolves, outside the project and its roots is not opened.
    """

    schemes: ClassVar[tuple[str, ...]] = ("",)

    def find(self, pattern: Pattern) -> Found:
        """List the files that match, sorted by name."""
        allowed = [pattern.folder.resolve(), *(root.resolve() for root in pattern.roots)]
        start = glob_parts(pattern.path)[0] if is_glob(pattern.path) else pattern.path
        if not _inside(pattern.folder / start, allowed):
            return Found((), (_outside(pattern, pattern.path, pattern.folder / start),))
        listings: list[Listing] = []
        problems: list[Problem] = []
        for name in _matches(pattern):
            path = pattern.folder / name
            if path.is_dir():
                continue
            if not _inside(path, allowed):
                problems.append(_outside(pattern, name, path))
                continue
            try:
                size = path.stat().st_size
            except OSError as error:
                problems.append(_unreadable(pattern, name, error))
                continue
            listings.append(Listing(Path(name).as_posix(), str(path), size))
        if not listings and not problems:
            problems.append(_nothing(pattern))
        return Found(tuple(listings), tuple(problems))

    def fetch(self, listing: Listing, cache: Path) -> Path:  # noqa: ARG002 - a local file needs no cache
        """The file itself; nothing is copied."""
        return Path(listing.address)


def _matches(pattern: Pattern) -> list[str]:
    """Names that match, sorted; a name that exists as written is meant literally."""
    if (pattern.folder / pattern.path).exists() or not is_glob(pattern.path):
        present = os.path.lexists(pattern.folder / pattern.path)
        return [pattern.path] if present else []
    # Path.glob takes no absolute pattern, and a declared root is one.
    return sorted(glob.glob(pattern.path, root_dir=pattern.folder, recursive=True))  # noqa: PTH207


def _inside(path: Path, allowed: list[Path]) -> bool:
    try:
        real = path.resolve()
    except (OSError, RuntimeError):
        return False
    return any(real.is_relative_to(root) for root in allowed)


def _outside(pattern: Pattern, name: str, path: Path) -> Problem:
    link = " (a symbolic link)" if path.is_symlink() else ""
    return Problem(
        "path-outside-project",
        f"source {pattern.source!r}: {name!r}{link} lies outside the project folder, so it is not opened",
        place=Place(name),
        cure="move or copy the file into the project, or name its folder under `roots:`",
    )


def _unreadable(pattern: Pattern, name: str, error: OSError) -> Problem:
    return Problem(
        "file-unreadable",
        f"source {pattern.source!r}: {name!r} cannot be opened: {error.strerror or error}",
        place=Place(name),
        cure="check that the file exists and that this account may read it",
    )


def _nothing(pattern: Pattern) -> Problem:
    folder, rest = glob_parts(pattern.path)
    try:
        around = sorted(path.name for path in (pattern.folder / folder).iterdir())
    except OSError:
        return Problem(
            "no-file-matches",
            f"source {pattern.source!r}: there is no folder {folder or '.'!r} to hold {pattern.path!r}",
            place=Place(pattern.path),
            cure="correct `path:` or create the folder",
        )
    near = difflib.get_close_matches(rest, around, n=1, cutoff=0.5)
    hint = f"; the nearest name is {'/'.join(filter(None, [folder, near[0]]))!r}" if near else ""
    return Problem(
        "no-file-matches",
        f"source {pattern.source!r}: no file matches {pattern.path!r}{hint}",
        place=Place(pattern.path),
        cure="correct `path:` or put the file there",
    )
