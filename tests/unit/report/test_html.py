"""A table as HTML says what the table says, and nothing that a user wrote is markup."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from apportion.report.html import Look, to_html
from apportion.report.table import Column, Row, Table
from apportion.report.terminal import for_people
from tests.unit.report.markup import Page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\u202egpj.exe",
    "x" * 300,
    "&amp;",
    "'--",
    "\n\t",
]


def table(*rows: Row, total: Row | None = None, notes: tuple[str, ...] = ()) -> Table:
    columns = (
        Column("team", "Team"),
        Column("cost", "Cost", "money"),
        Column("change", "on October", "money", signed=True),
        Column("share", "%", "percent"),
        Column("seen", "Seen", "date"),
    )
    return Table(name="costs", title="Costs", columns=columns, rows=rows, total=total, notes=notes)


PLAIN: Row = ("support", 123_456, -1_050, Decimal("12.5"), date(2026, 11, 3))


def test_cells_are_those_of_the_terminal() -> None:
    made = table(PLAIN, ("it", None, "", None, ""), total=("All", 123_456, 7, Decimal(100), ""))
    seen = Page(to_html(made, Look(ident="t"))).tables[0]
    assert seen.rows[0] == ["Team", "Cost", "on October", "%", "Seen"]
    assert seen.rows[1] == ["support", "1,234.56", "\N{MINUS SIGN}10.50", "12.5 %", "2026-11-03"]
    assert seen.rows[2] == ["it", "n/a", "\N{EN DASH}", "n/a", "\N{EN DASH}"]
    assert seen.rows[3] == ["All", "1,234.56", "+0.07", "100 %", ""]


def test_a_heading_names_its_rows_and_columns() -> None:
    page = Page(to_html(table(PLAIN), Look(ident="t", level=2)))
    scopes = [facts.get("scope") for tag, facts in page.tags if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"]
    assert page.headings == [2]
    labelled = next(facts for _, facts in page.tags if facts.get("role") == "group")
    assert labelled["aria-labelledby"] in page.ids


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_user_wrote_is_text(name: str) -> None:
    made = replace(
        table((name, *PLAIN[1:]), notes=(name,)), title=name, columns=(Column("team", name), *table().columns[1:])
    )
    text = to_html(made, Look(ident="t", aside=name, elsewhere=name))
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= {
        "div", "table", "caption", "b", "span", "thead", "tbody", "tr", "th", "td", "ul", "li"
    }  # fmt: skip
    assert not any(key.startswith("on") for _, facts in page.tags for key in facts)
    assert "\u202e" not in text
    assert page.tables[0].rows[1][0] == for_people(name, Column("team", "Team"), "USD").strip()


def test_rows_that_are_left_out_are_counted_and_summed() -> None:
    made = table(
        *((f"t{n}", 100, 1, None, "") for n in range(5)),
        ("unallocated", 7, 0, None, ""),
        total=("All", 507, 5, None, ""),
    )
    rows = Page(to_html(made, Look(ident="t", most_rows=2, elsewhere="costs.csv has them all"))).tables[0].rows
    assert [row[0] for row in rows] == ["Team", "t0", "t1", "unallocated", "3 more rows: costs.csv has them all", "All"]
    assert rows[4][1:3] == ["3.00", "+0.03"]


def test_a_row_leads_where_its_lead_says() -> None:
    made = replace(table(PLAIN, ("it", 1, 1, None, "")), leads=("p1", "p2"))
    page = Page(to_html(made, Look(ident="t", links={"p1": "#pool-p1"})))
    assert page.links == ["#pool-p1"]


def test_an_empty_table_says_so() -> None:
    assert "Nothing in this period." in to_html(table(), Look(ident="t"))
