"""What a connector is: something that finds objects by a pattern and puts their bytes on this machine.

Connectors register under the entry-point group `apportion.connectors`; the built-in ones do too. A
connector is made without arguments and takes its credentials from the environment.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from apportion.errors import ApportionError, Problem

GROUP = "apportion.connectors"
_SCHEME = re.compile(r"([a-z][a-z0-9+]*)://", re.IGNORECASE)


@dataclass(frozen=True)
class Pattern:
    """What a source asks for.

    Attributes:
        source: The name of the source.
        path: As the user wrote it; may hold `*`, `?`, `[...]` and `**`.
        folder: The project's folder, which relative paths start from.
        roots: Further folders that local paths may point into.
    """

    source: str
    path: str
    folder: Path
    roots: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Listing:
    """One object that matches a pattern.

    Attributes:
        name: As shown to people: relative to the project, or the whole URL.
        address: What the connector needs to fetch it.
        size_bytes: As the store says.
        version: Changes when the bytes change (an ETag); empty where the store has none.
    """

    name: str
    address: str
    size_bytes: int
    version: str = ""


@dataclass(frozen=True)
class Found:
    """The objects that match a pattern, sorted by name, and what stands against others."""

    listings: tuple[Listing, ...]
    problems: tuple[Problem, ...] = ()


@runtime_checkable
class Connector(Protocol):
    """Finds objects and fetches their bytes.

    Attributes:
        schemes: The URL schemes it answers for, lower case; an empty text stands for a plain path.
    """

    schemes: ClassVar[tuple[str, ...]]

    def find(self, pattern: Pattern) -> Found:
        """List what matches, sorted by name.

        Raises:
            ApportionError: The store does not answer.
        """
        ...

    def fetch(self, listing: Listing, cache: Path) -> Path:
        """Put an object's bytes on this machine and say where; an object already there is not fetched again.

        Raises:
            ApportionError: The store does not answer.
            OSError: The bytes cannot be read or written.
        """
        ...


def scheme(path: str) -> str:
    """The URL scheme of a path, lower case; empty for a plain path."""
    found = _SCHEME.match(path)
    return found[1].lower() if found else ""


@functools.cache
def registered() -> Mapping[str, Connector]:
    """The installed connectors by the scheme that they answer for.

    Raises:
        ApportionError: An installed connector cannot be loaded, or two answer for one scheme.
    """
    made: list[Connector] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            made.append(point.load()())
        except Exception as error:
            raise ApportionError(
                "connector-broken",
                f"the connector {point.name!r} ({point.value}) does not load: {error}",
                cure="reinstall or remove the package that brings it",
            ) from error
    return by_scheme(made)


def by_scheme(connectors: Iterable[Connector]) -> Mapping[str, Connector]:
    """Connectors by the scheme that they answer for.

    Raises:
        ApportionError: Two answer for one scheme.
    """
    found: dict[str, Connector] = {}
    for connector in connectors:
        for name in connector.schemes:
            if name in found:
                raise ApportionError(
                    "connector-broken",
                    f"two connectors answer for {name or 'plain paths'}: "
                    f"{type(found[name]).__name__} and {type(connector).__name__}",
                    cure="remove one of the two packages",
                )
            found[name] = connector
    return found


def glob_parts(path: str) -> tuple[str, str]:
    """A pattern's folder that holds no wildcard, and the rest of it."""
    parts = path.split("/")
    fixed = next((i for i, part in enumerate(parts) if is_glob(part)), len(parts) - 1)
    return "/".join(parts[:fixed]), "/".join(parts[fixed:])


def is_glob(text: str) -> bool:
    """Whether a path holds a wildcard."""
    return any(sign in text for sign in "*?[")


def matcher(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression: `*` stays inside a folder, `**` crosses folders."""
    pieces: Sequence[str] = pattern.split("/")
    text = ""
    for i, piece in enumerate(pieces):
        last = i == len(pieces) - 1
        if piece == "**":
            text += ".*" if last else "(?:.*/)?"
        else:
            text += _one_piece(piece) + ("" if last else "/")
    return re.compile(text)


def _one_piece(piece: str) -> str:
    """One folder or file name of a glob as a regular expression."""
    text, i = "", 0
    while i < len(piece):
        sign = piece[i]
        end = piece.find("]", i + 2) if sign == "[" else -1
        if sign == "*":
            text += "[^/]*"
        elif sign == "?":
            text += "[^/]"
        elif end > 0:
            inner = piece[i + 1 : end].replace("\\", "\\\\")
            text += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            i = end
        else:
            text += re.escape(sign)
        i += 1
    return text
