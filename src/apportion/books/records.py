"""What goes into the books and comes out of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from apportion.errors import InvariantError, Problem

RunStatus = Literal["running", "done", "failed", "superseded"]
EntryStatus = Literal["final", "estimate"]

REVERSAL = "reversal"


@dataclass(frozen=True)
class Run:
    """One pass over the inputs.

    Attributes:
        run_id: Names the run and its files; given by the caller.
        started_at: ISO 8601, UTC.
        version: Of the program.
        config_sha256: Of the project's rules as read.
        engine: Which engine does the work.
        inputs_sha256: Over all inputs, once they are known.
        note: For people.
        status: Where it stands.
        finished_at: ISO 8601, UTC; None while it is at work.
        scope: The period that it works for; `*` for all of them, None for none.
    """

    run_id: str
    started_at: str
    version: str
    config_sha256: str
    engine: str
    inputs_sha256: str | None = None
    note: str | None = None
    status: RunStatus = "running"
    finished_at: str | None = None
    scope: str | None = None


@dataclass(frozen=True)
class Input:
    """A file that a run read: which source it belongs to, what table it fed, its bytes' SHA-256."""

    source: str
    table_name: str
    name: str
    size_bytes: int
    sha256: str


class PartLike(Protocol):
    """What the manifest needs to know of a file that the warehouse wrote."""

    @property
    def table(self) -> str:
        """The table it is a part of."""

    @property
    def period(self) -> str:
        """Its accounting period."""

    @property
    def path(self) -> str:
        """Relative to the project, with forward slashes."""

    @property
    def rows(self) -> int:
        """How many it holds."""

    @property
    def control_sum(self) -> str | None:
        """The exact sum of the table's control column, as text."""

    @property
    def sha256(self) -> str:
        """Of its bytes."""


@dataclass(frozen=True)
class ManifestPart:
    """A file of the manifest; `path` is relative to the project."""

    table: str
    period: str
    path: str
    rows: int
    control_sum: str | None
    sha256: str


@dataclass(frozen=True)
class Fold:
    """What a slice of calls became, so that a later run can tell whether it would become the same.

    Attributes:
        label: The source and the days, for people.
        fingerprint: Everything that the cells follow from; empty where rows of the slice were set aside.
        source_rows: Rows of the files that went into the cells.
        repeated_rows: Rows that were left out because another has their call.
        parts: The files of the cells.
    """

    label: str
    fingerprint: str
    source_rows: int
    repeated_rows: int
    parts: tuple[PartLike, ...]


@dataclass(frozen=True)
class Control:
    """What a stage counted for a period.

    Attributes:
        period: The accounting period.
        stage: Which stage.
        what: What was counted, in words.
        value: The total, as exact text with its unit or currency.
        sha256: Of the content that was counted, where it is hashed.
        ok: Whether it agrees with the stage before.
    """

    period: str
    stage: str
    what: str
    value: str
    sha256: str | None = None
    ok: bool = True


@dataclass(frozen=True)
class Posting:
    """One side of an entry.

    Attributes:
        account: Such as `owner:search` or `clearing:<invoice key>`.
        amount_minor: In minor units of the entry's currency; a debit is positive, a credit negative.
        owner: Who ends up with the cost, on owner accounts.
    """

    account: str
    amount_minor: int
    owner: str | None = None


@dataclass(frozen=True)
class Entry:
    """One balanced set of postings for one pool, or for one account of an invoice.

    Attributes:
        period: The accounting period.
        pool_id: The pool, or `invoice:<invoice key>`; with `kind`, unique in a period.
        kind: `allocation`, `invoice`, `out_of_scope`, `prepaid`, ...; never `reversal`.
        status: `estimate` until the bill is there.
        memo: What it is, for people: the rule and its version.
        currency: The ledger's.
        postings: They add up to 0.
    """

    period: str
    pool_id: str
    kind: str
    status: EntryStatus
    memo: str
    currency: str
    postings: tuple[Posting, ...]

    @cached_property
    def content_sha256(self) -> str:
        """What the entry says, whatever the order of its postings."""
        lines = sorted([p.account, p.owner or "", str(p.amount_minor)] for p in self.postings)
        said = [self.period, self.pool_id, self.kind, self.status, self.memo, self.currency, lines]
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it one entry: period, pool and kind."""
        return (self.period, self.pool_id, self.kind)

    def check(self) -> None:
        """Hold the entry to law L1.

        Raises:
            InvariantError: It has no postings, they do not add up to 0, or it calls itself a reversal.
        """
        if self.kind == REVERSAL or not self.postings:
            raise InvariantError("L1", f"entry of {self.pool_id}", "postings of its own", self.kind)
        total = sum(posting.amount_minor for posting in self.postings)
        if total:
            raise InvariantError("L1", f"sum of the {self.kind} entry of {self.pool_id}", 0, total)


@dataclass(frozen=True)
class BookedEntry:
    """An entry as it stands in the books.

    Attributes:
        entry_id: A short hash of what it says, and how often that has been said.
        entry: What it says.
        run_id: The run that posted it.
        reverses_entry_id: The entry that a reversal takes back.
    """

    entry_id: str
    entry: Entry
    run_id: str
    reverses_entry_id: str | None = None


@dataclass(frozen=True)
class Publication:
    """Everything that one run makes public, in one transaction.

    Attributes:
        periods: All periods that the run speaks for, those without any money among them.
        parts: The files that the warehouse wrote.
        entries: The journal as the run says it, whole, for these periods.
        controls: What each stage counted.
        inputs: The files that were read.
        problems: What was wrong with the project or its data.
        folds: What slices of calls became, each with files that are among `parts`.
    """

    periods: Sequence[str]
    parts: Sequence[PartLike] = ()
    entries: Sequence[Entry] = ()
    controls: Sequence[Control] = ()
    inputs: Sequence[Input] = ()
    problems: Sequence[Problem] = ()
    folds: Sequence[Fold] = ()


@dataclass(frozen=True)
class Published:
    """What a publish did to the journal: how many entries were kept, posted and reversed."""

    kept: int
    posted: int
    reversed: int
