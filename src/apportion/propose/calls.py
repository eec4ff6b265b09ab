"""The calls of a period as the search sees them: what each says of itself, and whether it has an owner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.attribute.dimensions import vias_of, ways
from apportion.config.approved import STRONGEST
from apportion.config.dimensions import BUILT_IN, ApprovedKeys, ColumnEvidence, LookupEvidence
from apportion.config.settings import Settings
from apportion.period import Period
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

# Columns of a call that say where it comes from; the fold keeps them for the search.
IDENTITY = tuple(name for name in STRONGEST if name != "user")
_PEOPLE = ("user_id", "user")
# What only narrows another field: a team does not own a model.
NARROWING = ("model", "provider")
_NOT_OF_A_CALLER = frozenset({"called_at", "call_id"})


@dataclass(frozen=True)
class Fields:
    """What of a call could say whose it is.

    Attributes:
        columns: The column of the cells for each field, by its name in a rule, the strongest first.
        narrowing: How many at the end only narrow another one.
        people: The columns that name the caller.
    """

    columns: dict[str, str]
    narrowing: int
    people: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The fields, in order."""
        return list(self.columns)

    @property
    def strong(self) -> list[str]:
        """The fields that may stand alone."""
        return self.names[: len(self.columns) - self.narrowing]


def fields_of(settings: Settings, cells: Collection[str]) -> Fields:
    """The fields that a project's cells have, without those that follow from the owner.

    Args:
        settings: The project's.
        cells: The columns of `usage_cells`.
    """
    own = {item.column for item in settings.dimension(settings.owner).evidence if isinstance(item, ColumnEvidence)}
    found: dict[str, str] = {}
    for column in sorted(c for c in cells if c.startswith("raw_")):
        name = column.removeprefix("raw_")
        if name not in own | _NOT_OF_A_CALLER and not settings.is_dimension(name):
            found[name] = column
    follows = _followers(settings)
    for name in settings.dimension_names:
        if name not in {*BUILT_IN, *follows, *found} and name in cells and settings.is_dimension(name):
            found[name] = name
    order = {name: place for place, name in enumerate(STRONGEST)}
    strong = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    people = tuple(found[name] for name in _PEOPLE if name in found)
    columns = {name: found[name] for name in strong} | {name: name for name in NARROWING if name in cells}
    return Fields(columns, len(columns) - len(strong), people)


def prepare(con: DuckDBPyConnection, settings: Settings, period: Period, fields: Fields) -> None:
    """Make `asked_calls`: the calls of a period with what they say of themselves and whose they are.

    Its `state` is `known` where evidence names an owner, `approved` where only an approved key does, and `unknown`
    where nothing does; what only a default owns counts as neither. `unowned` stays true whatever is proposed,
    and `untagged` says that at best a directory knows the owner: those calls tell whose the ones are that nobody knows.
    """
    owner, via = quoted(settings.owner), quoted(f"{settings.owner}_via")
    default = [str(w.via) for w in ways(settings) if w.dimension == settings.owner and w.layer == "default"]
    said = ", ".join(_filled(column) for column in fields.columns.values())
    person = ", ".join(_filled(column) for column in fields.people) or "NULL"
    state = (
        f"CASE WHEN {owner} = 'unallocated' THEN 'unknown'"
        f" WHEN {via} IN ({_listed(vias_of(settings, ApprovedKeys))}) THEN 'approved'"
        f" WHEN {via} IN ({_listed(default)}) THEN 'default' ELSE 'known' END"
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE asked_calls AS
        SELECT ROW_NUMBER() OVER () AS call_no, * FROM (
          SELECT day, provider, COALESCE(billing_account_id, '') AS account, COALESCE(model_key, '') AS model_key,
            COALESCE(training, FALSE) AS training, {owner} AS owner, {state} AS state,
            {owner} = 'unallocated' AS unowned,
            {owner} = 'unallocated' OR {via} IN ({_listed(vias_of(settings, LookupEvidence))}) AS untagged,
            COALESCE({person}, '') AS person, [{said}]::VARCHAR[] AS said, 0 AS rule_no,
            SUM(calls)::BIGINT AS calls, SUM(COALESCE(list_cost_picos, 0))::HUGEINT AS picos,
            SUM(tokens)::HUGEINT AS tokens
          FROM usage_cells
          WHERE day >= DATE {literal(str(period.start))} AND day < DATE {literal(str(period.end))}
          GROUP BY ALL ORDER BY ALL)"""
    )


def _filled(column: str) -> str:
    text = f"CAST({quoted(column)} AS VARCHAR)"
    return f"NULLIF(NULLIF({text}, ''), 'unallocated')"


def _listed(numbers: Sequence[object]) -> str:
    return ", ".join(str(number) for number in numbers) or "NULL"


def _followers(settings: Settings) -> set[str]:
    """The owner dimension, and those whose evidence reads it, at any distance."""
    found = {settings.owner}
    for name in settings.dimension_order():
        if found & set(settings.needs(name)):
            found.add(name)
    return found
