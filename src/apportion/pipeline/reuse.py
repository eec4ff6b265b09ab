"""Cells of calls that are as they were: which slices need not be folded again, and why the others do.

A slice's fingerprint has a part for everything that its cells follow from. Where an earlier run that is still current
has the same fingerprint, its files are listed again and no call of the slice is read.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import apportion
from apportion.attribute.dimensions import Resolver, map_rows
from apportion.attribute.early import CellEvidence, early_sql
from apportion.books.records import Fold
from apportion.config.settings import Settings
from apportion.normalize.usage import UsageSlice
from apportion.pipeline.inputs import Inputs
from apportion.warehouse.quoting import literal

_PACKAGES = ("normalize", "price", "attribute", "warehouse")
_DIRECTORIES = frozenset({"lookup", "roster"})
# What a change of each part is, for people.
_CHANGED = {
    "calls": "their calls changed",
    "evidence": "the evidence of a dimension changed",
    "prices": "prices changed",
    "directory": "the directory changed",
    "program": "apportion itself changed",
}
_NEW = "their days are new"
_ASIDE = "rows of theirs were set aside"


class Earlier:
    """What earlier runs made of slices of calls.

    Args:
        folds: Of the runs that periods point to.
        settings: The project's, as they are now.
        resolver: Of its dimensions.
        inputs: The files, as they are now.
        overrides: The file of prices, if there is one.
        there: Whether a file can be read, by its address.
    """

    def __init__(
        self,
        folds: Iterable[Fold],
        settings: Settings,
        resolver: Resolver,
        inputs: Inputs,
        overrides: Path | None,
        there: Callable[[str], bool],
    ) -> None:
        self._there = there
        found = list(folds)
        self._by_mark = {fold.fingerprint: fold for fold in found}
        self._by_label = {fold.label: fold for fold in found}
        self._declared = {source.name: source.model_dump_json() for source in settings.usage}
        self._hashes = {(item.source, item.name): item.sha256 for item in inputs.objects}
        kept = CellEvidence.of(settings)
        early = {name: early_sql(condition, {tag: tag for tag in kept.tags}) for name, condition in kept.early.items()}
        query = resolver.query("cells", keep=[], evidence=kept.names)
        directory = [(item.source, item.sha256) for item in inputs.objects if item.table in _DIRECTORIES]
        self._same = {
            "evidence": _mark(kept.names, early, query, map_rows(settings), settings.approved),
            "prices": _mark(version("genai-prices"), _bytes(overrides)),
            "directory": _mark(sorted(directory), [one.model_dump_json() for one in settings.directory]),
            "program": _program(),
        }
        self._reasons: Counter[str] = Counter()
        self._reused = 0

    def fingerprint(self, slice_: UsageSlice) -> str:
        """Everything that the cells of a slice follow from."""
        text = slice_.origin
        for name, path in slice_.files:
            text = text.replace(literal(str(path)), self._hashes.get((slice_.source, name), name))
        return json.dumps({"calls": _mark(text, self._declared[slice_.source]), **self._same}, sort_keys=True)

    def find(self, slice_: UsageSlice) -> Fold | None:
        """The cells of a slice, if they are as they were."""
        found = self._by_mark.get(self.fingerprint(slice_))
        return found if found and all(self._there(part.path) for part in found.parts) else None

    def note(self, slice_: UsageSlice, *, reused: bool) -> None:
        """Count a slice for what `told` says."""
        if reused:
            self._reused += 1
            return
        before = self._by_label.get(slice_.label)
        if before is None:
            self._reasons[_NEW] += 1
            return
        if not before.fingerprint:
            self._reasons[_ASIDE] += 1
            return
        old, now = json.loads(before.fingerprint), json.loads(self.fingerprint(slice_))
        changed = [_CHANGED[part] for part in _CHANGED if old.get(part) != now[part]]
        self._reasons[" and ".join(changed) or "their files are gone"] += 1

    def told(self) -> str:
        """How many slices were folded and why, in words; empty where there was nothing to begin with."""
        if not self._by_label:
            return ""
        anew = [f"{count:,} folded anew because {reason}" for reason, count in sorted(self._reasons.items())]
        return ", ".join([f"{self._reused:,} of {self._reused + self._reasons.total():,} slices as before", *anew])


def _bytes(path: Path | None) -> str:
    """What a file holds; one that is not there is the price book's to tell."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""


def _mark(*what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:32]


@cache
def _program() -> str:
    """The version, and the texts of the stages that make cells."""
    digest = hashlib.sha256(apportion.__version__.encode())
    for package in _PACKAGES:
        for text in _texts(files("apportion") / package):
            digest.update(text)
    return digest.hexdigest()[:32]


def _texts(place: Traversable) -> list[bytes]:
    found: list[bytes] = []
    for one in sorted(place.iterdir(), key=lambda entry: entry.name):
        if one.is_dir():
            found += _texts(one)
        elif one.name.endswith((".py", ".sql", ".yml")):
            found.append(one.read_bytes())
    return found
