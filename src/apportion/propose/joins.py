"""Directories that know callers and that nobody asks yet: the first thing to connect, before anything is mined."""

from __future__ import annotations

from collections.abc import Iterator

from duckdb import DuckDBPyConnection

from apportion.config.approved import OwnerRule
from apportion.config.dimensions import LookupEvidence
from apportion.config.settings import Settings
from apportion.propose.calls import Fields
from apportion.propose.mining import Bar
from apportion.propose.proposal import Counted, Proposal, named
from apportion.propose.strength import lower_bound
from apportion.report.percentages import percent
from apportion.warehouse.steps import step_text

# A roster answers to several names of its people; one is enough.
_PERSON = "person"
_SAME_PERSON = ("user_id", "user")


def joins(con: DuckDBPyConnection, settings: Settings, fields: Fields, bar: Bar) -> Iterator[Proposal]:
    """Each directory that names an owner for calls without one, by what it knows.

    A directory is believed unless the calls that carry an owner contradict it.

    Args:
        con: Has `asked_calls` and `directory`.
        settings: The project's.
        fields: What a call says of itself.
        bar: What evidence must reach.
    """
    asked = [
        (lookup, on, take, place)
        for lookup, on, take in con.execute(
            "SELECT DISTINCT lookup, on_column, take_column FROM directory ORDER BY ALL"
        ).fetchall()
        if on not in _SAME_PERSON or not _has_person(con, lookup)
        for place, field in enumerate(fields.strong, start=1)
        if (lookup, field) not in _asked_already(settings)
    ]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE asked_joins (lookup VARCHAR, on_column VARCHAR, take_column VARCHAR, place INT)"
    )
    if not asked:
        return
    con.executemany("INSERT INTO asked_joins VALUES (?, ?, ?, ?)", asked)
    for lookup, on, take, place, untagged, _, tagged, agree, days in con.execute(
        step_text("joins.sql", "apportion.propose")
    ).fetchall():
        rule = OwnerRule("", "join", (fields.names[place - 1],), (), take, (), lookup, on)
        counted = Counted(tagged, days, (("agree", agree),), untagged=untagged)
        lower = lower_bound(agree, tagged)
        few = tagged < bar.calls
        contradicted = agree < bar.lower * tagged if few else lower < bar.lower
        why = f"{percent(agree, tagged, 1)} % of the tagged calls that it knows agree" if contradicted else ""
        yield Proposal(named(rule), counted, lower, why_not=why)


def _has_person(con: DuckDBPyConnection, lookup: str) -> bool:
    asked = "SELECT 1 FROM directory WHERE lookup = ? AND on_column = ? LIMIT 1"
    return con.execute(asked, [lookup, _PERSON]).fetchone() is not None


def _asked_already(settings: Settings) -> set[tuple[str, str]]:
    return {
        (item.lookup.in_, item.lookup.key)
        for item in settings.dimension(settings.owner).evidence
        if isinstance(item, LookupEvidence)
    }
