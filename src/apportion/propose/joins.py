"""Directories that know callers and that nobody asks yet: the first thing to connect, before anything is mined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from duckdb import DuckDBPyConnection

from apportion.config.approved import OwnerRule, strength
from apportion.config.dimensions import LookupEvidence
from apportion.config.settings import Settings
from apportion.propose.calls import Fields
from apportion.propose.mining import Bar
from apportion.propose.proposal import Counted, Proposal, named
from apportion.propose.strength import lower_bound
from apportion.report.percentages import percent
from apportion.warehouse.steps import step_text

_PACKAGE = "apportion.propose"
# A roster answers to several names of its people; one is enough.
_PERSON = "person"
_SAME_PERSON = ("user_id", "user")

_Join = tuple[str, str, str, int]


def joins(con: DuckDBPyConnection, settings: Settings, fields: Fields, bar: Bar) -> list[Proposal]:
    """Each directory that names an owner for calls without one, the strongest field first.

    A directory is believed unless the calls that have an owner contradict it; keys that they contradict are left out of
    it, such as one that a team registered and others use too.

    Args:
        con: Has `asked_calls` and `directory`.
        settings: The project's.
        fields: What a call says of itself.
        bar: What evidence must reach.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE asked_joins (lookup VARCHAR, on_column VARCHAR, take_column VARCHAR, place INT)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE left_out"
        " (lookup VARCHAR, on_column VARCHAR, take_column VARCHAR, place INT, key VARCHAR)"
    )
    if asked := _askable(con, settings, fields):
        con.executemany("INSERT INTO asked_joins VALUES (?, ?, ?, ?)", asked)
    contested = _contested(con, bar)
    if left_out := [(*join, key) for join, keys in contested.items() for key in keys]:
        con.executemany("INSERT INTO left_out VALUES (?, ?, ?, ?, ?)", left_out)
    found = []
    for lookup, on, take, place, unowned, _, owned, agree, days in con.execute(
        step_text("joins.sql", _PACKAGE)
    ).fetchall():
        but = tuple(contested.get((lookup, on, take, place), ()))
        rule = OwnerRule("", "join", (fields.names[place - 1],), owner=take, directory=lookup, on=on, but=but)
        counted = Counted(owned, days, (("agree", agree),), unowned=unowned)
        lower = lower_bound(agree, owned)
        few = owned < bar.calls
        contradicted = agree < bar.lower * owned if few else lower < bar.lower
        why = f"{percent(agree, owned, 1)} % of the owned calls that it knows agree" if contradicted else ""
        found.append(Proposal(named(rule), counted, lower, why_not=why))
    return sorted(found, key=lambda one: (strength(one.rule), -one.counted.unowned))


def _askable(con: DuckDBPyConnection, settings: Settings, fields: Fields) -> list[_Join]:
    known = con.execute("SELECT DISTINCT lookup, on_column, take_column FROM directory ORDER BY ALL").fetchall()
    with_people = {lookup for lookup, on, _ in known if on == _PERSON}
    asked_already = {
        (item.lookup.in_, item.lookup.key)
        for item in settings.dimension(settings.owner).evidence
        if isinstance(item, LookupEvidence)
    }
    return [
        (lookup, on, take, place)
        for lookup, on, take in known
        if on not in _SAME_PERSON or lookup not in with_people
        for place, field in enumerate(fields.strong, start=1)
        if (lookup, field) not in asked_already
    ]


def _contested(con: DuckDBPyConnection, bar: Bar) -> Mapping[_Join, Sequence[str]]:
    """Keys of a directory of which more calls than the bar allows say that they are somebody else's."""
    found: dict[_Join, list[str]] = defaultdict(list)
    for lookup, on, take, place, key, owned, agree, untagged, same in con.execute(
        step_text("contested.sql", _PACKAGE)
    ).fetchall():
        if lower_bound(owned - agree, owned) > 1 - bar.lower or same < bar.untagged * untagged:
            found[lookup, on, take, place].append(key)
    return found
