"""Rosters, look-ups and cost centres hold for days; a key that two rows claim is a problem."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.unit.normalize.tables import connect, item, reasons, rows, run, slugs

ALWAYS, EVER = date(1, 1, 1), date(9999, 12, 31)


def test_a_roster_has_open_ends_and_last_days(tmp_path: Path) -> None:
    con = connect()
    text = "email,department,joined,last_day,cost_center\nann,search,2026-01-01,2026-11-15,c1\nbob,ads,,,\n"
    done = run(con, [item(tmp_path, "roster", "people.csv", text, "people")])
    assert done.problems == ()
    assert rows(con, "SELECT * FROM roster_rows ORDER BY source_row") == [
        (
            "people",
            "ann",
            "search",
            date(2026, 1, 1),
            date(2026, 11, 16),
            {"cost_center": "c1"},
            "people.csv",
            2,
        ),
        ("people", "bob", "ads", ALWAYS, EVER, {}, "people.csv", 3),
    ]


def test_a_roster_is_a_look_up_on_the_person(tmp_path: Path) -> None:
    con = connect()
    run(con, [item(tmp_path, "roster", "people.csv", "user,team,cost_center\nann,search,c1\n", "people")])
    found = rows(con, "SELECT on_column, key, take_column, value FROM directory_values ORDER BY ALL")
    assert ("user", "ann", "team", "search") in found
    assert ("person", "ann", "cost_center", "c1") in found
    assert len(found) == len(set(found)) == 6


def test_a_person_in_two_teams_on_one_day_is_a_problem_with_both_rows(tmp_path: Path) -> None:
    con = connect()
    text = (
        "person,team,valid_from,valid_to\nann,search,2026-01-01,2026-11-16\n"
        "ann,ads,2026-11-15,\nann,x,2025-01-01,2026-01-01\n"
    )
    (problem,) = run(con, [item(tmp_path, "roster", "people.csv", text, "people")]).problems
    assert problem.slug == "overlapping-rows"
    assert problem.stops
    assert str(problem.place) == "people.csv: row 3"
    assert "row 3 (from 2026-11-15 until further notice) and in row 2" in problem.message


def test_rows_of_a_roster_that_cannot_be_read(tmp_path: Path) -> None:
    con = connect()
    text = "person,team,from,to\n,search,,\nann,,,\nbob,ads,2026-13-01,\ncat,ads,2026-05-01,2026-05-01\n"
    done = run(con, [item(tmp_path, "roster", "people.csv", text, "people")])
    assert reasons(con) == {2: "key-missing", 3: "key-missing", 4: "date-unreadable", 5: "period-reversed"}
    assert done.control[0].rows_in == done.control[0].rows_quarantined == 4


def test_a_look_up_in_long_form(tmp_path: Path) -> None:
    con = connect()
    text = "api_key_id,team,owner,valid_from\nk1,search,,2026-11-01\nk1,ads,ann,2026-10-01\n"
    done = run(con, [item(tmp_path, "lookup", "keys.csv", text, "keys")], keys=("api_key_id",))
    assert slugs(done) == ["overlapping-rows"]
    found = rows(con, "SELECT on_column, key, take_column, value, source_row FROM directory_values ORDER BY ALL")
    assert found == [
        ("api_key_id", "k1", "owner", "ann", 3),
        ("api_key_id", "k1", "team", "ads", 3),
        ("api_key_id", "k1", "team", "search", 2),
    ]


def test_a_look_up_that_several_dimensions_ask_says_each_thing_once(tmp_path: Path) -> None:
    con = connect()
    text = "API_Key_Id,team,feature\nk1,search,answers\n"
    keys = ("api_key_id", "api_key_id", "API_Key_Id")
    done = run(con, [item(tmp_path, "lookup", "keys.csv", text, "keys")], keys=keys)
    assert done.problems == ()
    found = rows(con, "SELECT key, take_column, value FROM directory_values ORDER BY ALL")
    assert found == [("k1", "feature", "answers"), ("k1", "team", "search")]


def test_many_teams_may_share_a_cost_centre(tmp_path: Path) -> None:
    con = connect()
    done = run(con, [item(tmp_path, "lookup", "t.csv", "team,cost_center\na,001\nb,001\n", "teams")])
    assert done.problems == ()
    found = rows(con, "SELECT key, value FROM directory_values WHERE on_column = 'team' ORDER BY ALL")
    assert found == [("a", "001"), ("b", "001")]


def test_codes_keep_their_zeros_and_their_dates(tmp_path: Path) -> None:
    con = connect()
    text = "cost_center,entity,gl_account,valid_to,approver\n0010,DE01,006450,2026-12-31,ann\n0010,DE01,1,,\n,x,y,,\n"
    done = run(con, [item(tmp_path, "codes", "codes.csv", text)])
    assert slugs(done) == ["overlapping-rows", "key-missing"]
    found = rows(con, "SELECT code, entity, gl_account, approver, valid_from, valid_to FROM codes ORDER BY source_row")
    assert found[0] == ("0010", "DE01", "006450", "ann", ALWAYS, date(2026, 12, 31))


def test_a_column_that_codes_do_not_have_is_a_problem(tmp_path: Path) -> None:
    done = run(connect(), [item(tmp_path, "codes", "codes.csv", "code\n1\n")], constants={"gl_acount": "6450"})
    assert slugs(done) == ["column-unknown"]
    assert "did you mean 'gl_account'?" in done.problems[0].message
