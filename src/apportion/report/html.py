"""A table as HTML: the cells that a terminal shows, with headings that a screen reader can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from apportion.report.context import is_quiet, is_rest
from apportion.report.notes import counted
from apportion.report.table import Cell, Column, Row, Table
from apportion.report.terminal import for_people, visible

# A longer table is a file to open, not a page to read; the page says where the rest is.
MOST_ROWS = 100


@dataclass(frozen=True)
class Look:
    """How a table stands on a page.

    Attributes:
        ident: Its anchor; unique on the page.
        heading: In place of its title; the title if not given.
        level: Of the heading inside the caption, 2 to 6; no heading if not given.
        aside: Said beside the heading, in grey.
        links: Where a row's lead goes, as `#anchor`; a row whose lead is not among them is no link.
        linked: The column whose cells are the links; the first if not given.
        pictures: Drawn beside a row, by its first cell; they repeat what the cells say.
        picture: The heading of their column.
        most_rows: Of how many rows are shown; what nobody owns is always among them.
        elsewhere: Where all rows are, such as a command or a file.
        untold: Notes that stand elsewhere on the page.
    """

    ident: str
    heading: str | None = None
    level: int | None = None
    aside: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    linked: str | None = None
    pictures: Mapping[str, Markup] = field(default_factory=dict)
    picture: str = ""
    most_rows: int = MOST_ROWS
    elsewhere: str = ""
    untold: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Shown:
    """One cell as the template writes it."""

    text: str
    kind: str
    href: str = ""


@cache
def environment() -> Environment:
    """The templates of the reports; whatever they are given is escaped."""
    made = Environment(
        loader=PackageLoader("apportion.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["visible"] = visible
    return made


def to_html(table: Table, look: Look) -> Markup:
    """A table with its caption, headings, rows, sum and notes.

    Every text is escaped, and what would turn the direction of the text or move a cursor is shown as such.

    Args:
        table: What it says.
        look: How it stands on the page.
    """
    shown, left = _bounded(table, look.most_rows)
    rows = [_cells(table, row, look, table.lead(at)) for at, row in shown]
    body = [
        {"cells": cells, "rest": is_quiet(row[0]), "picture": look.pictures.get(str(row[0]), "")}
        for (_, row), cells in zip(shown, rows, strict=True)
    ]
    rest = None
    if left:
        said = f"{counted(len(left), 'more row')}" + (f": {look.elsewhere}" if look.elsewhere else "")
        rest = _cells(table, _summed(table, left, said), look, "")
    return drawn(
        "table.html.j2",
        table=table,
        look=look,
        title=look.heading or table.title,
        heads=[_Shown(visible(column.title), _align(column)) for column in table.columns],
        body=body,
        left=rest,
        total=None if table.total is None else _cells(table, table.total, look, "", in_total=True),
        below=[_cells(table, row, look, "", in_total=True) for row in table.below],
        notes=[visible(note) for note in table.notes if note not in look.untold],
    )


def drawn(template: str, **facts: object) -> Markup:
    """One of the templates with what it is given, escaped."""
    text = environment().get_template(template).render(**facts)
    # The template has escaped every text; escaping the whole again would show its tags.
    return Markup(text)  # noqa: S704


def _align(column: Column) -> str:
    return "text" if column.kind == "text" else "number"


def _bounded(table: Table, most: int) -> tuple[list[tuple[int, Row]], list[Row]]:
    """The rows to show with their numbers, and those left out; what nobody owns stays, for it is never hidden."""
    numbered = list(enumerate(table.rows))
    if len(numbered) <= most:
        return numbered, []
    kept = [pair for pair in numbered[most:] if is_rest(pair[1][0])]
    return numbered[:most] + kept, [row for _, row in numbered[most:] if not is_rest(row[0])]


def _summed(table: Table, rows: Sequence[Row], said: str) -> Row:
    """One row for those left out: the sums of their cents, so that what is shown still adds up."""
    cells: list[Cell] = [said]
    for at, column in enumerate(table.columns[1:], start=1):
        numbers = [row[at] for row in rows if isinstance(row[at], int)]
        cells.append(sum(n for n in numbers if isinstance(n, int)) if column.kind == "money" and numbers else "")
    return tuple(cells)


def _cells(table: Table, row: Row, look: Look, lead: str, *, in_total: bool = False) -> list[_Shown]:
    linked = look.linked or table.columns[0].name
    made = []
    for cell, column in zip(row, table.columns, strict=True):
        # A page has room for what a terminal cuts short.
        whole = replace(column, short=None)
        kind = _align(column)
        if isinstance(cell, int) and not isinstance(cell, bool) and _moved_the_wrong_way(column, cell):
            kind += " worse"
        if column.short:
            kind += " hash"
        href = look.links.get(lead, "") if column.name == linked else ""
        made.append(_Shown(for_people(cell, whole, table.currency, in_total=in_total or cell is None), kind, href))
    return made


def _moved_the_wrong_way(column: Column, cell: int) -> bool:
    """Whether a number wants a second look: a cost that rose, a margin below zero. The sign says it as well."""
    return cell > 0 if column.name == "change" else column.name == "margin" and cell < 0
