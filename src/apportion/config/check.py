"""Checks what the settings say about each other: names, references, dates, paths, dimensions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from string import ascii_uppercase

from apportion.config.check_gateway import check_gateway
from apportion.config.check_rules import check_rules
from apportion.config.circles import circles
from apportion.config.conditions import Condition
from apportion.config.dimensions import (
    BUILT_IN,
    ColumnEvidence,
    DefaultEvidence,
    Lookup,
    LookupEvidence,
    ValueEvidence,
    VirtualTagEvidence,
    is_reserved,
)
from apportion.config.document import Document
from apportion.config.paths import refused
from apportion.config.rules import ATTRIBUTED_COST, ProportionalRule
from apportion.config.settings import Settings
from apportion.config.shape import meant, nearest
from apportion.config.sources import Source
from apportion.config.written import POOL
from apportion.errors import Problem
from apportion.focus import DATE_FORMAT, NUMBER_FORMAT, OPEN_TABLES, TABLES, Table
from apportion.money import is_currency
from apportion.numerals import NumberForm

Steps = tuple[str | int, ...]

_FREE = "x_"
_SECTIONS = ("bills", "usage", "meters", "directory", "seats")
# What the rows of a section or of a type of source are.
_TABLES = {"usage": "usage", "meters": "meters", "seats": "seats", "focus": "charges"}


def check(
    settings: Settings,
    document: Document,
    known_fields: Collection[str],
    folder: Path,
    left_out: frozenset[str] = frozenset(),
) -> list[Problem]:
    """Everything about the settings that their form does not show.

    Args:
        settings: What was written.
        document: Where it was written.
        known_fields: The columns of charges and usage that conditions may name.
        folder: The project, to judge paths by.
        left_out: Names whose definition has a fault of its own; references to them are not reported.

    Returns:
        Problems in no particular order.
    """
    return [
        *_whole(settings, document, left_out),
        *_sources(settings, document),
        *_paths(settings, document, folder),
        *_dimensions(settings, document, known_fields, left_out),
        *_conditions(settings, document, known_fields, left_out),
        *_dates(settings, document),
        *check_gateway(settings, document, left_out),
        *check_rules(settings, document, left_out),
    ]


def _whole(settings: Settings, document: Document, left_out: frozenset[str]) -> Iterator[Problem]:
    if not is_currency(settings.currency):
        near = _nearest_currency(settings.currency)
        cure = f"Did you mean `{near}`?" if near else "Use a code such as `USD`."
        message = f"`{settings.currency}` is no ISO 4217 currency."
        yield document.problem("unknown-currency", message, ("currency",), cure=cure)
    names = settings.dimension_names
    if settings.owner not in {*names, *left_out}:
        written = ("owner",) in {path for path, _ in document.root.walk()}
        message = f"The owner `{settings.owner}` is no dimension."
        cure = meant(settings.owner, names) if written else "Add `dimensions: {team: [{tag: team}]}`."
        yield document.problem("unknown-dimension", message, ("owner",), cure=cure)
    policies = settings.policies
    reconcile = policies.reconcile
    if not 0 <= reconcile.warn <= reconcile.block:
        message = f"The warning at {reconcile.warn} % does not come before the block at {reconcile.block} %."
        cure = "Write percentages with 0 ≤ warn ≤ block."
        yield document.problem("out-of-range", message, ("policies", "reconcile"), cure=cure)
    if policies.keep_runs < 0:
        message = f"`keep_runs` is {policies.keep_runs}; files stay for 0 days or more."
        yield document.problem("out-of-range", message, ("policies", "keep_runs"), cure="Write 30.")
    if policies.active_days < 1:
        message = f"`active_days` is {policies.active_days}; a seat is used within at least 1 day."
        yield document.problem("out-of-range", message, ("policies", "active_days"), cure="Write 30.")
    if (policies.credits.bank or "").startswith(POOL):
        cure = "Name an owner, such as `central`."
        place = ("policies", "credits", "bank")
        yield document.problem("bad-owner", "A credit bank is an owner and not a pool.", place, cure=cure)
    if settings.unallocated.spread_by and "keep" in settings.unallocated.model_fields_set:
        if settings.unallocated.keep:
            message = "Unallocated cost cannot both be kept and be spread."
            yield document.problem("both-chosen", message, ("unallocated",), cure="Write one of the two.")
    elif not settings.unallocated.keep:
        message = "Unallocated cost is neither kept nor spread."
        cure = "Write `{keep: true}` or `{spread_by: attributed_cost}`."
        yield document.problem("both-chosen", message, ("unallocated",), cure=cure)


def _nearest_currency(written: str) -> str | None:
    """The first code that has at least two letters where they are written."""
    codes = ("".join(letters) for letters in product(ascii_uppercase, repeat=3))
    scored = [
        (sum(a == b for a, b in zip(code, written.upper(), strict=False)), code) for code in codes if is_currency(code)
    ]
    score, code = max(scored, key=lambda each: each[0])
    return code if score >= 2 else None  # noqa: PLR2004 - two of three letters


def _sources(settings: Settings, document: Document) -> Iterator[Problem]:
    for section in _SECTIONS:
        seen: dict[str, int] = {}
        for number, source in enumerate(getattr(settings, section)):
            place = (section, number, "name")
            if source.name in seen:
                message = f"`{source.name}` is the name of two sources in `{section}`."
                cure = "Give each its own name."
                yield document.problem("duplicate-name", message, place, cure=cure)
            seen.setdefault(source.name, number)
            if section == "meters" and source.name == ATTRIBUTED_COST:
                message = f"`{source.name}` is measured by the product itself."
                cure = f"Give the meter another name, such as `measured_{source.name}`."
                yield document.problem("reserved-name", message, place, cure=cure)
            kind = _TABLES.get(section) or _TABLES.get(source.type, source.type)
            yield from _columns(source, TABLES[kind], document, (section, number))


def _columns(source: Source, table: Table, document: Document, place: Steps) -> Iterator[Problem]:
    """Columns that are named twice, or that this kind of input does not have."""
    said: dict[str, str] = {}
    for part, mapping in (("columns", source.columns), ("set", source.constants)):
        for key in mapping:
            name, steps = table.named(key), (*place, part, key)
            other = said.setdefault(name or key, key)
            if part == "set" and other == key and key in source.columns:
                message = f"The column `{key}` is both read and set."
                cure = "Remove it from `columns` or from `set`."
                yield document.problem("both-chosen", message, steps, at="key", cure=cure)
            elif other != key:
                message = f"`{other}` and `{key}` are two names of one column, `{name}`."
                yield document.problem("both-chosen", message, steps, at="key", cure="Remove one of them.")
            if part == "set" and (key == DATE_FORMAT or (key == NUMBER_FORMAT and table.name != "usage")):
                if key == NUMBER_FORMAT and NumberForm.of(mapping[key]) is None:
                    message = f"`{mapping[key]}` does not show how the source writes 1234.56."
                    cure = 'Write that number in its way: "1.234,56", "1 234,56", "1,234.56" or "1234,56".'
                    yield document.problem("unknown-choice", message, steps, cure=cure)
            elif name is None:
                yield from _unknown_column(key, table, document, steps)


def _unknown_column(key: str, table: Table, document: Document, place: Steps) -> Iterator[Problem]:
    if table.name not in OPEN_TABLES:
        near = table.nearest(key, cutoff=0.5)
        hint = f"; did you mean `{near}`?" if near else "."
        message = f"`{key}` is no column of {table.name}{hint}"
        cure = f"Correct `{place[-2]}:`; `docs/inputs.md` lists the columns."
        yield document.problem("column-unknown", message, place, at="key", cure=cure)
    elif not key.startswith(_FREE) and (near := table.nearest(key, cutoff=0.85)):
        message = f"`{key}` is taken as a column of your own; `{near}` is the column of {table.name} nearest to it."
        cure = f"Write `{near}`, if that is meant."
        yield document.problem("column-unknown", message, place, at="key", cure=cure, severity="warning")


def _paths(settings: Settings, document: Document, folder: Path) -> Iterator[Problem]:
    written: list[tuple[Steps, str]] = [
        ((section, number, "path"), source.path)
        for section in _SECTIONS
        for number, source in enumerate(getattr(settings, section))
    ]
    if settings.prices.overrides:
        written.append((("prices", "overrides"), settings.prices.overrides))
    if settings.fx:
        written.append((("fx", "path"), settings.fx.path))
    if settings.gateway:
        written += [(("gateway", key), getattr(settings.gateway, key)) for key in ("log", "jobs")]
    for place, path in written:
        reason = refused(folder, path, settings.roots)
        if reason:
            shown = path if path.isprintable() else path.encode("unicode_escape").decode()
            cure = "Move the file into the project, or list its folder under `roots:`."
            message = f"The path `{shown}` leaves the project: {reason}."
            yield document.problem("path-outside-project", message, place, cure=cure)


def _dimensions(
    settings: Settings, document: Document, known: Collection[str], left_out: frozenset[str]
) -> Iterator[Problem]:
    for name, setting in settings.dimensions.items():
        place: Steps = ("dimensions", name)
        if is_reserved(name):
            message = f"`{name}` is a column of the product's own tables and cannot be a dimension too."
            cure = f"Choose another name, such as `our_{name.removesuffix('_via')}`."
            yield document.problem("reserved-name", message, place, at="key", cure=cure)
        if name in BUILT_IN:
            message = f"The dimension `{name}` is always there and is found by the product itself."
            yield document.problem("reserved-name", message, place, at="key", cure="Remove it.")
            continue
        if not setting.evidence and setting.default is None and name not in left_out:
            message = f"The dimension `{name}` has no evidence: every cost would be unallocated."
            cure = f"Write at least `[{{tag: {name}}}]`."
            yield document.problem("empty-value", message, place, at="key", cure=cure)
        yield from _aliases(name, settings, document)
        yield from _evidence(name, settings, document, known, left_out)
    edges = {name: settings.needs(name) for name in settings.dimensions if name not in BUILT_IN}
    edges = {name: tuple(n for n in needs if n in edges) for name, needs in edges.items()}
    for circle in circles(edges):
        message = f"Dimensions need each other in a circle: {' → '.join(circle)}."
        cure = "Let one of them use a tag or a column."
        needed = dict(settings.needs_with_places(circle[0]))
        yield document.problem("dimension-circle", message, needed[circle[1]], cure=cure)


def _aliases(name: str, settings: Settings, document: Document) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    aliases = settings.dimensions[name].aliases
    for right, wrongs in aliases.items():
        for number, wrong in enumerate(wrongs):
            place = ("dimensions", name, "aliases", right, number)
            if wrong in aliases or seen.get(wrong, right) != right:
                other = "a right value itself" if wrong in aliases else f"an alias of `{seen[wrong]}` too"
                message = f"`{wrong}` is an alias of `{right}` and {other}."
                cure = "Keep each misspelt value under one right one."
                yield document.problem("duplicate-alias", message, place, cure=cure)
            seen.setdefault(wrong, right)


def _evidence(
    name: str, settings: Settings, document: Document, known: Collection[str], left_out: frozenset[str]
) -> Iterator[Problem]:
    evidence = settings.dimensions[name].evidence
    for number, each in enumerate(evidence):
        place: Steps = ("dimensions", name, number)
        if isinstance(each, DefaultEvidence) and each.from_ is None and each.to is None:
            if number < len(evidence) - 1 or settings.dimensions[name].default is not None:
                message = f"What follows the default `{each.default}` is never reached."
                cure = "Move the default to the end."
                yield document.problem("unreachable-evidence", message, place, cure=cure, severity="warning")
        elif isinstance(each, ColumnEvidence) and not _is_known(each.column, known):
            yield _unknown_field(document, each.column, (*place, "column"), sorted(known))
        elif isinstance(each, VirtualTagEvidence):
            for key, value in each.virtual_tag.model_dump(exclude_none=True).items():
                column = next((f.column for f in each.fields if f.column == value), None)
                if column and not _is_known(column, known):
                    steps = (*place, "virtual_tag", key)
                    yield _unknown_field(document, column, steps, sorted(known))
        elif isinstance(each, LookupEvidence):
            yield from _lookup(
                each.lookup, settings, document, known=known, place=(*place, "lookup"), left_out=left_out
            )


def _lookup(
    lookup: Lookup,
    settings: Settings,
    document: Document,
    *,
    known: Collection[str],
    place: Steps,
    left_out: frozenset[str],
) -> Iterator[Problem]:
    lookups = [each.name for each in settings.directory if each.type != "codes"]
    if lookup.in_ not in {*lookups, *left_out}:
        message = f"There is no lookup or roster `{lookup.in_}` in `directory`."
        cure = meant(lookup.in_, lookups) or "Add it under `directory:`."
        yield document.problem("unknown-lookup", message, (*place, "in"), cure=cure)
    if not _is_known(lookup.key, known) and lookup.key not in {*settings.dimension_names, *left_out}:
        fields = sorted({*known, *settings.dimension_names})
        yield _unknown_field(document, lookup.key, (*place, "key"), fields)


def _is_known(field: str, known: Collection[str]) -> bool:
    # FOCUS reserves the prefix x_ for columns of a provider's own, which no list can know.
    return field in known or field.startswith(_FREE)


def _unknown_field(document: Document, field: str, place: Steps, known: Sequence[str], offset: int = 0) -> Problem:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field).lower()
    near = snake if snake in known else nearest(field, known)
    cure = f"Did you mean `{near}`? A tag is written `tags.{field}`." if near else ""
    cure = cure or f"A tag is written `tags.{field}`; `docs/inputs.md` lists the columns."
    if place[-1] in {"column", "key"} or "virtual_tag" in place:
        cure = f"Did you mean `{near}`?" if near else "`docs/inputs.md` lists the columns."
    message = f"`{field}` is neither a column nor a dimension."
    return document.problem("unknown-field", message, place, offset=offset, cure=cure)


def _conditions(
    settings: Settings, document: Document, known: Collection[str], left_out: frozenset[str]
) -> Iterator[Problem]:
    fields = {*known, *settings.dimension_names, "category", *left_out}
    for place, condition in _every_condition(settings):
        for name in sorted(condition.names):
            if name.kind == "field" and name.key not in fields and not name.key.startswith(_FREE):
                found = re.search(rf"(?<![\w.']){re.escape(name.key)}(?!\w)", condition.text)
                offset = found.start() if found else 0
                yield _unknown_field(document, name.key, place, sorted(fields), offset)


def _every_condition(settings: Settings) -> Iterator[tuple[Steps, Condition]]:
    for key, conditions in (("include", settings.scope.include), ("exclude", settings.scope.exclude)):
        yield from ((("scope", key, number), each) for number, each in enumerate(conditions))
    for number, category in enumerate(settings.categories):
        yield ("categories", number, "when"), category.when
    for name, setting in settings.dimensions.items():
        for number, evidence in enumerate(setting.evidence):
            if isinstance(evidence, ValueEvidence):
                yield ("dimensions", name, "evidence", number, "when"), evidence.when
    for number, rule in enumerate(settings.allocate):
        if rule.when:
            yield ("allocate", number, "when"), rule.when
        if isinstance(rule, ProportionalRule) and rule.where:
            yield ("allocate", number, "where"), rule.where


def _dates(settings: Settings, document: Document) -> Iterator[Problem]:
    dated: Iterable[tuple[Steps, object]] = [
        *((("categories", number), each) for number, each in enumerate(settings.categories)),
        *(
            (("dimensions", name, "evidence", number), each)
            for name, setting in settings.dimensions.items()
            for number, each in enumerate(setting.evidence)
        ),
        *((("allocate", number), each) for number, each in enumerate(settings.allocate)),
    ]
    for place, each in dated:
        first, last = getattr(each, "from_", None), getattr(each, "to", None)
        if first and last and first >= last:
            message = f"It holds from {first} to before {last}: never."
            cure = "`to` is the first day on which it no longer holds, after `from`."
            yield document.problem("dates-reversed", message, (*place, "to"), cure=cure)
