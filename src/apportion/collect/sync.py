"""Collect every source: find its objects, bring their bytes here, hash them, hold out doubles."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from apportion.collect.connector import Connector, Listing, Pattern, registered, scheme
from apportion.errors import Place, Problem

Format = Literal["csv", "csv.gz", "parquet", "jsonl", "jsonl.gz", "json", "json.gz"]

_FORMATS: tuple[tuple[str, Format], ...] = (
    (".csv.gz", "csv.gz"),
    (".tsv.gz", "csv.gz"),
    (".jsonl.gz", "jsonl.gz"),
    (".ndjson.gz", "jsonl.gz"),
    (".json.gz", "json.gz"),
    (".csv", "csv"),
    (".tsv", "csv"),
    (".parquet", "parquet"),
    (".jsonl", "jsonl"),
    (".ndjson", "jsonl"),
    (".json", "json"),
)
# A bill or a call that comes in through two sources would count twice; a meter or a look-up may well be
# read twice in different ways.
_COUNTED_ONCE = frozenset({"charges", "usage", "invoices"})
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceSpec:
    """A source as the project declares it.

    Attributes:
        name: The source's name.
        table: What it holds: charges, usage, meters, roster, lookup, codes, seats, invoices or fx.
        path: A glob relative to the project, or the URL of objects in a store.
    """

    name: str
    table: str
    path: str


@dataclass(frozen=True)
class RawObject:
    """One file of a source, as received.

    Attributes:
        source: The name of the source.
        table: What it holds.
        name: As shown to people: relative to the project, or the URL.
        local_path: Where its bytes are on this machine.
        size_bytes: How many.
        sha256: Of the bytes, in hexadecimal.
        format: From the file's name.
    """

    source: str
    table: str
    name: str
    local_path: Path
    size_bytes: int
    sha256: str
    format: Format


@dataclass(frozen=True)
class Collected:
    """Every object to read, in the order of the sources and then by name, and what stands against others.

    Attributes:
        objects: Each content once.
        problems: Of the others.
        twins: By the name of a file that is held out as a double: the name of the one that is read.
    """

    objects: tuple[RawObject, ...]
    problems: tuple[Problem, ...]
    twins: Mapping[str, str] = field(default_factory=dict)


def collect(
    folder: Path,
    specs: Sequence[SourceSpec],
    cache: Path,
    roots: Sequence[Path] = (),
    *,
    connectors: Mapping[str, Connector] | None = None,
) -> Collected:
    """Find, fetch and hash the objects of every source.

    Args:
        folder: The project's folder.
        specs: The sources.
        cache: Where objects of stores are kept; it may be emptied at any time.
        roots: Further folders that paths may point into.
        connectors: By scheme; the installed ones unless given.

    Returns:
        The objects that can be read, and the problems of the others.

    Raises:
        ApportionError: An object store does not answer, or a connector is broken.
    """
    known = registered() if connectors is None else connectors
    objects: list[RawObject] = []
    problems: list[Problem] = []
    for spec in specs:
        connector = known.get(scheme(spec.path))
        if connector is None:
            problems.append(_no_connector(spec, known))
            continue
        found = connector.find(Pattern(spec.name, spec.path, folder, tuple(roots)))
        problems += found.problems
        for listing in found.listings:
            taken = _take(spec, listing, connector, cache)
            if isinstance(taken, Problem):
                problems.append(taken)
            else:
                objects.append(taken)
    kept, doubles, twins = _without_doubles(objects)
    return Collected(tuple(kept), (*problems, *doubles), twins)


def _take(spec: SourceSpec, listing: Listing, connector: Connector, cache: Path) -> RawObject | Problem:
    """Fetch and hash one object, or say why it cannot be read."""
    kind = file_format(listing.name)
    if kind is None:
        return _unknown_format(spec, listing)
    if listing.size_bytes == 0:
        return _empty(spec, listing)
    try:
        path = connector.fetch(listing, cache)
        digest = sha256_of(path)
    except OSError as error:
        return Problem(
            "file-unreadable",
            f"source {spec.name!r}: {listing.name!r} cannot be read: {error.strerror or error}",
            place=Place(listing.name),
            cure="check that this account may read the file",
        )
    return RawObject(spec.name, spec.table, listing.name, path, listing.size_bytes, digest, kind)


def file_format(name: str) -> Format | None:
    """The format that a file's name tells, if it is one that can be read."""
    lowered = name.lower()
    return next((kind for ending, kind in _FORMATS if lowered.endswith(ending)), None)


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _without_doubles(objects: Sequence[RawObject]) -> tuple[list[RawObject], list[Problem], dict[str, str]]:
    """The objects, each content once per table (or per source, where reading twice is no double count)."""
    first: dict[tuple[str, str, str], RawObject] = {}
    kept: list[RawObject] = []
    problems: list[Problem] = []
    twins: dict[str, str] = {}
    for item in objects:
        key = (item.table, "" if item.table in _COUNTED_ONCE else item.source, item.sha256)
        if (earlier := first.setdefault(key, item)) is item:
            kept.append(item)
        else:
            problems.append(_double(item, earlier))
            twins[item.name] = earlier.name
    return kept, problems, twins


def _double(item: RawObject, earlier: RawObject) -> Problem:
    where = "" if item.source == earlier.source else f" (source {earlier.source!r})"
    return Problem(
        "same-file-twice",
        f"source {item.source!r}: {item.name!r} holds the same bytes as {earlier.name!r}{where}; "
        "it is held out so that nothing counts twice",
        place=Place(item.name),
        cure=f"delete {item.name!r}, or narrow `path:` so that it is not matched",
        held=True,
    )


def _unknown_format(spec: SourceSpec, listing: Listing) -> Problem:
    return Problem(
        "unknown-format",
        f"source {spec.name!r}: {listing.name!r} has no ending that can be read",
        place=Place(listing.name),
        cure="export it as .csv, .parquet, .jsonl or .json, packed as .gz or not, or narrow `path:`",
    )


def _empty(spec: SourceSpec, listing: Listing) -> Problem:
    # Usage often comes as one file an hour, and an hour without a call is no fault.
    usage = spec.table == "usage"
    return Problem(
        "empty-file",
        f"source {spec.name!r}: {listing.name!r} is empty (0 bytes)",
        place=Place(listing.name),
        cure="export or copy it again, or delete it",
        severity="warning" if usage else "error",
        held=usage,
    )


def _no_connector(spec: SourceSpec, known: Mapping[str, Connector]) -> Problem:
    name = scheme(spec.path)
    near = difflib.get_close_matches(name, [other for other in known if other], n=1)
    listed = ", ".join(f"{other}://" for other in sorted(known) if other)
    return Problem(
        "unknown-store",
        f"source {spec.name!r}: no connector answers for {name}://"
        + (f"; did you mean {near[0]}://?" if near else f"; known are {listed} and plain paths"),
        place=Place(spec.path),
        cure="correct `path:` or install the connector",
    )
