"""Every input column, once: its name, the other names it goes by, its kind and its meaning.

FOCUS columns keep their names in snake case, usage columns follow OpenTelemetry GenAI. The columns
themselves are data (`focus_columns.csv`); the documentation of the inputs is written from here.

Sources: FOCUS 1.0 to 1.4 (https://focus.finops.org/focus-specification/, read 2026-11-23); OpenTelemetry
GenAI semantic conventions and their older names (read 2026-11-23).
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

Kind = Literal["text", "decimal", "integer", "timestamp", "date", "tags", "json"]

_IGNORED = re.compile(r"[_ .]")
_BYTE_ORDER_MARK = "\ufeff"

# What a table is for, and what one row of it is.
_TABLES: tuple[tuple[str, str, str], ...] = (
    ("charges", "A bill in the FOCUS form, version 1.0 to 1.4", "one row of a bill"),
    ("usage", "Calls of AI models: counts and ids, never prompts or answers", "one call or provider bucket"),
    ("meters", "A measured quantity that divides money or idle capacity", "one item, owner and span of days"),
    ("roster", "Who works where, with dates", "one person in one team for one span of days"),
    ("lookup", "What a key stands for, with dates", "one key for one span of days"),
    ("codes", "Finance's own cost centres", "one cost centre for one span of days"),
    ("seats", "The seats of a tool sold by seat", "one seat with one holder for one span of days"),
    ("invoices", "Printed totals to reconcile to", "one invoice"),
    ("fx", "Rates into the ledger currency", "one currency for one month or span of days"),
)

# Tables whose further columns mean something of the user's own.
OPEN_TABLES = frozenset({"charges", "meters", "roster", "lookup", "seats"})
# A source may set these beside its columns: how its days and its numbers are written.
DATE_FORMAT = "date_format"
NUMBER_FORMAT = "number_format"
WRITTEN = frozenset({DATE_FORMAT, NUMBER_FORMAT})

# What a condition may name beside the columns of charges and usage: worked out by the product itself.
_WORKED_OUT = frozenset(
    [
        "provider",
        "model",
        "model_family",
        "model_tier",
        "category",
        "scope",
        "period",
        "day",
        "calls",
        "source",
        "invoice_key",
    ]
)


@dataclass(frozen=True)
class Column:
    """One input column.

    Attributes:
        name: In snake case, as every later stage and every condition calls it.
        kind: How its text is read; `tags` is a JSON object that becomes a map of text.
        aliases: Other spellings that are read as this column.
        required: A file without it cannot be read, unless the source maps or sets it.
        meaning: One sentence for the documentation.
        since: The FOCUS version that brought it; empty outside FOCUS.
        unit: What a number counts; empty for text.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...]
    required: bool
    meaning: str
    since: str
    unit: str


@dataclass(frozen=True)
class Table:
    """The columns of one kind of input.

    Attributes:
        name: As sources are declared.
        meaning: What it is for.
        grain: What one row is.
        columns: In the order of the documentation.
    """

    name: str
    meaning: str
    grain: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def named(self, key: str) -> str | None:
        """The column that a name or an alias stands for, however it is spelled; None if there is none."""
        asked = fold(key)
        for column in self.columns:
            if fold(column.name) == asked:
                return column.name
        for column in self.columns:
            if asked in map(fold, column.aliases):
                return column.name
        return None

    def nearest(self, key: str, cutoff: float = 0.6) -> str | None:
        """The name or alias that a misspelt one most likely means."""
        spelled = {fold(name): name for column in self.columns for name in (*reversed(column.aliases), column.name)}
        # Letters that changed places are the likeliest slip.
        found = [name for name in spelled if sorted(name) == sorted(fold(key))]
        found = found or difflib.get_close_matches(fold(key), spelled, n=1, cutoff=cutoff)
        return spelled[found[0]] if found else None

    def own_names(self, said: Mapping[str, str]) -> dict[str, str]:
        """What a source says of its columns, under the columns' own names; other names stay as they are.

        Args:
            said: By a name, an alias or a name of the user's own.
        """
        return {self.named(key) or key: value for key, value in said.items()}

    def find(self, header: Iterable[str]) -> Mapping[str, str]:
        """Which spelling of a header stands for which column.

        A column's own name wins over its aliases, an earlier alias over a later one, and a header's
        earlier column over a later one; what is left over stands for nothing.

        Args:
            header: Column names as a file writes them.

        Returns:
            The file's spelling by the column's name, for the columns that the file has.
        """
        spelled: dict[str, str] = {}
        for name in header:
            spelled.setdefault(fold(name), name)
        found: dict[str, str] = {}
        taken: set[str] = set()
        for column in self.columns:
            if (own := spelled.get(fold(column.name))) is not None:
                found[column.name] = own
                taken.add(own)
        for column in self.columns:
            for alias in column.aliases:
                other = spelled.get(fold(alias))
                if column.name not in found and other is not None and other not in taken:
                    found[column.name] = other
                    taken.add(other)
        return found


def fold(name: str) -> str:
    """A column name without what spellings differ in: case, underscores, spaces and dots."""
    return _IGNORED.sub("", name.strip().removeprefix(_BYTE_ORDER_MARK).strip('"').lower())


def known_fields() -> frozenset[str]:
    """Every name that a condition may use for a column, beside tags and dimensions."""
    return _WORKED_OUT | {column.name for table in ("charges", "usage") for column in TABLES[table].columns}


def _read() -> Mapping[str, Table]:
    """The tables with the columns that the data file gives them."""
    text = (files("apportion") / "focus_columns.csv").read_text(encoding="utf-8")
    columns: dict[str, list[Column]] = {name: [] for name, _, _ in _TABLES}
    for row in csv.DictReader(text.splitlines()):
        columns[row["table"]].append(
            Column(
                name=row["name"],
                kind=cast("Kind", row["kind"]),
                aliases=tuple(alias for alias in row["aliases"].split("|") if alias),
                required=row["required"] == "yes",
                meaning=row["meaning"],
                since=row["since"],
                unit=row["unit"],
            )
        )
    return MappingProxyType(
        {name: Table(name, meaning, grain, tuple(columns[name])) for name, meaning, grain in _TABLES}
    )


TABLES: Mapping[str, Table] = _read()


def documentation() -> str:
    """The page on input columns, as `docs/inputs.md` holds it."""
    parts = [_INTRODUCTION]
    for table in TABLES.values():
        parts += [f"## {table.name}\n", f"{table.meaning}. One row is {table.grain}.\n"]
        since = any(column.since for column in table.columns)
        head = ["Column", "Kind", "Meaning", "Unit", *(["FOCUS"] if since else []), "Also read as"]
        parts += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        for column in table.columns:
            cells = [
                f"`{column.name}`" + (" (required)" if column.required else ""),
                column.kind,
                column.meaning,
                column.unit,
                *([column.since] if since else []),
                ", ".join(f"`{alias}`" for alias in column.aliases),
            ]
            parts.append("| " + " | ".join(cells) + " |")
        parts.append("")
        if note := _NOTES.get(table.name):
            parts.append(note + "\n")
    return "\n".join(parts)


_INTRODUCTION = """\
# Input columns

Written from `focus.py`; a test holds the two together. Case, underscores, spaces and dots in a column name
do not matter: `BilledCost`, `billed_cost` and `Billed Cost` are one. A source's `columns:` says which column
of the file is meant (`columns: {billed_cost: Amount}`), its `set:` gives a column that the file does not have
(`set: {billing_currency: USD}`). Both take a column by its name or by any other name that it is also read as.
Files are CSV, Parquet, JSONL (one object a line) or JSON, packed as `.gz` or not. A JSON document is a list of
objects, or an object with such a list under `data`, `items`, `records`, `rows`, `results`, `usageItems` or `seats`, as
an API answers; where the list holds time buckets with `results`, each result is a row with the fields of its bucket.
It is read into memory, up to 256 MiB.

A bill's cost is kept to 18 decimals; further digits, which clouds print from binary fractions, are rounded half up
(`cost-rounded`). In Google's billing export each credit of a row becomes a charge of the category Credit, and
`cost_type` says which rows are tax. A path such as `service.description` in `columns:` leads into an object of JSON.

Numbers are plain (`1234.50`, `-0.5`, `1E-7`), without thousands separators; another form needs an example of it, as
`set: {number_format: "1.234,56"}` (not for usage, whose counts are whole). Days and instants are written
`2026-11-03`, `2026-11-03 14:05:00`, `2026-11-03T14:05:00Z` or with an offset, which is converted to UTC;
another form needs `set: {date_format: "%m/%d/%Y"}`. Spans start in and end out: `valid_to` is the first day
that no longer counts; `last_day` is the last one that does.
"""
_ONE_CALL = """\
### One call counts once

A call that several sources or ways tell of is one call: the gateway and the traces of a program, a callback and an
export. It is known by its provider and `call_id`, over all sources and days. Of several records the measured one
counts, before an estimated and a missing one; then the one that tells more; then, of the [usage
log](gateway.md#what-a-record-says), that of the gateway, of `capture`, of LiteLLM, of OpenTelemetry, of rows; then
the source that comes first in the settings. Its tags, its key and its user are its own; what it lacks another record
of the call fills in. Parts of a call stay together. What is left out is counted and told (`calls-metered-twice`,
`duplicate-calls`).

Two answers with ids of their own are two calls, retries among them. Rows without a `call_id`, such as a provider's
sums, are never put together; where such sums and single calls tell of one account on one day, a run says so
(`usage-overlaps`), because both would count.

Records of the usage log say how sure they are. An attempt that never reached the provider, or that it refused without
usage, is no call. An `estimated` one weighs as what it was estimated at, and a `missing` one that may be billed
counts as a call without tokens; a run tells how many there are (`usage-estimated`, `usage-missing`), and `explain`
says which share of a pool's evidence they are."""
_NOTES = {
    "charges": "Every other column is kept under its own name and can be used in a condition as text.",
    "usage": _ONE_CALL,
    "meters": "Every other column is a tag: a column `team` is the tag `team`.",
    "roster": "Every other column can be taken by a look-up, as of the call's date.",
    "lookup": "Every other column is a key or a value: `{key: api_key_id, in: keys, take: team}` reads the"
    " column `api_key_id` as the key (`on:` names another one) and gives the column `team`.",
}
