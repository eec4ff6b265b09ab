"""Where the project's input lies: bills, usage, meters, directory, seats, prices and rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from apportion.config.written import Constant, Name, Text, Written


class Source(Written):
    """A set of files that are read alike."""

    name: Name
    """What the source is called in problems, lineage and reports."""
    path: Text
    """A file or a pattern such as `bills/*.parquet` inside the project, or an object-store address."""
    columns: Mapping[Text, Text] = Field(default_factory=dict)
    """Columns that go by another name in the files: `canonical name: their name`."""
    constants: Mapping[Text, Constant] = Field(default_factory=dict, alias="set")
    """Columns that the files lack: `canonical name: value of every row`."""


class Bill(Source):
    """Money: charges in the FOCUS form, or printed invoice totals."""

    type: Literal["focus", "invoices"] = "focus"
    """`focus`: one row for each charge; `invoices`: one row for each printed invoice, to reconcile to."""


class Usage(Source):
    """Evidence: one row for each call or provider bucket."""

    type: Literal["usage"] = "usage"
    """The form of the rows."""
    tokens: Literal["disjoint", "inclusive", "exclusive"] | None = None
    """Whether cached tokens are counted within input tokens (`inclusive`, as OpenAI does), beside them
    (`exclusive`, as Anthropic does) or in columns of their own (`disjoint`); without it, by column names."""


class Meter(Source):
    """Evidence: a measured quantity that can weigh a pool, such as GPU hours or revenue."""

    unit: Text
    """What is counted, such as `GPU-Hours` or `USD`."""


class Directory(Source):
    """Who is who, with dates."""

    type: Literal["roster", "lookup", "codes"]
    """`roster`: people and their teams; `lookup`: what a key stands for; `codes`: finance's cost centres."""


class Seats(Source):
    """The seats of a tool that is sold by seat."""


class Prices(Written):
    """Where corrections to the price list stand."""

    overrides: Text | None = None
    """A file of negotiated or missing prices."""


class Rates(Written):
    """Currency rates."""

    path: Text
    """A file of rates into the ledger currency."""
