"""Dimensions with the evidence that is in the data: tags, columns, providers' own fields and look-ups that join."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from apportion.focus import TABLES, fold
from apportion.normalize.usage_columns import TEXTS
from apportion.setup.draft import Lens, Value
from apportion.setup.privacy import may_hold_text
from apportion.setup.sources import Source
from apportion.setup.study import Study, Values
from apportion.setup.words import OWNERS, USUAL, dimension_of, environment_map, is_label

# The provider whose own field each column is, as a virtual tag writes it.
_FIELDS = {"project": "openai", "workspace": "anthropic", "inference_profile": "bedrock", "deployment": "azure"}
_SPANS = frozenset({"valid_from", "valid_to", "last_day"})
_MOST_LENSES = 14
_SELDOM = 0.05
_MANY = 500
_HALF = 2
_ROUNDS = 6
_MEASURE = re.compile(
    r"\d{4}-\d\d-\d\d.*|[+-]?[\d.,]+|true|false|yes|no|n/a|none|null|included", re.IGNORECASE | re.ASCII
)

Says = Mapping[str, Value]


@dataclass(frozen=True)
class Candidate:
    """A dimension that could be the one that is charged.

    Attributes:
        name: Of the dimension.
        share: On how much of the calls or charges it stands itself, 0 to 1.
        known: Whether a roster, look-up or meter names it as well.
        where: For people.
    """

    name: str
    share: float
    known: bool
    where: str


@dataclass
class _Growing:
    """A dimension while its evidence is gathered."""

    tags: list[str] = field(default_factory=list)
    share: float = 0
    why: str = ""
    fields: list[tuple[Says, str]] = field(default_factory=list)
    lookups: list[tuple[Says, str]] = field(default_factory=list)
    values: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)

    @property
    def there(self) -> bool:
        return bool(self.tags or self.fields or self.lookups)


def candidates(study: Study, sources: Sequence[Source]) -> list[Candidate]:
    """The dimensions that could be the owner, the best first."""
    found = _tagged(study)
    known = {dimension_of(key) for key in study.meter_tags}
    known |= {dimension_of(name) for source in sources for name in _takes(source, study)}
    out = [
        Candidate(name, found[name].share if name in found else 0.0, name in known, _where(name, found, known))
        for name in OWNERS
        if name in known or (name in found and found[name].share > 0)
    ]
    return sorted(out, key=lambda each: (-each.share - (0.5 if each.known else 0), OWNERS.index(each.name)))


def lenses(study: Study, sources: Sequence[Source], owner: str) -> tuple[tuple[Lens, ...], tuple[str, ...]]:
    """The dimensions, the owner first, and the tags that became none.

    Args:
        study: What was seen.
        sources: What is read.
        owner: The dimension that is charged.
    """
    every = _tagged(study)
    found = {
        name: growing for name, growing in every.items() if name == owner or name in USUAL or _tells_apart(growing)
    }
    found.setdefault(owner, _Growing())
    _people(found, study)
    _own_columns(found, study, sources)
    for _ in range(_ROUNDS):
        # A key of a machine says more than the person who happened to use it.
        directories = [source for table in ("lookup", "roster") for source in _of(sources, table)]
        if sum(_join(found, source, study) for source in directories) == 0:
            break
    _own_fields(found, study, owner)
    order = sorted(
        (name for name in found if found[name].there and name != owner),
        key=lambda name: (name not in USUAL, -found[name].share, name),
    )
    kept = [owner, *sorted(_closed([owner, *order[:_MOST_LENSES]], found) - {owner})]
    spare = [f"{growing.tags[0]} ({growing.why})" for name, growing in sorted(every.items()) if name not in kept]
    return tuple(_lens(name, found[name], owner) for name in kept), tuple(spare[:20])


def _tells_apart(growing: _Growing) -> bool:
    """Whether a tag is common, and says more than one thing: the kind of a record is the same on all of them."""
    return growing.share >= _SELDOM and len(growing.values) > 1


def _closed(names: Iterable[str], found: Mapping[str, _Growing]) -> set[str]:
    """The names with every dimension that their look-ups read."""
    out: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found and name not in out:
            out.add(name)
            todo += found[name].needs
    return out


def _tagged(study: Study) -> dict[str, _Growing]:
    """Dimensions by the tags that stand for them, the commonest key of each first."""
    shares: dict[str, list[tuple[float, str, Values]]] = {}
    for key in sorted({*study.tags, *study.meter_tags}):
        values = study.tags.get(key, Values())
        name = dimension_of(key)
        texts = [*values.calls, *values.charges]
        if name is None or may_hold_text(key, texts[:200]) or _tells_rows_apart(values):
            continue
        if name not in USUAL and (not texts or all(_is_measure(text) for text in texts)):
            continue
        shares.setdefault(name, []).append((_share(values, study), key, values))
    found = {}
    for name, rows in shares.items():
        rows.sort(key=lambda row: (-row[0], row[1]))
        seen = {text for _, _, values in rows for text in (*values.calls, *values.charges)}
        found[name] = _Growing(
            [key for _, key, _ in rows], max(share for share, _, _ in rows), _often(rows[0][2], study), values=seen
        )
    return found


def _is_measure(text: str) -> bool:
    """Whether a value counts, dates or answers yes or no, and so groups nothing that costs."""
    return bool(_MEASURE.fullmatch(text.strip()))


def _tells_rows_apart(values: Values) -> bool:
    """Whether nearly every row has a value of its own, as an id has."""
    rows = sum(values.calls.values()) + sum(values.charges.values())
    return len({*values.calls, *values.charges}) > max(_MANY, rows // _HALF)


def _share(values: Values, study: Study) -> float:
    calls = sum(values.calls.values()) / study.calls if study.calls else 0.0
    charges = sum(values.charges.values()) / study.charges if study.charges else 0.0
    return max(calls, charges)


def _often(values: Values, study: Study) -> str:
    said = []
    if values.calls:
        said.append(f"on {_percent(sum(values.calls.values()), study.calls)} of calls")
    if values.charges:
        said.append(f"on {_percent(sum(values.charges.values()), study.charges)} of AI charges")
    return " and ".join(said) or "on meters"


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "0 %"
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10} %" if part else "0 %"


def _where(name: str, found: Mapping[str, _Growing], known: Iterable[str | None]) -> str:
    said = [found[name].why] if name in found and found[name].share else []
    return ", ".join([*said, *(["in a directory or meter"] if name in known else [])])


def _people(found: dict[str, _Growing], study: Study) -> None:
    """The dimension of who called, where calls say it."""
    callers = study.columns.get("user_id", Values()).calls
    if callers:
        user = found.setdefault("user", _Growing())
        user.fields.append(({"column": "user_id"}, f"on {_percent(sum(callers.values()), study.calls)} of calls"))
        user.values |= set(callers)


def _own_columns(found: dict[str, _Growing], study: Study, sources: Sequence[Source]) -> None:
    """Columns of a bill that its source names for a dimension, as an export has one for each tag."""
    for source in sources:
        for name in source.seen.columns if source.table == "charges" else ():
            meant = dimension_of(name) if name.startswith("x_") else None
            values = study.columns.get(name, Values()).charges
            if (
                meant
                and values
                and not any(says == {"column": name} for says, _ in found.get(meant, _Growing()).fields)
            ):
                growing = found.setdefault(meant, _Growing())
                growing.fields.append(({"column": name}, _often(study.columns[name], study)))
                growing.values |= set(values)


def _takes(source: Source, study: Study) -> list[str]:
    """The columns of a directory that can be an answer: what groups its rows."""
    if source.table not in {"lookup", "roster"}:
        return []
    rows = study.directory.get(source.name, ())
    names = list(dict.fromkeys(name for row in rows for name in row))
    key = _key(source, names)
    out = []
    for name in names:
        values = [row[name] for row in rows if row.get(name)]
        if name == key or is_label(name) or fold(name) in map(fold, _SPANS) or may_hold_text(name, values[:200]):
            continue
        if values and len(set(values)) <= _MANY:
            out.append(name)
    return out


def _key(source: Source, names: Sequence[str]) -> str:
    if source.table == "roster":
        return "person"
    first = source.sample.header[0]
    return next((name for name in names if fold(name) == fold(first)), first)


def _of(sources: Sequence[Source], table: str) -> list[Source]:
    return [source for source in sources if source.table == table]


def _join(found: dict[str, _Growing], source: Source, study: Study) -> bool:
    """Add what a directory answers, where its keys are really asked for; whether anything was added."""
    rows = study.directory.get(source.name, ())
    key = _key(source, list(dict.fromkeys(name for row in rows for name in row)))
    asked = _asked(key, {row[key] for row in rows if row.get(key)}, found, study)
    if asked is None:
        return False
    by, hits = asked
    added = False
    for take in _takes(source, study):
        name = dimension_of(take)
        if name is None or name == by or (name in found and any(_is(says, source) for says, _ in found[name].lookups)):
            continue
        if by in found and _reads(by, name, found):
            continue
        growing = found.setdefault(name, _Growing())
        lookup: dict[str, Value] = {"key": by, "in": source.name, "take": take}
        if fold(by) != fold(key) and source.table != "roster":
            lookup["on"] = key
        growing.lookups.append(({"lookup": lookup}, f"{hits:,} of its keys occur"))
        growing.values |= {row[take] for row in rows if row.get(take)}
        growing.needs |= {by} & set(found)
        added = True
    return added


def _is(says: Says, source: Source) -> bool:
    lookup = says["lookup"]
    return isinstance(lookup, Mapping) and lookup["in"] == source.name


def _asked(key: str, keys: set[str], found: Mapping[str, _Growing], study: Study) -> tuple[str, int] | None:
    """The column or dimension that a directory's key is the value of, and how many of its keys occur."""
    if key == "person":
        callers = found["user"].values if "user" in found else set()
        return ("user", len(keys & callers)) if keys & callers else None
    column = TABLES["usage"].named(key)
    if column is not None and column in TEXTS and (hits := keys & set(study.columns.get(column, Values()).calls)):
        return column, len(hits)
    name = dimension_of(key)
    if name is not None and name in found and found[name].there and (hits := keys & found[name].values):
        return name, len(hits)
    return None


def _reads(name: str, other: str, found: Mapping[str, _Growing]) -> bool:
    """Whether a dimension's look-ups lead to another one, at any distance."""
    return other in _closed([name], found)


def _own_fields(found: dict[str, _Growing], study: Study, owner: str) -> None:
    """Providers' own fields: the owner's where their values are owners, a dimension of their own where not."""
    known = found[owner].values
    virtual: dict[str, Value] = {}
    for column, provider in _FIELDS.items():
        values = set(study.columns.get(column, Values()).calls)
        if not values:
            continue
        if len(values & known) * _HALF >= len(values):
            virtual[provider] = column
        elif not found[owner].there:
            found[owner].fields.append(({"column": column}, "nothing else in the data names an owner"))
            found[owner].values |= values
        elif column not in found:
            calls = sum(study.columns[column].calls.values())
            found[column] = _Growing(fields=[({"column": column}, f"on {_percent(calls, study.calls)} of calls")])
    if virtual:
        found[owner].fields.append(({"virtual_tag": virtual}, "each provider's own field, whose values are owners"))
    accounts = study.columns.get("sub_account_name", Values()).charges
    if not found[owner].there and accounts:
        said = "nothing else names an owner; the account of a charge does until tags arrive"
        found[owner].fields.append(({"column": "sub_account_name"}, said))


def _lens(name: str, growing: _Growing, owner: str) -> Lens:
    evidence: list[tuple[Says, str]] = []
    if growing.tags or not growing.there:
        tags = growing.tags or [owner]
        says: dict[str, Value] = {"tag": tags[0]}
        if tags[1:]:
            says["also"] = tuple(tags[1:6])
        if name == "environment" and (same := environment_map(growing.values)):
            says["map"] = same
        why = growing.why if growing.tags else "nothing in the data names an owner yet: send this tag with each call"
        evidence.append((says, why))
    return Lens(name, (*evidence, *growing.fields, *growing.lookups))
