"""Which of a file's columns are which of ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import duckdb

from apportion.errors import Place, Problem
from apportion.focus import TABLES, fold
from apportion.normalize.usage_columns import COUNTS, INPUTS, LOG, WHOLE, Convention, Facts, Shape, Wanted
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as name_of

# Columns that a conversion adds to a row format while it reads.
RECORD, BROKEN = "apportion record", "apportion broken"
HELPERS = (RECORD, BROKEN)
_SHOWN = 12
_USAGE = TABLES["usage"]
_INSTANTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "DATE")
_TAGS = "MAP(VARCHAR, VARCHAR)"


class RawFile(Protocol):
    """A file as it was collected."""

    @property
    def name(self) -> str:
        """As the user wrote it."""

    @property
    def local_path(self) -> Path:
        """Where it lies on this machine."""

    @property
    def format(self) -> str:
        """`parquet`, `csv`, `csv.gz`, `jsonl` or `jsonl.gz`."""


@dataclass(frozen=True)
class UsageSource:
    """A usage source as the project declares it.

    Attributes:
        name: Of the source.
        tokens: The token convention; None is told from the columns.
        columns: The file's column by our name, where the user says it.
        constants: The value of columns that the file does not have, and `date_format`.
    """

    name: str
    tokens: Convention | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Whatever name of a column the project uses, the stages know it by its own."""
        object.__setattr__(self, "columns", _USAGE.own_names(self.columns))
        object.__setattr__(self, "constants", _USAGE.own_names(self.constants))


class UnusableError(Exception):
    """A file cannot be used; the problem says why, and gets its place where the file's name is known."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def no_calls(name: str, message: str) -> Problem:
    """A file without rows: usage often comes as one file an hour, and an hour without a call is no fault.

    Args:
        name: Of the file.
        message: What it is like.
    """
    cure = "nothing, if there were none; else export it again"
    return Problem("empty-file", message, Place(name), cure=cure, severity="warning", held=True)


def find_shape(
    con: duckdb.DuckDBPyConnection,
    scan: str,
    source: UsageSource,
    want: Wanted,
    *,
    name_sql: str,
    row_sql: str,
    facts: Mapping[str, Facts] | None = None,
    broken_sql: str | None = None,
) -> Shape:
    """Find our columns among those that a scan has.

    Raises:
        UnusableError: A column that the source names is not there, or one that every call needs.
    """
    described = con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described}
    columns, kinds = _ours(con, scan, types, source)
    _demand(columns, [name for name in types if name not in HELPERS])
    by_fold = {fold(name): name for name in reversed(types)}
    own: dict[str, str] = {}
    for key in want.tag_columns:
        for spelled in (f"tags.{key}", key):
            if (column := by_fold.get(fold(spelled))) and fold(column) != "tags":
                own[key] = f"CAST({name_of(column)} AS VARCHAR)"
                break
    others = {
        name: f"CAST({name_of(by_fold[fold(name)])} AS VARCHAR)" for name in want.other_columns if fold(name) in by_fold
    }
    fields: tuple[str, ...] = ()
    if kinds.get("tags", "").startswith("STRUCT"):
        inner = con.execute(f"DESCRIBE SELECT unnest({columns['tags']}) FROM {scan}").fetchall()
        fields = tuple(str(row[0]) for row in inner)
    fixed = {
        name: Facts(nulls=False, low=int(value), high=int(value))
        for name, value in source.constants.items()
        if name in COUNTS
    }
    further = {types[by_fold[fold(name)]] for name in want.other_columns if fold(name) in by_fold}
    further |= {types[column] for column in types if f"CAST({name_of(column)} AS VARCHAR)" in own.values()}
    plain = _is_plain(kinds, further)
    known = {**(facts or {}), **fixed}
    return Shape(scan, columns, kinds, known, own, fields, others, name_sql, row_sql, broken_sql, plain)


def _is_plain(kinds: Mapping[str, str], further: Collection[str]) -> bool:
    """Whether columns have types that need no reading of text.

    Args:
        kinds: The type of each column of ours.
        further: The types of the tags and columns that are evidence.
    """
    texts = {kind for name, kind in kinds.items() if name not in {"called_at", "tags", *COUNTS}}
    return (
        kinds["called_at"] in _INSTANTS
        and all(kinds[name] in WHOLE for name in COUNTS if name in kinds)
        and {*texts, *further} <= {"VARCHAR", "BOOLEAN", "DATE", *WHOLE}
        and kinds.get("tags", _TAGS) == _TAGS
    )


def _ours(
    con: duckdb.DuckDBPyConnection, scan: str, types: Mapping[str, str], source: UsageSource
) -> tuple[dict[str, str], dict[str, str]]:
    """The expression and the type of each input column: set by the source, named by it, or found by name."""
    columns: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name in (*source.columns, *source.constants):
        if name not in INPUTS and name != "date_format":
            raise UnusableError(_unknown(name))
    for name, theirs in source.columns.items():
        columns[name], kinds[name] = _named(con, scan, types, theirs)
    taken = set(columns.values())
    for name, spelled in _USAGE.find([name for name in types if name not in HELPERS]).items():
        # A column that the user gave another meaning keeps that one alone.
        if name not in columns and name_of(spelled) not in taken:
            columns[name], kinds[name] = name_of(spelled), types[spelled]
    for name, value in source.constants.items():
        if name in INPUTS:
            columns[name], kinds[name] = _constant(name, value)
    for name, ours in _of_the_log(types).items():
        columns[ours], kinds[ours] = name_of(name), types[name]
    return columns, kinds


def _of_the_log(types: Mapping[str, str]) -> dict[str, str]:
    """What a file of the usage log says beside the columns of usage; nothing for any other file.

    Only the record and the way together are its mark: many a file has a `state` or a `status` of its own.
    """
    return {name: ours for name, ours in LOG.items() if name in types} if {"record_id", "via"} <= set(types) else {}


def _unknown(name: str) -> Problem:
    near = _USAGE.nearest(name)
    hint = f"; did you mean {near!r}?" if near else ""
    cure = "correct `columns:` or `set:`; docs/inputs.md lists the columns"
    return Problem("column-unknown", f"{name!r} is no column of usage{hint}", cure=cure)


def _constant(name: str, value: str) -> tuple[str, str]:
    if name in COUNTS:
        if not re.fullmatch(r"\d{1,15}", str(value)):
            raise UnusableError(
                Problem(
                    "number-unreadable",
                    f"`set: {{{name}: {value}}}` is not a count",
                    cure="write a whole number of 0 or more",
                )
            )
        return f"{value}::BIGINT", "BIGINT"
    return literal(str(value)), "VARCHAR"


def _named(con: duckdb.DuckDBPyConnection, scan: str, types: Mapping[str, str], theirs: str) -> tuple[str, str]:
    """A column by the name that the user gave, or a field of a record by a dotted name."""
    spelled = {name.lower(): name for name in reversed(list(types))}
    if own := (theirs if theirs in types else spelled.get(theirs.lower())):
        return name_of(own), types[own]
    head, *rest = theirs.split(".")
    if rest and head.lower() in spelled and types[spelled[head.lower()]].startswith("STRUCT"):
        path = ".".join(name_of(part) for part in (spelled[head.lower()], *rest))
        try:
            kind = con.execute(f"DESCRIBE SELECT {path} AS x FROM {scan}").fetchall()[0][1]
        except duckdb.Error:
            kind = None
        if kind:
            return path, str(kind)
    near = get_close_matches(theirs, types, 1)
    hint = f"write `{near[0]}`, if that is meant" if near else "name one of: " + ", ".join(list(types)[:12])
    problem = Problem("column-missing", f"`columns:` names `{theirs}`, which the file does not have", cure=hint)
    raise UnusableError(problem)


def _demand(columns: Mapping[str, str], header: Sequence[str]) -> None:
    """Refuse a file that lacks what every call must have."""
    shown = ", ".join(header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
    for name in ("called_at", "provider"):
        if name not in columns:
            cure = f"name it with `columns: {{{name}: <column of the file>}}`"
            if name == "provider":
                cure += " or give it with `set: {provider: <name>}`"
            raise UnusableError(Problem("column-missing", f"no column gives {name!r}; the file has {shown}", cure=cure))
    if not any(name in columns for name in COUNTS if name != "reasoning_tokens"):
        raise UnusableError(
            Problem(
                "column-missing",
                f"no column gives a number of tokens or requests; the file has {shown}",
                cure="name one with `columns: {output_tokens: <column of the file>}`",
            )
        )
