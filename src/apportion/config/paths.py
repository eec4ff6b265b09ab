"""Which files a project may read: those in its folder and in the roots that it names."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from pathlib import Path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_PATTERN = re.compile(r"[*?\[]")


def is_remote(path: str) -> bool:
    """Whether a path is an address of a store; which connector answers for it shows when it is collected."""
    scheme = _SCHEME.match(path)
    return scheme is not None and scheme[1].lower() != "file"


def refused(folder: Path, path: str, roots: Sequence[str] = ()) -> str | None:
    """Why a project may not read a path.

    Links are followed: what counts is where a file really lies.

    Args:
        folder: The project.
        path: As written: a file, a pattern, or an address.
        roots: Further folders that are allowed, absolute or relative to the project.

    Returns:
        The reason, or None if the path may be read.
    """
    if is_remote(path):
        return None
    by_form = (
        (any(ord(character) < ord(" ") for character in path), "it holds a control character"),
        (_SCHEME.match(path), "addresses of this kind are not read"),
        (path.startswith("~"), "it points into a home folder"),
        (_DRIVE.match(path), "it is an absolute path"),
    )
    if reason := next((reason for fits, reason in by_form if fits), None):
        return reason
    parts = Path(path).parts
    first = next((n for n, part in enumerate(parts) if _PATTERN.search(part)), len(parts))
    if ".." in parts[first:]:
        return "it climbs up after a pattern"
    real = _real(folder, str(Path(*parts[:first])))
    # expanduser of os.path leaves a root without a home as written, where Path's raises.
    homes = [os.path.expanduser(root) for root in roots if root.isprintable()]  # noqa: PTH111 - see above
    allowed = [_real(folder, "."), *(_real(folder, root) for root in homes)]
    if any(real.is_relative_to(each) for each in allowed):
        return None
    return f"it leads to {real}"


def _real(folder: Path, path: str) -> Path:
    # realpath never raises, neither for loops of links nor for files that are not there.
    return Path(os.path.realpath(folder / path))
