"""S07: headcount that changes in mid-month."""

from __future__ import annotations

from decimal import Decimal

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project

DAYS = {"xray": 300, "yankee": 195, "zulu": 300}
WEIGHTED = {"xray": "2264.15", "yankee": "1471.70", "zulu": "2264.15"}


def weights(project: Project) -> dict[str, int]:
    return {str(claim["owner"]): int(str(claim["weight"])) for claim in project.claims(pool=project.pool())}


def test_day_weighted(scenario: Opened) -> None:
    project = scenario("s07/day_weighted")
    assert project.owed() == WEIGHTED
    assert project.statement().all_total("total") == "6000.00"


def test_the_person_days_are_listed(scenario: Opened) -> None:
    project = scenario("s07/day_weighted")
    assert weights(project) == DAYS
    assert project.pool()["basis"] == "person-days"


def test_a_statement_names_the_policy_and_the_person_days(scenario: Opened) -> None:
    for team, days in DAYS.items():
        (pool,) = scenario("s07/day_weighted").detail(team, "shared").rows
        assert pool["method"] == "headcount by person-days"
        assert (pool["yours"], pool["of_all"]) == (str(days), "795")


def test_month_end(scenario: Opened) -> None:
    project = scenario("s07/month_end")
    assert project.owed() == {"xray": "2222.22", "yankee": "1777.78", "zulu": "2000.00"}
    assert weights(project) == {"xray": 10, "yankee": 8, "zulu": 9}


def test_heads_at_the_end_of_the_month_are_no_person_days(scenario: Opened) -> None:
    (pool,) = scenario("s07/month_end").detail("yankee", "shared").rows
    assert "month end" in str(pool["method"]).replace("-", " ").replace("_", " ")
    assert (pool["yours"], pool["of_all"]) == ("8", "27")


def test_who_comes_after_the_month_does_not_count(fresh: Opened) -> None:
    project = fresh("s07/day_weighted")
    people = project.folder / "directory/people.csv"
    later = "x11,xray,2026-12-01,\nx12,xray,2026-12-01,\n"
    people.write_text(people.read_text(encoding="utf-8") + later, encoding="utf-8")
    assert project.owed() == WEIGHTED


def test_a_move_dated_back_inside_the_month_counts(fresh: Opened) -> None:
    project = fresh("s07/day_weighted")
    assert project.owed() == WEIGHTED
    project.edit("directory/people.csv", "y06,yankee,2026-11-16,", "y06,yankee,2026-11-01,")
    # 15 person-days more for yankee: 300, 210 and 300 of 810.
    assert project.owed() == {"xray": "2222.22", "yankee": "1555.56", "zulu": "2222.22"}


def test_the_day_of_leaving_does_not_count(fresh: Opened) -> None:
    project = fresh("s07/day_weighted")
    # The first day that no longer counts, in place of the last one that does: the same three people.
    people = project.folder / "directory/people.csv"
    text = people.read_text(encoding="utf-8")
    people.write_text(text.replace("last_day", "valid_to").replace("2026-11-10", "2026-11-11"), encoding="utf-8")
    assert project.owed() == WEIGHTED
    assert sum(project.divided(project.pool()).values()) == Decimal("6000.00")
