"""One table, four ways to read it, and all four agree."""

# ruff: noqa: RUF001 - true minus signs and dashes are what is printed

from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from rich.console import Console

from apportion.errors import InvariantError
from apportion.report.spreadsheet import to_xlsx
from apportion.report.statements import statements
from apportion.report.table import Cell, Column, Table, ordered, to_csv, to_json
from apportion.report.terminal import render, to_text
from tests.unit.report.company import PERIOD, context, larkspur

TABLE = Table(
    name="things",
    title="Things",
    columns=(
        Column("thing", "Thing"),
        Column("money", "Money", "money"),
        Column("change", "on October", "money", signed=True),
        Column("each", "each", "money"),
        Column("count", "Count", "integer"),
        Column("share", "Share", "percent"),
        Column("day", "Day", "date"),
    ),
    rows=(
        ("=cmd()", 123_456, 5, Decimal("0.01204"), 1_234, Decimal("82.50"), date(2026, 11, 3)),
        ('a "quoted",\nname 😀', -5, -7, None, 0, None, None),
        ("unallocated", 0, "", "", "", "", ""),
    ),
    total=("All", 123_451, -2, "", 1_234, "", ""),
    below=(("of it", 1, "", "", "", "", ""),),
    notes=("a note",),
    currency="USD",
    period="2026-11",
    company="Larkspur",
    run="run-1",
)


def test_the_terminal_aligns_and_shows_a_true_minus() -> None:
    assert to_text(TABLE).splitlines() == [
        "Things",
        "Thing                    Money   on October      each   Count     Share          Day",
        "=cmd()                1,234.56        +0.05   0.01204   1,234   82.50 %   2026-11-03",
        'a "quoted",�name 😀      −0.05        −0.07       n/a       0       n/a          n/a',
        "unallocated               0.00            –         –       –         –            –",
        "─" * 84,
        "All                   1,234.51        −0.02             1,234",
        "═" * 84,
        "of it                     0.01",
        "a note",
    ]


def test_a_narrow_terminal_shortens_text_and_never_a_number() -> None:
    out = io.StringIO()
    render(TABLE, Console(file=out, force_terminal=True, width=78, color_system="standard"))
    assert "1,234.56" in out.getvalue()
    assert "…" in out.getvalue()
    assert "\x1b[1m" in out.getvalue()


def test_csv_is_plain_and_defused() -> None:
    text = to_csv(TABLE)
    assert text.startswith("thing,money,change,each,count,share,day\r\n'=cmd(),1234.56,0.05,0.01204,1234,82.50,")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[2] == ['a "quoted",\nname 😀', "-0.05", "-0.07", "n/a", "0", "n/a", "n/a"]
    assert rows[4][:2] == ["All", "1234.51"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_starts_like_a_formula_gets_an_apostrophe(start: str) -> None:
    table = Table("t", "T", (Column("a", "A"),), ((start + "x",),))
    assert next(iter(list(csv.reader(io.StringIO(to_csv(table), newline="")))[1:])) == ["'" + start + "x"]


def test_json_money_is_a_text_with_its_currency_and_not_available_is_null() -> None:
    data = json.loads(to_json(TABLE))
    assert list(data)[:6] == ["name", "title", "company", "period", "currency", "run"]
    assert data["rows"][0]["money"] == {"amount": "1234.56", "currency": "USD"}
    assert data["rows"][0]["each"] == {"amount": "0.01204", "currency": "USD"}
    assert data["rows"][1]["each"] is None
    assert data["rows"][2]["change"] is None
    assert data["rows"][0]["share"] == "82.50"
    assert data["rows"][0]["count"] == 1234
    assert data["total"]["money"]["amount"] == "1234.51"
    assert data["notes"] == ["a note"]
    assert [table["name"] for table in json.loads(to_json([TABLE, TABLE]))] == ["things", "things"]


def test_a_currency_without_cents_shows_none() -> None:
    table = Table("t", "T", (Column("a", "A", "money"),), ((33_334,),), currency="JPY")
    assert to_csv(table).splitlines()[1] == "33334"
    assert json.loads(to_json(table))["rows"][0]["a"]["amount"] == "33334"
    assert "33,334\n" in to_text(table)


def _open(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def test_the_spreadsheet_holds_real_numbers_and_no_formula() -> None:
    data = to_xlsx([TABLE, TABLE])
    assert data == to_xlsx([TABLE, TABLE])
    book = _open(data)
    assert book.sheetnames == ["things", "things 2", "About"]
    sheet = book["things"]
    assert (sheet["A2"].value, sheet["A2"].data_type) == ("=cmd()", "s")
    assert (sheet["B2"].value, sheet["B2"].number_format) == (1234.56, "#,##0.00")
    assert sheet["C2"].number_format == "+#,##0.00;-#,##0.00;#,##0.00"
    assert (sheet["F2"].value, sheet["F2"].number_format) == (0.825, "0.00%")
    assert sheet["D3"].value == "n/a"
    assert sheet["B5"].font.bold
    assert sheet.freeze_panes == "B2"
    about = {row[0].value: row[1].value for row in book["About"].iter_rows() if row[0].value}
    assert about["Period"] == "2026-11"
    assert about["Run"] == "run-1"
    assert about["Note"] == "a note"


def test_a_number_that_a_double_cannot_hold_stays_text() -> None:
    table = Table("t", "T", (Column("a", "A", "money"),), ((1_234_567_890_123_456_78,),))
    assert _open(to_xlsx(table))["t"]["A2"].value == "1234567890123456.78"


def test_the_four_forms_agree_to_the_cent() -> None:
    table = statements(larkspur().con, context(), PERIOD)
    in_csv = [row["total"] for row in csv.DictReader(io.StringIO(to_csv(table), newline=""))]
    data = json.loads(to_json(table))
    in_json = [row["total"]["amount"] for row in [*data["rows"], data["total"]]]
    assert in_csv == in_json
    sheet = _open(to_xlsx(table))["statements"]
    at = [cell.value for cell in sheet[1]].index("Total") + 1
    in_sheet = [f"{sheet.cell(row, at).value:.2f}" for row in range(2, len(in_csv) + 2)]
    assert in_sheet == in_csv
    text = to_text(table)
    assert all(f"{Decimal(number):,}" in text for number in in_csv)


def test_a_row_has_a_cell_per_column() -> None:
    with pytest.raises(InvariantError):
        Table("t", "T", (Column("a", "A"),), (("x", 1),))
    with pytest.raises(KeyError):
        TABLE.row("nothing")


@pytest.mark.parametrize(
    ("name", "ascending"),
    [
        ("owner", ["a", "b", "c", "d", "unallocated"]),
        ("amount", ["c", "a", "b", "d", "unallocated"]),
        ("day", ["d", "a", "b", "c", "unallocated"]),
    ],
)
def test_rows_in_the_order_of_a_column_keep_what_is_unknown_last(name: str, ascending: list[Cell]) -> None:
    rows = (
        ("unallocated", 1, date(2026, 1, 1)),
        ("b", 10, date(2026, 11, 2)),
        ("d", None, date(2026, 9, 30)),
        ("c", -5, ""),
        ("a", 9, date(2026, 10, 1)),
    )
    columns = (Column("owner", "Owner"), Column("amount", "Amount", "money"), Column("day", "Day", "date"))
    table = Table("t", "T", columns, rows)
    assert ordered(table, name).column("owner") == ascending
    known = [cell for cell in ascending if cell != "unallocated" and table.row(cell)[name] not in (None, "")]
    rest = [cell for cell in ascending if cell not in known]
    assert ordered(table, name, descending=True).column("owner") == [*reversed(known), *rest]
