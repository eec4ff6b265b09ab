"""The journal: entries are added, never changed; what no longer holds is reversed by a new entry.

An entry is in force when it is no reversal and nothing reverses it. A publish compares what a run says with
what is in force: the same is kept, the rest is reversed, the new is posted. So an estimate is literally
reversed when its bill arrives, and publishing the same thing twice posts nothing (law L7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from apportion.books.records import REVERSAL, BookedEntry, Entry, EntryStatus, Posting, Published
from apportion.books.schema import journal_entries, postings
from apportion.errors import InvariantError

_ID_DIGITS = 16


@dataclass(frozen=True)
class Change:
    """What a publish does to the journal.

    Attributes:
        keep: Entries in force that still hold.
        reverse: Entries in force that no longer do.
        post: Entries that are new.
    """

    keep: tuple[BookedEntry, ...]
    reverse: tuple[BookedEntry, ...]
    post: tuple[Entry, ...]


def compare(said: Iterable[Entry], in_force: Iterable[BookedEntry]) -> Change:
    """Find the least that makes the journal say what a run says.

    Args:
        said: Every entry of the run for some periods.
        in_force: Every entry in force of the same periods.

    Raises:
        InvariantError: An entry does not balance, or two of them are for the same period, pool and kind.
    """
    wanted: dict[tuple[str, str, str], Entry] = {}
    for entry in said:
        entry.check()
        if entry.key in wanted:
            raise InvariantError("L1", f"entries of kind {entry.kind} for {entry.pool_id}", 1, 2)
        wanted[entry.key] = entry
    keep, reverse = [], []
    for booked in in_force:
        now = wanted.get(booked.entry.key)
        if now is not None and now.content_sha256 == booked.entry.content_sha256:
            keep.append(booked)
            del wanted[now.key]
        else:
            reverse.append(booked)
    return Change(tuple(keep), tuple(reverse), tuple(wanted[key] for key in sorted(wanted)))


def write(connection: sa.Connection, run_id: str, periods: Sequence[str], said: Sequence[Entry]) -> Published:
    """Bring the journal of some periods to what a run says, inside the caller's transaction.

    Args:
        connection: In a writing transaction.
        run_id: The run that says it.
        periods: All periods of the run; what is in force in them and not said any more is reversed.
        said: The entries.

    Returns:
        How many entries were kept, posted and reversed.

    Raises:
        InvariantError: An entry does not balance or is outside the periods, or what was read back differs.
    """
    for entry in said:
        if entry.period not in periods:
            raise InvariantError("L1", f"period of the entry of {entry.pool_id}", sorted(periods), entry.period)
    change = compare(said, in_force(connection, periods))
    times = _times_said(connection, periods)
    new = [_reversal(booked, run_id) for booked in change.reverse]
    for entry in change.post:
        count = times[entry.content_sha256] + 1
        new.append(BookedEntry(f"{entry.content_sha256[:_ID_DIGITS]}-{count}", entry, run_id))
    _insert(connection, new)
    _read_back(connection, periods, said)
    return Published(len(change.keep), len(change.post), len(change.reverse))


def in_force(connection: sa.Connection, periods: Collection[str]) -> list[BookedEntry]:
    """The entries of some periods that hold: no reversals, and nothing that one reverses."""
    reversing = journal_entries.alias("reversing")
    reversed_ids = sa.select(reversing.c.reverses_entry_id).where(reversing.c.reverses_entry_id.is_not(None))
    return read(
        connection,
        journal_entries.c.period.in_(list(periods)),
        journal_entries.c.kind != REVERSAL,
        journal_entries.c.entry_id.not_in(reversed_ids),
    )


def read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[BookedEntry]:
    """Entries with their postings, ordered by period, pool, kind and id."""
    order = [journal_entries.c[name] for name in ("period", "pool_id", "kind", "entry_id")]
    rows = connection.execute(
        sa.select(journal_entries, postings)
        .join(postings, postings.c.entry_id == journal_entries.c.entry_id)
        .where(*conditions)
        .order_by(*order, postings.c.account, postings.c.posting_id)
    )
    heads: dict[str, sa.Row[tuple[object, ...]]] = {}
    sides: dict[str, list[Posting]] = {}
    for row in rows:
        heads.setdefault(row.entry_id, row)
        sides.setdefault(row.entry_id, []).append(Posting(row.account, row.amount_minor, row.owner))
    return [_booked(heads[entry_id], tuple(sides[entry_id])) for entry_id in heads]


def _booked(row: sa.Row[tuple[object, ...]], sides: tuple[Posting, ...]) -> BookedEntry:
    status: EntryStatus = "estimate" if row.status == "estimate" else "final"
    entry = Entry(row.period, row.pool_id, row.kind, status, row.memo, row.currency, sides)
    return BookedEntry(row.entry_id, entry, row.run_id, row.reverses_entry_id)


def _times_said(connection: sa.Connection, periods: Sequence[str]) -> Counter[str]:
    rows = connection.execute(
        sa.select(journal_entries.c.content_sha256, sa.func.count())
        .where(journal_entries.c.period.in_(list(periods)), journal_entries.c.kind != REVERSAL)
        .group_by(journal_entries.c.content_sha256)
    )
    return Counter({str(sha256): int(count) for sha256, count in rows})


def _reversal(booked: BookedEntry, run_id: str) -> BookedEntry:
    entry = booked.entry
    back = Entry(
        entry.period,
        entry.pool_id,
        REVERSAL,
        entry.status,
        f"Reverses {booked.entry_id}: {entry.memo}",
        entry.currency,
        tuple(Posting(side.account, -side.amount_minor, side.owner) for side in entry.postings),
    )
    return BookedEntry(f"{booked.entry_id}-r", back, run_id, booked.entry_id)


def _insert(connection: sa.Connection, new: Sequence[BookedEntry]) -> None:
    if not new:
        return
    sides = [
        {
            "posting_id": f"{booked.entry_id}/{n}",
            "entry_id": booked.entry_id,
            "account": side.account,
            "owner": side.owner,
            "amount_minor": side.amount_minor,
            "currency": booked.entry.currency,
        }
        for booked in new
        for n, side in enumerate(booked.entry.postings, start=1)
    ]
    # Postings first: inserting the entry seals them, and the database refuses it unless they balance.
    connection.execute(postings.insert(), sides)
    connection.execute(
        journal_entries.insert(),
        [
            {
                "entry_id": booked.entry_id,
                "period": booked.entry.period,
                "pool_id": booked.entry.pool_id,
                "kind": booked.entry.kind,
                "status": booked.entry.status,
                "memo": booked.entry.memo,
                "content_sha256": booked.entry.content_sha256,
                "run_id": booked.run_id,
                "reverses_entry_id": booked.reverses_entry_id,
            }
            for booked in new
        ],
    )


def _read_back(connection: sa.Connection, periods: Sequence[str], said: Sequence[Entry]) -> None:
    """Every account of the periods, over all that was ever posted, must hold what the run says."""
    expected: Counter[tuple[str, str]] = Counter()
    for entry in said:
        for side in entry.postings:
            expected[entry.period, side.account] += side.amount_minor
    found = {
        (str(period), str(account)): int(total)
        for period, account, total in connection.execute(
            sa.select(journal_entries.c.period, postings.c.account, sa.func.sum(postings.c.amount_minor))
            .join(postings, postings.c.entry_id == journal_entries.c.entry_id)
            .where(journal_entries.c.period.in_(list(periods)))
            .group_by(journal_entries.c.period, postings.c.account)
        )
    }
    for key in sorted({*expected, *found}):
        if expected[key] != found.get(key, 0):
            raise InvariantError("L1", f"account {key[1]} in {key[0]}", expected[key], found.get(key, 0))
