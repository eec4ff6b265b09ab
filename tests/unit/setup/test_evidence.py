"""Dimensions come from tags, columns and look-ups that occur; whoever is charged is the likeliest of them."""

from __future__ import annotations

from apportion.setup.evidence import candidates, lenses
from apportion.setup.sources import Source, group
from apportion.setup.study import Study, Values
from tests.unit.setup.folder import item

TEAMS = {"search": 60, "growth": 20}


def directory(name: str, table: str, header: tuple[str, ...]) -> Source:
    return group([item(f"{name}.csv", table, header)], [f"{name}.csv"])[0]


def said(study: Study, *sources: Source, owner: str = "team") -> dict[str, list[object]]:
    return {lens.name: [dict(says) for says, _ in lens.evidence] for lens in lenses(study, sources, owner)[0]}


def test_tags_become_dimensions_and_spellings_one() -> None:
    tags = {"team": Values(TEAMS), "Team": Values({"search": 5}), "env": Values({"prod": 9, "prd": 9})}
    found = said(Study(calls=100, tags=tags))
    assert found["team"] == [{"tag": "team", "also": ("Team",)}]
    assert found["environment"] == [{"tag": "env", "map": {"prd": "production", "prod": "production"}}]
    assert next(iter(found)) == "team"


def test_what_counts_dates_or_tells_rows_apart_is_no_dimension() -> None:
    tags = {
        "size": Values({"1": 50, "2.5": 50}),
        "ended": Values({"2026-11-01T00:00:00Z": 100}),
        "session": Values({f"s{n}": 1 for n in range(900)}),
        "note": Values({"please write me a poem about the spring": 100}),
        "seldom": Values({"a": 1}),
    }
    found, spare = lenses(Study(calls=1000, tags=tags), [], "team")
    assert [lens.name for lens in found] == ["team"]
    assert spare == ("seldom (on 0.1 % of calls)",)


def test_look_ups_join_by_what_occurs_and_in_chains() -> None:
    study = Study(
        calls=100,
        columns={"api_key_id": Values({"k-1": 100}), "user_id": Values({"u-1": 10})},
        directory={
            "keys": [{"api_key_id": "k-1", "team": "search", "name": "a"}],
            "teams": [{"team": "search", "cost_center": "CC-1"}],
            "people": [{"person": "u-1", "team": "search", "email": "x"}],
            "regions": [{"region_id": "x", "area": "y"}],
        },
    )
    found = said(
        study,
        directory("keys", "lookup", ("api_key_id", "team", "name")),
        directory("people", "roster", ("person", "team", "email")),
        directory("regions", "lookup", ("region_id", "area")),
        directory("teams", "lookup", ("team", "cost_center")),
    )
    assert found["team"] == [
        {"lookup": {"key": "api_key_id", "in": "keys", "take": "team"}},
        {"lookup": {"key": "user", "in": "people", "take": "team"}},
    ]
    assert found["cost_center"] == [{"lookup": {"key": "team", "in": "teams", "take": "cost_center"}}]
    assert "area" not in found
    assert "name" not in found


def test_look_ups_never_make_a_circle() -> None:
    study = Study(
        calls=10,
        tags={"team": Values({"a": 9}), "project": Values({"p": 9})},
        directory={"one": [{"team": "a", "project": "p"}], "two": [{"project": "p", "team": "a"}]},
    )
    found = said(
        study, directory("one", "lookup", ("team", "project")), directory("two", "lookup", ("project", "team"))
    )
    assert sum("lookup" in str(each) for name in ("team", "project") for each in found[name]) == 1


def test_a_providers_own_field_names_the_owner_only_where_its_values_are_owners() -> None:
    tags = {"team": Values(TEAMS)}
    fits = Study(calls=100, tags=tags, columns={"project": Values({"search": 50})})
    assert {"virtual_tag": {"openai": "project"}} in said(fits)["team"]
    other = Study(calls=100, tags=tags, columns={"project": Values({"proj_1": 50})})
    assert said(other)["project"] == [{"column": "project"}]
    alone = Study(calls=100, columns={"project": Values({"proj_1": 50})})
    assert said(alone)["team"] == [{"column": "project"}]


def test_without_any_evidence_the_tag_to_send_stands_there() -> None:
    assert said(Study()) == {"team": [{"tag": "team"}]}


def test_candidates_are_ranked_by_how_much_they_name() -> None:
    tags = {"team": Values({"a": 10}), "business_unit": Values({"b": 90})}
    assert [each.name for each in candidates(Study(calls=100, tags=tags), [])] == ["business_unit", "team"]
    known = Study(calls=100, tags=tags, meter_tags=frozenset({"team"}))
    assert [each.name for each in candidates(known, [])] == ["business_unit", "team"]
    assert candidates(Study(), []) == []
