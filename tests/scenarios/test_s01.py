"""S01: a three-way split of 100.00, its refund and a goodwill credit."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
from openpyxl import load_workbook

from apportion.money import split
from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project, added

V1 = {"team-a": Decimal("33.34"), "team-b": Decimal("33.33"), "team-c": Decimal("33.33")}
V3 = {"team-a": Decimal("-13.34"), "team-b": Decimal("-13.33"), "team-c": Decimal("-13.33")}


def lines(project: Project) -> dict[str, dict[str, Decimal]]:
    return {line: project.divided(project.pool(invoice_key=f"Vexel|{line}")) for line in ("V1", "V2", "V3")}


def test_each_line_is_split_to_the_cent(scenario: Opened) -> None:
    shares = lines(scenario("s01"))
    assert shares["V1"] == V1
    assert shares["V2"] == {team: -amount for team, amount in V1.items()}
    assert shares["V3"] == V3


def test_the_refund_brings_every_team_back_to_zero(scenario: Opened) -> None:
    shares = lines(scenario("s01"))
    assert {team: shares["V1"][team] + shares["V2"][team] for team in V1} == dict.fromkeys(V1, Decimal(0))


def test_the_statement_is_the_sum_of_the_three_lines(scenario: Opened) -> None:
    assert scenario("s01").owed() == {"team-a": "-13.34", "team-b": "-13.33", "team-c": "-13.33"}
    assert scenario("s01").statement().all_total("total") == "-40.00"


def test_one_rule_and_version_governs_all_three(scenario: Opened) -> None:
    pools = scenario("s01").pools().rows
    assert {(pool["rule"], pool["version"], pool["method"]) for pool in pools} == {("vector-db", 1, "even")}
    assert [pool["amount"] for pool in pools] == ["100.00", "-100.00", "-40.00"]


@pytest.mark.parametrize("among", ["team-c, team-b, team-a", "team-b, team-c, team-a"])
def test_the_order_of_the_input_changes_nothing(fresh: Opened, among: str) -> None:
    project = fresh("s01")
    project.edit("apportion.yaml", "among: [team-a, team-b, team-c]", f"among: [{among}]")
    project.reverse_rows("bills/vendor.csv")
    assert lines(project) == {"V1": V1, "V2": {team: -x for team, x in V1.items()}, "V3": V3}


def test_every_format_says_the_same(scenario: Opened, tmp_path: Path) -> None:
    project = scenario("s01")
    owed = project.owed()
    text = project.call("statement", "--period", "2026-11", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["team"]: row["total"] for row in rows if row["team"] in owed} == owed
    book = tmp_path / "statement.xlsx"
    project.call("statement", "--period", "2026-11", "--format", "xlsx", "-o", str(book))
    cells = [[cell.value for cell in row] for row in load_workbook(book).worksheets[0].iter_rows()]
    (at,) = {row.index("Total") for row in cells if "Total" in row}
    for team, total in owed.items():
        (row,) = [row for row in cells if row[0] == team]
        assert Decimal(str(row[at])) == added([total])
    shown = project.call("statement", "--period", "2026-11", "--format", "table").out
    for amount in ("13.34", "13.33", "40.00"):
        assert f"\N{MINUS SIGN}{amount}" in shown


def named(cents: int, weights: dict[str, int]) -> dict[str, int]:
    return dict(zip(weights, split(cents, list(weights.values()), list(weights)), strict=True))


@pytest.mark.parametrize(
    ("cents", "weights", "shares"),
    [
        (5, {"alice": 30, "bob": 70}, {"alice": 1, "bob": 4}),
        (3334, {"d1": 25, "d2": 25, "d3": 25, "d4": 25}, {"d1": 834, "d2": 834, "d3": 833, "d4": 833}),
        (2, {"team-a": 1, "team-b": 1, "team-c": 1}, {"team-a": 1, "team-b": 1, "team-c": 0}),
        (10000, {"team-a": 1, "team-b": 1, "team-c": 1}, {"team-a": 3334, "team-b": 3333, "team-c": 3333}),
        (-4000, {"team-a": 1, "team-b": 1, "team-c": 1}, {"team-a": -1334, "team-b": -1333, "team-c": -1333}),
    ],
)
def test_the_splitter_in_any_order(cents: int, weights: dict[str, int], shares: dict[str, int]) -> None:
    for order in permutations(weights.items()):
        assert named(cents, dict(order)) == shares
        assert named(-cents, dict(order)) == {name: -share for name, share in shares.items()}
