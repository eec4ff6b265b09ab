"""A table as an XLSX workbook: real numbers with formats, text that stays text, the same bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from xlsxwriter import Workbook

from apportion.money import minor_digits
from apportion.report.context import is_rest
from apportion.report.table import NOT_AVAILABLE, Cell, Column, Row, Table, amount
from apportion.report.terminal import for_people

# A workbook that carried today's date would differ from run to run (law L7).
_CREATED = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
# A spreadsheet keeps numbers as IEEE doubles, which hold 15 digits surely; longer ones stay text.
_SURE_DIGITS = 15
_WIDEST = 60
_FORBIDDEN_IN_SHEET = re.compile(r"[\[\]:*?/\\]")
_LONGEST_SHEET = 31


def _number_format(column: Column, cell: int | Decimal, currency: str) -> str:
    if column.kind == "money" and isinstance(cell, int):
        digits = minor_digits(currency)
    else:
        digits = max(-int(cell.as_tuple().exponent), 0) if isinstance(cell, Decimal) else 0
    form = ("0" if column.kind == "percent" else "#,##0") + ("." + "0" * digits if digits else "")
    form += "%" if column.kind == "percent" else ""
    return f"+{form};-{form};{form}" if column.signed else form


class _Sheet:
    """One table written to one worksheet, with the formats of its workbook."""

    def __init__(self, book: Workbook, table: Table, name: str) -> None:
        self.book = book
        self.table = table
        self.sheet = book.add_worksheet(name)
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def style(self, **properties: Any) -> Any:
        key = tuple(sorted(properties.items()))
        if key not in self.formats:
            self.formats[key] = self.book.add_format(dict(key))
        return self.formats[key]

    def write(self) -> None:
        table = self.table
        for at, column in enumerate(table.columns):
            align = "left" if column.kind == "text" else "right"
            self.sheet.write_string(0, at, column.title, self.style(bold=True, bottom=1, align=align))
            shown = [for_people(row[at], column, table.currency) for row in table.all_rows()]
            widest = max([len(column.title), *map(len, shown)])
            self.sheet.set_column(at, at, min(widest + 2, _WIDEST))
        self.sheet.freeze_panes(1, 1)
        last = len(table.rows) + 1
        for number, row in enumerate(table.all_rows(), start=1):
            looks: dict[str, Any] = {}
            if table.total is not None and number == last:
                looks = {"bold": True, "top": 1, "bottom": 6}
            elif is_rest(row[0]) or number > last:
                looks = {"font_color": "#777777"}
            self.row(number, row, looks)

    def row(self, number: int, row: Row, looks: dict[str, Any]) -> None:
        for at, (cell, column) in enumerate(zip(row, self.table.columns, strict=True)):
            self.cell(number, at, cell, column, looks)

    def cell(self, number: int, at: int, cell: Cell, column: Column, looks: dict[str, Any]) -> None:
        if cell is None:
            self.sheet.write_string(number, at, NOT_AVAILABLE, self.style(**looks, align="right"))
        elif isinstance(cell, str):
            self.sheet.write_string(number, at, cell, self.style(**looks))
        elif isinstance(cell, date):
            moment = datetime(cell.year, cell.month, cell.day, tzinfo=UTC).replace(tzinfo=None)
            self.sheet.write_datetime(number, at, moment, self.style(**looks, num_format="yyyy-mm-dd"))
        else:
            currency = column.currency or self.table.currency
            value = amount(cell, currency) if column.kind == "money" else Decimal(cell)
            if len(value.as_tuple().digits) > _SURE_DIGITS:
                self.sheet.write_string(number, at, f"{value:f}", self.style(**looks, align="right"))
                return
            form = self.style(**looks, num_format=_number_format(column, cell, currency))
            self.sheet.write_number(number, at, value.scaleb(-2) if column.kind == "percent" else value, form)


def _about(book: Workbook, tables: Sequence[Table]) -> None:
    sheet = book.add_worksheet("About")
    bold = book.add_format({"bold": True})
    sheet.set_column(0, 0, 16)
    sheet.set_column(1, 1, 100)
    lines: list[tuple[str, str]] = []
    for table in tables:
        facts = [("Company", table.company), ("Title", table.title), ("Period", table.period)]
        facts += [("Currency", table.currency), ("Run", table.run)]
        lines += [(key, value) for key, value in facts if value]
        lines += [("Note", note) for note in table.notes]
        lines.append(("", ""))
    for at, (key, value) in enumerate(lines):
        sheet.write_string(at, 0, key, bold)
        sheet.write_string(at, 1, value)


def _sheet_names(tables: Sequence[Table]) -> list[str]:
    names: list[str] = []
    for table in tables:
        name = _FORBIDDEN_IN_SHEET.sub(" ", table.name)[:_LONGEST_SHEET] or "Table"
        taken = {other.casefold() for other in [*names, "about"]}
        number = 2
        first = name
        while name.casefold() in taken:
            name = f"{first[: _LONGEST_SHEET - 4]} {number}"
            number += 1
        names.append(name)
    return names


def to_xlsx(tables: Table | Sequence[Table]) -> bytes:
    """Tables as a workbook: one sheet each, and a sheet `About` with period, run and notes.

    Texts such as `=cmd()` stay texts. The same tables give the same bytes.
    """
    listed = [tables] if isinstance(tables, Table) else list(tables)
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with Workbook(out, options) as book:
        book.set_properties({"title": listed[0].title if listed else "", "created": _CREATED})
        for table, name in zip(listed, _sheet_names(listed), strict=True):
            _Sheet(book, table, name).write()
        _about(book, listed)
    return out.getvalue()
