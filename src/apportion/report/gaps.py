"""Gaps: what nobody owns, by money, each with the cheapest thing that would give it an owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection
from sqlglot import exp

from apportion.config.dimensions import ColumnEvidence, LookupEvidence, TagEvidence
from apportion.config.settings import Settings
from apportion.money import split
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import cents
from apportion.report.context import PERSON_DIMENSION, UNALLOCATED, Context, shown_value
from apportion.report.percentages import percent
from apportion.report.table import Column, Row, Table
from apportion.report.weights import LIST_COSTS

_OF_CALLS = frozenset({*LIST_COSTS, "tokens", "requests"})
_FOLLOWS = {"credit": "credits", "tax": "tax", "correction": "corrections"}
_MOST_OWNERS = 3
_MOVED = "none needed: a rule has moved it"
_WITH_ITS_COST = "follows the cost that it belongs to"
# Cures that nobody has to do anything for.
NOT_NEEDED = frozenset({_MOVED, _WITH_ITS_COST})


@dataclass(frozen=True)
class Way:
    """One thing of a call that could name its owner.

    Attributes:
        column: Of the cells.
        words: For people: `api_key_id`.
        file: The directory that translates it; empty for a tag.
    """

    column: str
    words: str
    file: str = ""


@dataclass(frozen=True)
class _Gap:
    words: str
    calls: int | None
    minor: int
    cure: str


def ways_in(settings: Settings) -> list[Way]:
    """The look-ups and columns of the owner's evidence, in the order in which they are tried."""
    files = {source.name: source.path for source in settings.directory}
    found = []
    for evidence in settings.dimension(settings.owner).evidence:
        if isinstance(evidence, LookupEvidence):
            key = evidence.lookup.key
            column = key if settings.is_dimension(key) else f"raw_{key}"
            found.append(Way(column, key, files.get(evidence.lookup.in_, "")))
        elif isinstance(evidence, ColumnEvidence):
            found.append(Way(f"raw_{evidence.column}", evidence.column))
    return found


def tag_in(settings: Settings) -> str:
    """The tag that names an owner, as the project reads it first."""
    for evidence in settings.dimension(settings.owner).evidence:
        if isinstance(evidence, TagEvidence):
            return evidence.tag
    return settings.owner


def gaps(con: DuckDBPyConnection, context: Context, period: Period, ways: Sequence[Way], tag: str) -> Table:
    """What is unallocated, the dearest first, and the coverage once it and all above it were cured.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        ways: What of a call could name its owner, in the order of the project.
        tag: The tag that names one.

    Returns:
        A table named `gaps` whose amounts add up to what is unallocated in the statements.
    """
    known = {row[0] for row in con.execute("SELECT column_name FROM (DESCRIBE usage_cells)").fetchall()}
    finder = _Finder(con, context, period, [way for way in ways if way.column in known], tag)
    merged: dict[tuple[str, str], tuple[int | None, int]] = {}
    for gap in finder.find():
        calls, minor = merged.get((gap.words, gap.cure), (None, 0))
        both = gap.calls if calls is None else calls + (gap.calls or 0)
        merged[gap.words, gap.cure] = (both, minor + gap.minor)
    order = sorted(merged, key=lambda key: (-abs(merged[key][1]), key))
    posted = cents(con, context, period)
    owned = sum(posted.by_layer.get(layer, 0) for layer in ("direct", "rule"))
    rows: list[Row] = []
    for words, cure in order:
        calls, minor = merged[words, cure]
        # What a rule moves has its owner in the shared layer, and no cure would be felt there.
        owned += 0 if cure == _MOVED else minor
        rows.append((words, calls if calls is not None else "", minor, cure, percent(owned, posted.total)))
    return Table(
        name="gaps",
        title=f"What nobody owns, and what would name an owner, {period.title}, {context.currency}",
        columns=(
            Column("gap", "Gap"),
            Column("calls", "Calls", "integer"),
            Column("amount", "Amount", "money"),
            Column("cure", "Cheapest cure"),
            Column("attributed_percent", "dir.+rule after", "percent"),
        ),
        rows=tuple(rows),
        total=("Unallocated", "", sum(minor for _, minor in merged.values()), "", ""),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


class _Finder:
    """Takes the unallocated part of each pool apart by what its calls say."""

    def __init__(
        self, con: DuckDBPyConnection, context: Context, period: Period, ways: Sequence[Way], tag: str
    ) -> None:
        self._con = con
        self._context = context
        self._period = period
        self._ways = ways
        self._tag = tag
        self._names = queries.cut_by_columns(context, context.owner)
        self._days = {"start": period.start, "end": period.end}
        self._owners: dict[tuple[int, str], list[tuple[str, int]]] = {}

    def find(self) -> list[_Gap]:
        found: list[_Gap] = []
        rows = self._con.execute(
            """SELECT p.rule, p.item, p.kind, p.category, p.basis, p.method, p.provider, p.billing_account_id, p.model,
              p.moved, SUM(c.amount_minor)
            FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id AND p.period = $period
            WHERE c.owner = $owner GROUP BY ALL HAVING SUM(c.amount_minor) <> 0 ORDER BY ALL""",
            {"period": str(self._period), "owner": UNALLOCATED},
        ).fetchall()
        for rule, item, kind, category, basis, method, provider, account, model, moved, minor in rows:
            name = f"{rule}: {str(item or '').strip('/')}".removesuffix(": ")
            calls = self._calls(category, provider, account, model) if basis in _OF_CALLS else []
            weights = [tokens if basis == "tokens" else picos for _, _, picos, tokens in calls]
            if moved:
                found.append(_Gap(name, None, int(minor), _MOVED))
            elif kind in _FOLLOWS:
                found.append(_Gap(_FOLLOWS[kind], None, int(minor), _WITH_ITS_COST))
            elif sum(weights) > 0:
                parts = split(int(minor), weights)
                found += [
                    self._gap(said, count, part)
                    for (said, count, _, _), part in zip(calls, parts, strict=True)
                    if part or count
                ]
            else:
                found.append(_Gap(name, None, int(minor), self._of_a_charge(method, basis)))
        return found

    def _calls(self, category: str, provider: str, account: str, model: str) -> list[tuple[list[str], int, int, int]]:
        columns = [
            exp.cast(exp.column(exp.to_identifier(way.column, quoted=True), table="a"), "VARCHAR") for way in self._ways
        ]
        asked = {
            **self._days,
            "training": category == "training",
            "provider": provider or "",
            "account": account or "",
            "model": model or "",
        }
        names = {**self._names, "known": exp.array(*columns) if columns else exp.array(exp.Literal.string(""))}
        return [
            ([_filled(text) for text in known], int(calls), int(picos), int(tokens))
            for known, calls, picos, tokens in queries.run(self._con, "gap_calls", asked, names)
        ]

    def _gap(self, said: Sequence[str], calls: int, minor: int) -> _Gap:
        at = next((place for place, text in enumerate(said[: len(self._ways)]) if text), None)
        if at is None:
            words = f"calls that name no {self._context.owner.replace('_', ' ')}"
            more = "" if self._ways else ", or look it up by key or user"
            return _Gap(words, calls, minor, f"send the tag `{self._tag}` with the call{more}")
        way, value = self._ways[at], said[at]
        shown = shown_value(self._context, PERSON_DIMENSION, value) if way.column == PERSON_DIMENSION else value
        words = f"calls with {way.words} {shown}"
        owners = self._owners_of(at, value)
        if len(owners) > 1:
            listed = ", ".join(owner for owner, _ in owners[:_MOST_OWNERS])
            more = f" and {len(owners) - _MOST_OWNERS} more" if len(owners) > _MOST_OWNERS else ""
            cure = f"a key of its own for each of {listed}{more}, or the tag `{self._tag}`"
            return _Gap(words, calls, minor, cure)
        place = f"in {way.file}" if way.file else "in the directory"
        if owners:
            owner, agree = owners[0]
            return _Gap(words, calls, minor, f"a row for it {place}: its {agree:,} calls with a name all say {owner}")
        return _Gap(words, calls, minor, f"a row for it {place}")

    def _owners_of(self, at: int, value: str) -> list[tuple[str, int]]:
        """Whose the other calls with the same value are, the most first."""
        if (at, value) not in self._owners:
            column = exp.column(exp.to_identifier(self._ways[at].column, quoted=True), table="a")
            found: dict[str, int] = defaultdict(int)
            names = {**self._names, "known": column}
            for _, owner, calls in queries.run(self._con, "gap_owners", {**self._days, "values": [value]}, names):
                found[owner] += int(calls)
            self._owners[at, value] = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        return self._owners[at, value]

    def _of_a_charge(self, method: str, basis: str | None) -> str:
        if method == "proportional":
            return f"name the owner of each row of {basis}"
        if method == "seats":
            people = next((way.file for way in self._ways if way.column == PERSON_DIMENSION and way.file), "the roster")
            return f"a row in {people} for each holder, and `idle:` for seats that nobody holds"
        if method == "direct":
            return f"the tag `{self._tag}` on the charge, or usage of its provider"
        if method == "none":
            return "a rule in `allocate:` that matches it"
        return "weights for its rule, or a fallback"


def _filled(text: str | None) -> str:
    return "" if text is None or text == UNALLOCATED else str(text)
