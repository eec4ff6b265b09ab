"""A table: what a report says, once, for the terminal, CSV, JSON and the spreadsheet alike.

Money cells are whole minor units (int), or Decimal for unit costs. None is "not available" and never 0. The
empty text is a cell that has nothing to say, such as the layers of what is unallocated.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from apportion.errors import InvariantError
from apportion.money import from_minor, minor_digits
from apportion.report.context import is_rest

Kind = Literal["text", "money", "integer", "percent", "decimal", "date"]
Cell = str | int | Decimal | date | None
Row = tuple[Cell, ...]

NOT_AVAILABLE = "n/a"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """One column: one meaning.

    Attributes:
        name: The key in CSV and JSON.
        title: The heading for people.
        kind: What its cells are. A percent of 82.5 is the Decimal 82.5.
        signed: Also show a plus: the column is a change.
        currency: Of its money cells, where it is not that of the table.
        spare: Left out of a `trimmed` table where no cell of it has anything to say.
        short: A terminal shows only so many characters of a cell; every export holds all of it.
    """

    name: str
    title: str
    kind: Kind = "text"
    signed: bool = False
    currency: str | None = None
    spare: bool = False
    short: int | None = None


@dataclass(frozen=True)
class Table:
    """A report's table.

    Attributes:
        name: Names the kind of table; the key in JSON and the sheet in a spreadsheet.
        title: The heading for people.
        columns: In the order of the cells.
        rows: In the order they are shown.
        total: The sum of the rows, if they have one.
        notes: Sentences that belong to the numbers, and go wherever they go.
        currency: Of every money cell, ISO 4217.
        below: Lines under the total that are no part of the sum.
        period: The accounting period, `2026-11`.
        company: Who it is for.
        run: The run that it comes from.
        leads: What each row leads to, such as the id of its pool; a page makes a link of it. Empty where the
            first cells say it themselves.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    notes: tuple[str, ...] = ()
    currency: str = "USD"
    below: tuple[Row, ...] = ()
    period: str = ""
    company: str = ""
    run: str = ""
    leads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.all_rows():
            if len(row) != len(self.columns):
                raise InvariantError("L8", f"cells in a row of {self.name}", len(self.columns), len(row))
        if self.leads and len(self.leads) != len(self.rows):
            raise InvariantError("L8", f"leads of the rows of {self.name}", len(self.rows), len(self.leads))

    def lead(self, number: int) -> str:
        """What a row leads to: its own lead, or else its first cell."""
        return self.leads[number] if self.leads else str(self.rows[number][0])

    def all_rows(self) -> tuple[Row, ...]:
        """The rows, the total if there is one, and what stands below it."""
        return self.rows + ((self.total,) if self.total is not None else ()) + self.below

    def column(self, name: str) -> list[Cell]:
        """The cells of one column, without the total."""
        at = [column.name for column in self.columns].index(name)
        return [row[at] for row in self.rows]

    def row(self, key: Cell) -> dict[str, Cell]:
        """The row, or the total, whose first cell is the key, by column name.

        Raises:
            KeyError: No row starts with it.
        """
        names = [column.name for column in self.columns]
        for row in self.all_rows():
            if row[0] == key:
                return dict(zip(names, row, strict=True))
        raise KeyError(key)


def trimmed(table: Table) -> Table:
    """The table without its spare columns that hold nothing but zeros, blanks and n/a.

    It is the table itself that changes, so that the terminal and every export show the same columns.
    """
    rows = table.all_rows()
    kept = [
        at
        for at, column in enumerate(table.columns)
        if not column.spare or any(row[at] not in (None, "") and row[at] != 0 for row in rows)
    ]

    def cut(row: Row) -> Row:
        return tuple(row[at] for at in kept)

    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(map(cut, table.rows)),
        total=None if table.total is None else cut(table.total),
        below=tuple(map(cut, table.below)),
    )


def ordered(table: Table, name: str, *, descending: bool = False) -> Table:
    """The table with its rows in the order of one column.

    What is not available, and then what nobody owns, comes last in both directions; ties go by the first cell.
    Leads are not kept, for they stand in the order of the rows as they were.

    Args:
        table: It has the column.
        name: Of the column.
        descending: The largest first.
    """
    at = [column.name for column in table.columns].index(name)
    rows = sorted(table.rows, key=lambda row: str(row[0]))
    known = [row for row in rows if row[at] not in (None, "") and not is_rest(row[0])]
    number = all(isinstance(row[at], (int, Decimal)) for row in known)
    known.sort(key=lambda row: row[at] if number else str(row[at]), reverse=descending)  # type: ignore[arg-type,return-value]
    unknown = [row for row in rows if row[at] in (None, "") and not is_rest(row[0])]
    return replace(table, rows=(*known, *unknown, *(row for row in rows if is_rest(row[0]))), leads=())


def amount(cell: int | Decimal, currency: str) -> Decimal:
    """A money cell as a decimal amount: minor units scaled, unit costs as they are."""
    return cell if isinstance(cell, Decimal) else from_minor(cell, currency)


def plain(cell: Cell, column: Column, currency: str) -> str:
    """A cell for machines: a dot, no thousands separators, an ASCII minus, ISO dates."""
    if cell is None:
        return NOT_AVAILABLE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, date):
        return cell.isoformat()
    if column.kind == "money":
        currency = column.currency or currency
        value = amount(cell, currency)
        return f"{value:.{minor_digits(currency)}f}" if isinstance(cell, int) else f"{value:f}"
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe goes before a dangerous start."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def to_csv(table: Table) -> str:
    """The table as RFC 4180 text with CRLF line ends; notes are not rows and stay out.

    Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers do not.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([defused(column.name) for column in table.columns])
    for row in table.all_rows():
        writer.writerow(
            [
                defused(cell) if isinstance(cell, str) else plain(cell, column, table.currency)
                for cell, column in zip(row, table.columns, strict=True)
            ]
        )
    return out.getvalue()


def _json_cell(cell: Cell, column: Column, currency: str) -> Any:
    if cell is None or (cell == "" and column.kind != "text"):
        return None
    if column.kind == "money" and not isinstance(cell, str):
        return {"amount": plain(cell, column, currency), "currency": column.currency or currency}
    if isinstance(cell, int):
        return cell
    return plain(cell, column, currency)


def to_data(table: Table) -> dict[str, Any]:
    """The table as plain data in a stable order: money is a decimal text with its currency, n/a is null."""

    def named(row: Row) -> dict[str, Any]:
        return {
            column.name: _json_cell(cell, column, table.currency)
            for cell, column in zip(row, table.columns, strict=True)
        }

    return {
        "name": table.name,
        "title": table.title,
        "company": table.company,
        "period": table.period,
        "currency": table.currency,
        "run": table.run,
        "columns": [{"name": c.name, "title": c.title, "kind": c.kind} for c in table.columns],
        "rows": [named(row) for row in table.rows],
        "total": named(table.total) if table.total is not None else None,
        "below": [named(row) for row in table.below],
        "notes": list(table.notes),
    }


def to_json(tables: Table | Sequence[Table]) -> str:
    """One table as an object, or several as a list of them; keys in a stable order, text kept as it is."""
    data = to_data(tables) if isinstance(tables, Table) else [to_data(table) for table in tables]
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"
