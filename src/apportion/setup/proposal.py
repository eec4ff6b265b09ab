"""From files to proposed settings: look, read as a run would, propose, and try until a check has no error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apportion.config.load import FILE, Loaded, load_text
from apportion.errors import Problem
from apportion.focus import TABLES
from apportion.money import is_currency
from apportion.normalize.bytestream import UnreadableFile
from apportion.pipeline.run import Progress
from apportion.price.reader import read_prices
from apportion.setup.draft import Draft, LeftOut
from apportion.setup.evidence import candidates, lenses
from apportion.setup.files import DataFile, Passed, find, outside, written
from apportion.setup.recognition import Recognised, Unknown, recognise
from apportion.setup.rules import categories, divisions
from apportion.setup.sample import Sample, take
from apportion.setup.settings_text import settings_text
from apportion.setup.sources import Item, folders_of, group, spread_twins
from apportion.setup.study import Study, study
from apportion.setup.trial import Trial, attempt

_ROUNDS = 12
_ONE_EACH = ("prices", "fx")
_CODES = ("unknown-code", "expired-code")


@dataclass(frozen=True)
class Question:
    """What no file can say.

    Attributes:
        about: `company`, `currency` or `owner`.
        text: For people.
        options: What may be answered; empty for any text.
        default: What is taken without an answer.
        why: Why it is the default.
    """

    about: str
    text: str
    options: tuple[str, ...]
    default: str
    why: str


Ask = Callable[[Question], str]


@dataclass(frozen=True)
class Proposal:
    """What would be written, and what it came from.

    Attributes:
        draft: The settings as values.
        text: The settings as a file.
        study: What the sources hold.
        trial: What a check says, and the latest month.
    """

    draft: Draft
    text: str
    study: Study
    trial: Trial


def propose(paths: Sequence[Path], folder: Path, scratch: Path, ask: Ask, progress: Progress | None = None) -> Proposal:
    """Propose the settings of a project; nothing is written but in the scratch folder.

    Args:
        paths: Files and folders to look at.
        folder: The project's; it need not be there yet.
        scratch: A folder that is thrown away afterwards.
        ask: Answers what no file can say.
        progress: Who watches.
    """
    folder = folder.resolve()
    found, passed = find(paths, folder)
    items, unknown = _recognised(found, "USD")
    company = ask(_company(folder))
    currency = _currency(items, ask)
    if currency != "USD":
        items, unknown = _recognised(found, currency)
    every = [*(each.name for each in found), *(each.name for each in passed)]
    plan = _Plan(
        Draft(company, currency, passed=(*passed, *unknown)),
        items,
        folder,
        scratch,
        _beside(found, folder, every),
    )
    return plan.settle(ask, progress)


def _recognised(found: Iterable[DataFile], currency: str) -> tuple[list[Item], list[Passed]]:
    items, passed = [], []
    for file in found:
        try:
            seen, sample = _look(file, currency)
        except UnreadableFile as error:
            passed.append(Passed(file.name, f"{error.reason}; {error.cure}"))
            continue
        if isinstance(seen, Unknown):
            passed.append(Passed(file.name, seen.reason))
        elif seen.table != "prices" and not sample.rows:
            passed.append(Passed(file.name, f"{seen.what} by its columns, with no row yet"))
        else:
            items.append(Item(file, sample, seen))
    return items, passed


def _look(file: DataFile, currency: str) -> tuple[Recognised | Unknown, Sample]:
    if file.format:
        sample = take(file.path, file.format)
        return recognise(sample, file.name, currency), sample
    prices = read_prices(file.path, file.name)
    if prices.entries and not prices.problems:
        return Recognised("prices", "negotiated prices"), Sample((), ())
    return Unknown("a YAML file that holds no list of prices"), Sample((), ())


def _beside(found: Iterable[DataFile], folder: Path, names: Iterable[str]) -> list[str]:
    """Every file that a pattern could match by mistake: those that were looked at and those that lie beside them."""
    around = {written(path, folder) for parent in {each.path.parent for each in found} for path in parent.iterdir()}
    return sorted({*names, *around})


def _company(folder: Path) -> Question:
    words = re.sub(r"[^\w&.]+|_+", " ", folder.name).strip()
    name = words.title() if words == words.lower() else words
    default = name or "My company"
    return Question("company", "What is the company called?", (), default, "the folder's name")


def _currency(items: Sequence[Item], ask: Ask) -> str:
    """The ledger's currency: the one of the bills, asked for where they carry several."""
    counts: Counter[str] = Counter()
    foreign: set[str] = set()
    for item in items:
        have = (
            {**TABLES[item.seen.table].find(item.sample.header), **item.seen.columns}
            if item.seen.table in TABLES
            else {}
        )
        if item.seen.table == "charges" and "billing_currency" in have:
            counts.update(value.strip() for value in item.sample.column(have["billing_currency"]))
        elif item.seen.table == "fx":
            foreign |= {value.strip() for value in item.sample.column(have["currency"])}
    known = [code for code, _ in sorted(counts.items(), key=lambda each: (each[0] in foreign, -each[1], each[0]))]
    known = [code for code in known if is_currency(code)]
    if len(known) > 1:
        why = "the bills' commonest that has no rate of its own" if foreign else "the commonest of the bills"
        return ask(Question("currency", "In which currency are the books?", tuple(known), known[0], why))
    return known[0] if known else "USD"


def _reason(problem: Problem) -> str:
    """Why a file is left out, in one sentence."""
    said = problem.message.removesuffix("; set aside and counted in every report")
    if problem.slug == "same-charges-twice":
        return said
    if problem.place and problem.place.row and said != problem.message:
        after = "a run would set such rows aside, and a check would fail"
        return f"row {problem.place.row}: {said}; read all the same, {after}"
    return f"{said.rstrip('.')}; {problem.cure}" if problem.cure else said


class _Plan:
    """A draft on its way to one that a check has nothing against."""

    def __init__(self, draft: Draft, items: Sequence[Item], folder: Path, scratch: Path, every: Sequence[str]) -> None:
        self._draft = draft
        self._items = list(items)
        self._folder = folder
        self._scratch = scratch
        self._every = every
        self._left: dict[str, tuple[Item, str]] = {}
        self._dropped: set[str] = set()
        self._changed = False
        self._one_each()
        for item, twin in spread_twins(self._items):
            self._leave(item, f"it is {twin.file.name} again, with purchases spread over their term")
        for item in [each for each in self._items if each.seen.lacks]:
            self._leave(item, item.seen.lacks)

    def settle(self, ask: Ask, progress: Progress | None) -> Proposal:
        """Read, propose and try, and leave out what a check would refuse."""
        seen = self._read()
        self._owner(seen, ask)
        for _ in range(_ROUNDS):
            self._fill(seen)
            loaded = self._loaded()
            trial = attempt(loaded, self._folder, self._scratch, progress)
            if not trial.errors or not self._mend(trial.errors, loaded):
                break
            if self._changed:
                seen = self._read()
        return Proposal(self._draft, loaded.text, seen, trial)

    def _one_each(self) -> None:
        """A project has one file of prices and one of rates."""
        for table in _ONE_EACH:
            for item in [each for each in self._items if each.seen.table == table][1:]:
                self._leave(item, f"a project reads one file of {table}, and there is another")

    def _leave(self, item: Item, reason: str) -> None:
        self._items.remove(item)
        self._left[item.file.name] = (item, reason)
        self._changed = True

    def _read(self) -> Study:
        """Study the sources; a file by which a check would fail is left out, and the rest studied again."""
        for _ in range(_ROUNDS):
            self._changed = False
            self._regroup()
            seen = study(self._loaded(), self._draft.sources, self._folder, self._scratch)
            self._mend([problem for problem in seen.problems if problem.severity == "error"], None)
            for name, twin in seen.twins.items():
                for item in [each for each in self._items if each.file.name == name]:
                    self._leave(item, f"it holds the charges of {twin}, which would count twice")
            if not self._changed:
                return seen
        return seen

    def _regroup(self) -> None:
        sources = tuple(group(self._items, self._every))
        left = [
            LeftOut(source, self._left[source.items[0].file.name][1])
            for item, _ in self._left.values()
            for source in group([item], self._every)
        ]
        roots = tuple(outside(folders_of(sources, self._folder), self._folder))
        self._draft = replace(self._draft, sources=sources, left_out=tuple(left), roots=roots, lenses=(), rules=())

    def _loaded(self) -> Loaded:
        return load_text(settings_text(self._draft), self._folder)

    def _owner(self, seen: Study, ask: Ask) -> None:
        fits = candidates(seen, self._draft.sources)
        owner = fits[0].name if fits else "team"
        if len(fits) > 1:
            why = fits[0].where or "the likeliest of them"
            said = "; ".join(f"{each.name} ({each.where})" for each in fits)
            owner = ask(Question("owner", f"Who is charged? {said}", tuple(each.name for each in fits), owner, why))
        self._draft = replace(self._draft, owner=owner)

    def _fill(self, seen: Study) -> None:
        """Dimensions, categories and rules of what was seen, less what a try has refused."""
        found, spare = lenses(seen, self._draft.sources, self._draft.owner)
        rules = divisions(seen, self._draft.sources, found[0])
        self._draft = replace(
            self._draft,
            lenses=tuple(lens for lens in found if f"dimension {lens.name}" not in self._dropped),
            spare_tags=spare,
            categories=tuple(each for each in categories(seen) if f"category {each[1]}" not in self._dropped),
            rules=tuple(rule for rule in rules if f"rule {rule.name}" not in self._dropped),
        )

    def _mend(self, errors: Sequence[Problem], loaded: Loaded | None) -> bool:
        """Leave out what the errors are about; whether anything could be."""
        self._changed = False
        mended = False
        for problem in errors:
            file = problem.place.file if problem.place else ""
            line = problem.place.line if problem.place else None
            reason = _reason(problem)
            if problem.slug == "gpu-left-out" and (added := re.search(r'condition "(.+)"$', problem.cure or "")):
                self._draft = replace(self._draft, scope=tuple(dict.fromkeys([*self._draft.scope, added[1]])))
                mended = True
                continue
            items = [item for item in self._items if item.file.name == file]
            if problem.slug in _CODES:
                items = [item for item in self._items if item.seen.table == "codes"]
            if problem.slug == "missing-rate" and not problem.place:
                # List prices are in dollars: without a rate calls cannot be estimated, and a check would fail.
                items = [item for item in self._items if item.seen.table == "usage"]
            for item in items:
                self._leave(item, reason)
            mended = mended or bool(items) or (file == FILE and loaded is not None and self._drop(line, loaded))
        return mended

    def _drop(self, line: int | None, loaded: Loaded) -> bool:
        """Drop the rule, category or dimension that stands in a line; whether there is one."""
        for number, rule in enumerate(self._draft.rules):
            if loaded.line_of("allocate", number) == line:
                self._dropped.add(f"rule {rule.name}")
                return True
        for number, (_, when, _) in enumerate(self._draft.categories):
            if loaded.line_of("categories", number) == line:
                self._dropped.add(f"category {when}")
                return True
        for lens in self._draft.lenses:
            first = loaded.line_of("dimensions", lens.name)
            if lens.name != self._draft.owner and first and line and first <= line < first + len(lens.evidence):
                self._dropped.add(f"dimension {lens.name}")
                return True
        for source in self._draft.sources:
            at = self._draft.of(source.section).index(source)
            if loaded.line_of(source.section, at) == line:
                for item in source.items:
                    self._leave(item, "its name or path cannot be written in settings")
                return True
        return False
