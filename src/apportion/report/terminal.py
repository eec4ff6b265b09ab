"""A table for the terminal: quiet, exact, aligned on the decimal point, like a good bank statement."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from apportion.money import show
from apportion.report.context import is_quiet
from apportion.report.table import NOT_AVAILABLE, Cell, Column, Row, Table

_GAP = 3
_SMALLEST_TEXT = 12
_MINUS = "\N{MINUS SIGN}"
_DASH = "\N{EN DASH}"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def visible(text: str) -> str:
    """A text without the control characters that would move a cursor or start a new line."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in {"Cc", "Cf"} else c for c in text)


def _number(value: Decimal, *, signed: bool) -> str:
    text = f"{abs(value):,f}"
    if value < 0:
        return _MINUS + text
    return "+" + text if signed and value > 0 else text


def for_people(cell: Cell, column: Column, currency: str, *, in_total: bool = False) -> str:
    """A cell as people read it: thousands separators, a true minus sign, `n/a`, a dash for nothing."""
    if cell is None:
        return NOT_AVAILABLE
    if isinstance(cell, str):
        if column.short and len(cell) > column.short:
            cell = cell[: column.short] + _ELLIPSIS
        return _DASH if cell == "" and column.kind != "text" and not in_total else visible(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    if column.kind == "money" and isinstance(cell, int):
        return show(cell, column.currency or currency, sign=column.signed)
    text = _number(Decimal(cell), signed=column.signed)
    return f"{text} %" if column.kind == "percent" else text


def _widths(table: Table, lines: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """As wide as the widest cell; the text columns give way where the terminal is too narrow."""
    found = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if width is None:
        return found
    for at, column in enumerate(table.columns):
        over = sum(found) + _GAP * (len(found) - 1) - width
        if column.kind == "text" and over > 0:
            found[at] = max(min(found[at], _SMALLEST_TEXT), found[at] - over)
    return found


def _line(cells: Sequence[str], table: Table, widths: Sequence[int]) -> str:
    parts = []
    for text, column, width in zip(cells, table.columns, widths, strict=True):
        room = width - cell_len(text)
        if room < 0:
            parts.append(set_cell_size(text, width - 1) + _ELLIPSIS)
        else:
            parts.append(text + " " * room if column.kind == "text" else " " * room + text)
    return (" " * _GAP).join(parts).rstrip()


def render(table: Table, console: Console) -> None:
    """Print a table: title, headings, rows, the total in bold between a rule and a double rule, notes."""
    heads = [visible(column.title) for column in table.columns]

    def texts(row: Row, *, in_total: bool = False) -> list[str]:
        return [
            for_people(cell, column, table.currency, in_total=in_total)
            for cell, column in zip(row, table.columns, strict=True)
        ]

    body = [texts(row) for row in table.rows]
    total = [texts(table.total, in_total=True)] if table.total is not None else []
    below = [texts(row, in_total=True) for row in table.below]
    widths = _widths(table, [heads, *body, *total, *below], console.width if console.is_terminal else None)
    full = sum(widths) + _GAP * (len(widths) - 1)

    def out(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True, highlight=False)

    out(visible(table.title), "bold")
    out(_line(heads, table, widths), "dim")
    for row, cells in zip(table.rows, body, strict=True):
        out(_line(cells, table, widths), "dim" if is_quiet(row[0]) else "")
    if not body:
        out("(nothing in this period)", "dim")
    for cells in total:
        out("─" * full, "dim")
        out(_line(cells, table, widths), "bold")
        out("═" * full)
    for cells in below:
        out(_line(cells, table, widths), "dim")
    for note in table.notes:
        out(visible(note), "dim")


def to_text(tables: Table | Sequence[Table]) -> str:
    """Tables as plain text, as they look where there is no terminal."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, color_system=None, width=200)
    for number, table in enumerate([tables] if isinstance(tables, Table) else tables):
        if number:
            console.print()
        render(table, console)
    return out.getvalue()
