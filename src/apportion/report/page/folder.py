"""The files of a report: the page, and the same tables as CSV, as a workbook and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apportion.report.page.render import render
from apportion.report.page.report import Report
from apportion.report.spreadsheet import to_xlsx
from apportion.report.table import Column, Row, Table, to_csv, to_json

_OF_AN_OWNER = (
    "summary",
    "reasons",
    "categories",
    "direct",
    "rules",
    "shared",
    "credits-tax-corrections",
    "pools",
)
_OF_A_POOL = ("explain", "claims", "evidence")
_OF_ALL = (
    "statements",
    "reasons",
    "coverage",
    "coverage-by-dimension",
    "categories",
    "unit-costs",
    "margins",
    "days",
    "reconcile",
    "causes",
    "stages",
    "bridge",
)
PAGE = "index.html"
_WORKBOOK, _JSON, _CSV = "tables.xlsx", "tables.json", "csv"
# What stands in the folder of a report.
REPORT_FILES = frozenset({PAGE, _WORKBOOK, _JSON, _CSV})
_MARK = b'<meta name="generator" content="apportion">'
_HEAD_BYTES = 4096
# The page while the rest of its folder is being written.
UNFINISHED = b"<!doctype html>\n" + _MARK + b"\n<title>Report</title>\n<p>This report is being written.</p>\n"
# Whatever a report may write; a file of an earlier one that has no table now would be out of date.
EVERY_TABLE = (*_OF_ALL, *(f"owner-{name}" for name in _OF_AN_OWNER), *(f"pool-{name}" for name in _OF_A_POOL))


@dataclass(frozen=True)
class Folder:
    """A report as files.

    Attributes:
        files: The content of each by its path in the folder, `csv/days.csv` among them.
        tables: What they hold.
    """

    files: dict[str, bytes]
    tables: tuple[Table, ...]


def is_report(place: Path) -> bool:
    """Whether a folder holds a report that was written before."""
    try:
        with (place / PAGE).open("rb") as file:
            return _MARK in file.read(_HEAD_BYTES)
    except OSError:
        return False


def folder(report: Report) -> Folder:
    """Write a report, in memory; the same report gives the same bytes.

    Tables that the page has once per owner, or once per pool, are one table here, with the owner or the pool as
    the first column and whether a row is a line or the sum as the second.
    """
    tables = [*report.overview, *_of_owners(report), *_of_pools(report)]
    files = {PAGE: render(report, [table.name for table in tables]).encode()}
    files |= {f"{_CSV}/{table.name}.csv": to_csv(table).encode() for table in tables}
    files[_WORKBOOK] = to_xlsx(tables)
    files[_JSON] = to_json(tables).encode()
    return Folder(files, tuple(tables))


def _of_owners(report: Report) -> list[Table]:
    dimension = report.context.owner
    title = dimension.replace("_", " ").capitalize()
    key = Column(dimension, title)
    found: dict[str, list[tuple[str, Table]]] = defaultdict(list)
    for section in report.owners:
        for table in (*section.tables, section.pools):
            found[table.name].append((section.owner, table))
    note = report.owners_left_out
    return [_stacked(f"owner-{name}", key, found[name], note) for name in _OF_AN_OWNER if name in found]


def _of_pools(report: Report) -> list[Table]:
    key = Column("of_pool", "Pool id")
    found: dict[str, list[tuple[str, Table]]] = defaultdict(list)
    for section in report.pools:
        for table in (section.facts, *section.tables):
            found[table.name].append((section.pool, table))
    note = report.pools_left_out
    return [_stacked(f"pool-{name}", key, found[name], note) for name in _OF_A_POOL if name in found]


def _stacked(name: str, key: Column, parts: Sequence[tuple[str, Table]], note: str) -> Table:
    first = parts[0][1]
    rows: list[Row] = []
    for value, table in parts:
        rows += [(value, "line", *row) for row in table.rows]
        rows += [(value, "sum", *table.total)] if table.total is not None else []
    taken = {column.name for column in first.columns}
    key = replace(key, name=f"of_{key.name}") if key.name in taken else key
    return replace(
        first,
        name=name,
        title=name.replace("-", " ").capitalize(),
        columns=(key, Column("row", "Row"), *first.columns),
        rows=tuple(rows),
        total=None,
        notes=(note,) if note else (),
        leads=(),
    )
