"""What can go wrong, in three kinds that are never mixed.

A `Problem` is a value: something in the user's project or data. All problems are collected and shown
together. An `ApportionError` is the world: an exception that knows whether a retry can help. An
`InvariantError` is our bug: both numbers are shown and nothing is written.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PROBLEMS = 3
EXIT_GATE = 4
EXIT_BUG = 70

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Place:
    """Where a problem stands: a file, and a line and column of it or a data row.

    Attributes:
        file: As the user wrote it, relative to the project.
        line: Counted from 1; for configuration.
        column: Counted from 1.
        row: A record of a data file; a CSV header is row 1.
    """

    file: str
    line: int | None = None
    column: int | None = None
    row: int | None = None

    def __str__(self) -> str:
        if self.row is not None:
            return f"{self.file}: row {self.row}"
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        return ":".join([self.file, *numbers])


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or doubtful, in the user's project or data.

    Attributes:
        slug: Names the kind of problem; each has a heading in `docs/errors.md`.
        message: What is wrong, with the real values.
        place: Where, if it has a place.
        excerpt: The line it is about, as the user wrote it; never a secret.
        amount: What it means in money, with its currency, if known.
        cure: What to do: an edit or a command to paste.
        severity: An error must be dealt with; a warning is a doubt.
        held: The money or rows concerned are set aside and shown, so that the rest can go on.
            An error that is not held stops a run.
    """

    slug: str
    message: str
    place: Place | None = None
    excerpt: str | None = None
    amount: str | None = None
    cure: str | None = None
    severity: Severity = "error"
    held: bool = False

    @property
    def stops(self) -> bool:
        """Whether a run cannot go on with it."""
        return self.severity == "error" and not self.held

    def sort_key(self) -> tuple[str, int, int, tuple[str, ...]]:
        """By file, then line or row, so that a reader walks their files from top to bottom; no two are alike."""
        place = self.place or Place("")
        texts = (self.slug, self.message, self.amount or "", self.excerpt or "", self.cure or "", self.severity)
        return (place.file, place.line or place.row or 0, place.column or 0, texts)

    def text(self) -> str:
        """The problem as the terminal, the web and the API all show it."""
        head = f"{self.severity}[{self.slug}]"
        lines = [f"{head}: {self.place}" if self.place else head]
        if self.excerpt:
            lines.append(f"    | {self.excerpt}")
            if self.place and self.place.column:
                lines.append("    | " + " " * (self.place.column - 1) + "^")
        lines.append(f"  {self.message}")
        if self.amount:
            lines.append(f"  Money: {self.amount}")
        if self.cure:
            lines.append(f"  Cure: {self.cure}")
        return "\n".join(lines)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems sorted by file and line, each one once."""
    return sorted(set(problems), key=Problem.sort_key)


class ApportionError(Exception):
    """The world did not do what was asked.

    Args:
        slug: Names the kind; each has a heading in `docs/errors.md`.
        message: What happened, with real values.
        cure: What to do about it.
        retry: Whether trying again may help.
    """

    exit_code = EXIT_FAILED

    def __init__(self, slug: str, message: str, *, cure: str | None = None, retry: bool = False) -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.cure = cure
        self.retry = retry

    def text(self) -> str:
        """The error as every face of the product shows it."""
        lines = [f"error[{self.slug}]", f"  {self.message}"]
        if self.cure:
            lines.append(f"  Cure: {self.cure}")
        if self.retry:
            lines.append("  Trying again may help.")
        return "\n".join(lines)


class WrongUsage(ApportionError):  # noqa: N818 - what was asked for does not exist, and nothing failed
    """A command asked for something that is not there: a dimension, an owner, a reference, a form of output."""

    exit_code = EXIT_USAGE


class ProblemsFound(ApportionError):  # noqa: N818 - it is found, not raised by a fault
    """The project or its data has problems; all of them travel together."""

    exit_code = EXIT_PROBLEMS

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = in_order(problems)
        errors = sum(p.severity == "error" for p in self.problems)
        noun = "error" if errors == 1 else "errors"
        super().__init__(
            "problems-found",
            f"{errors} {noun} in the project or its data; nothing was written, what was published before is current.",
            cure="Correct them from top to bottom; `apportion check` shows them again.",
        )

    def text(self) -> str:
        """Every problem, in the order of the user's files, and what follows from them."""
        return "\n\n".join([*(problem.text() for problem in self.problems), super().text()])


class GateRefused(ApportionError):  # noqa: N818 - a gate that refuses is no fault
    """A gate (coverage, variance, balance) refused to go on."""

    exit_code = EXIT_GATE


_FULL = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
_REFUSED = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
        *(errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.EMFILE, errno.ENFILE),
    }
)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Say in our own words what the machine refuses while something is written.

    Args:
        what: What could not be written then, for people.

    Raises:
        ApportionError: The disk is full, or the place may not be written to.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename and str(error.filename) not in what else ""
        said = error.strerror or str(error)
        if error.errno in _FULL:
            raise ApportionError(
                "disk-full",
                f"The disk is full: {what} cannot be written{where}: {said}.",
                cure="Free some space, then run again; the last good run is still current.",
                retry=True,
            ) from error
        if error.errno not in _REFUSED:
            raise
        raise ApportionError(
            "cannot-write",
            f"{what} cannot be written{where}: {said}.",
            cure="Check that the folder exists, that it is a folder, and that this account may write there.",
        ) from error


class InvariantError(Exception):
    """Our own arithmetic disagrees with itself: a bug, never the user's fault.

    Args:
        law: The law that broke, as `L1`.
        what: What was compared, in words.
        expected: One of the two numbers.
        found: The other one.
    """

    exit_code = EXIT_BUG

    def __init__(self, law: str, what: str, expected: object, found: object) -> None:
        self.law = law
        self.expected = expected
        self.found = found
        super().__init__(f"{law}: {what}: expected {expected}, found {found}; nothing was written")
