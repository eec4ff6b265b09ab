"""Files of one shape beside each other become one source, with a pattern that means them and no other."""

from __future__ import annotations

import calendar
import os.path
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from apportion.collect.connector import glob_parts, is_glob, matcher
from apportion.setup.files import DataFile
from apportion.setup.recognition import PLAIN_USAGE, Recognised
from apportion.setup.sample import Sample

# Where a project writes sources of a table, and what a bill is called where its files share no name.
SECTIONS = {
    "charges": "bills",
    "invoices": "bills",
    "usage": "usage",
    "meters": "meters",
    "roster": "directory",
    "lookup": "directory",
    "codes": "directory",
    "seats": "seats",
    "fx": "fx",
    "prices": "prices",
}
_FALLBACK = {"charges": "bill", "usage": "calls", "roster": "people", "lookup": "lookup"}
_MONTHS = frozenset(month.lower() for names in (calendar.month_name, calendar.month_abbr) for month in names)
# Each of these is read as a whole, or names what is measured: files of one header may well be two things.
_ALONE = frozenset({"lookup", "roster", "codes", "invoices", "fx", "prices"})
_MONTH = re.compile(r"20\d\d[-_.]?(0[1-9]|1[0-2])(?!\d{3})")
# Azure exports a month twice over where asked for both: as billed, and with purchases spread over their term.
_SPREAD = re.compile(r"amorti[sz]ed")


@dataclass(frozen=True)
class Item:
    """A file that was recognised.

    Attributes:
        file: The file.
        sample: Its first records.
        seen: What it is.
    """

    file: DataFile
    sample: Sample
    seen: Recognised


@dataclass(frozen=True)
class Source:
    """A source of the project to be.

    Attributes:
        name: Unique in its section.
        path: A file, or a pattern that matches its files and no other file.
        items: Its files.
    """

    name: str
    path: str
    items: tuple[Item, ...]

    @property
    def seen(self) -> Recognised:
        """What its files are."""
        return self.items[0].seen

    @property
    def table(self) -> str:
        """What it holds."""
        return self.seen.table

    @property
    def section(self) -> str:
        """Where settings write it."""
        return SECTIONS[self.table]

    @property
    def sample(self) -> Sample:
        """The first records of its first file that has any."""
        return next((item.sample for item in self.items if item.sample.rows), self.items[0].sample)


def group(items: Iterable[Item], everything: Sequence[str]) -> list[Source]:
    """Sources of the files, in the order of their sections and names.

    Args:
        items: The files that are read.
        everything: The name of every file that there is, so that no pattern matches another one.
    """
    alike: dict[tuple[object, ...], list[Item]] = {}
    for item in items:
        alike.setdefault(_key(item), []).append(item)
    sources: list[Source] = []
    for members in alike.values():
        for path, part in _patterns(sorted(members, key=lambda item: item.file.name), everything):
            sources.append(Source(_name(path, part), path, tuple(part)))
    order = list(SECTIONS)
    sources.sort(key=lambda source: (order.index(source.table), source.path))
    return _named_apart(sources)


def spread_twins(items: Iterable[Item]) -> list[tuple[Item, Item]]:
    """Bills whose purchases are spread over their term, each with the same bill as it was billed.

    Told from names that differ in that one word: `AmortizedCost` beside `ActualCost`.
    """
    bills = {item.file.name.lower(): item for item in items if item.seen.table == "charges"}
    pairs = ((item, bills.get(_SPREAD.sub("actual", name))) for name, item in bills.items() if _SPREAD.search(name))
    return [(item, twin) for item, twin in pairs if twin and twin.sample.header == item.sample.header]


def _key(item: Item) -> tuple[object, ...]:
    """Files with the same key are read alike."""
    seen = item.seen
    alike = (seen.table, seen.what, tuple(seen.columns.items()), tuple(seen.constants.items()), seen.tokens, seen.unit)
    stem = _stem(item.file.name)
    if seen.table in _ALONE:
        return (*alike, item.file.name)
    if seen.table == "charges" or (seen.table == "usage" and seen.what != PLAIN_USAGE):
        # Exports of one kind may share a charge or a call, which one source counts once.
        return alike
    return (*alike, stem, () if "json" in str(item.file.format) else item.sample.header)


def _stem(name: str) -> str:
    """A file's name up to what tells its months and parts apart."""
    bare = PurePosixPath(name).name.partition(".")[0]
    stem = re.split(r"[-_ ]?\d", bare, maxsplit=1)[0].rstrip("-_ .")
    if stem and stem.lower() not in _MONTHS:
        return stem
    words = [word for word in re.split(r"[-_ .]+", bare) if word.isalpha() and word.lower() not in _MONTHS]
    return "_".join(words) or bare


def _patterns(items: Sequence[Item], everything: Sequence[str]) -> list[tuple[str, list[Item]]]:
    """The fewest patterns that match the files and nothing else."""
    if len(items) == 1:
        return [(_dated_pattern(items[0], everything) or items[0].file.name, list(items))]
    names = {item.file.name for item in items}
    for pattern in _candidates([item.file.name for item in items]):
        matches = matcher(pattern)
        if {name for name in everything if matches.fullmatch(name)} == names:
            return [(pattern, list(items))]
    parts: dict[str, list[Item]] = {}
    folders = {os.path.dirname(name) for name in names}  # noqa: PTH120 - a name as settings write it, no path
    for item in items:
        place = os.path.dirname(item.file.name)  # noqa: PTH120 - as above
        parts.setdefault(place if len(folders) > 1 else _stem(item.file.name), []).append(item)
    if len(parts) == 1:
        return [(item.file.name, [item]) for item in items]
    return [each for part in parts.values() for each in _patterns(part, everything)]


def _dated_pattern(item: Item, everything: Sequence[str]) -> str | None:
    """A pattern that will match the next month's file too; None where the name tells no month, or others match now."""
    path = PurePosixPath(item.file.name)
    month = _MONTH.search(path.name)
    if item.seen.table in _ALONE or month is None or is_glob(item.file.name):
        return None
    ending = path.name[path.name.index(".", month.start()) :] if "." in path.name[month.start() :] else ""
    pattern = (path.parent / f"{path.name[: month.start()]}*{ending}").as_posix()
    matches = matcher(pattern)
    return pattern if [name for name in everything if matches.fullmatch(name)] == [item.file.name] else None


def _candidates(names: Sequence[str]) -> Iterable[str]:
    """Patterns that match all of the names, the plainest first."""
    paths = [PurePosixPath(name) for name in names]
    ending = _start_of([path.name[::-1] for path in paths])[::-1]
    ending = ending[ending.index(".") :] if "." in ending else ""
    start = re.sub(r"\d[\d_-]*$", "", _start_of([path.name for path in paths]))
    depths = {len(path.parts) for path in paths}
    if len(depths) != 1 or any(is_glob(name) for name in names):
        return
    levels = list(zip(*[path.parts[:-1] for path in paths], strict=True))
    folder = [level[0] if len(set(level)) == 1 else "*" for level in levels]
    for name in dict.fromkeys([f"*{ending}", f"{start}*{ending}"]):
        yield "/".join([*folder, name])


def _start_of(texts: Sequence[str]) -> str:
    """What all of some texts begin with."""
    low, high = min(texts), max(texts)
    return low[: next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]


def _name(path: str, items: Sequence[Item]) -> str:
    """What a source is called: the common start of its files' names, else its folder, in plain letters."""
    stems = {_stem(item.file.name) for item in items}
    text = stems.pop() if len(stems) == 1 else ""
    table = items[0].seen.table
    if not text:
        folders = [part for part in PurePosixPath(path).parts[:-1] if not is_glob(part) and part != ".."]
        text = folders[-1] if folders and len(folders[-1]) > 1 else ""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:60].strip("_-")
    return plain or _FALLBACK.get(table, table)


def _named_apart(sources: Sequence[Source]) -> list[Source]:
    """The same sources, no two of a section with one name."""
    taken: set[tuple[str, str]] = set()
    out = []
    for source in sources:
        name, number = source.name, 2
        while (source.section, name.lower()) in taken:
            name, number = f"{source.name}_{number}", number + 1
        taken.add((source.section, name.lower()))
        out.append(Source(name, source.path, source.items))
    return out


def folders_of(sources: Iterable[Source], folder: Path) -> list[Path]:
    """Where the files of sources lie, and where their patterns begin.

    Args:
        sources: The sources.
        folder: The project's, from which their paths start.
    """
    found = {item.file.path.resolve().parent for source in sources for item in source.items}
    found |= {folder / glob_parts(source.path)[0] for source in sources if is_glob(source.path)}
    return sorted(found)
