"""References: what a reader may call an amount by, and the pools that are meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.errors import WrongUsage
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context, shown_value

_MOST_NAMED = 5


@dataclass(frozen=True)
class Reference:
    """What was asked for.

    Attributes:
        pools: Their ids, in the order of their rules.
        owner: Only this owner's part, as a reader may see it; None is everybody's.
    """

    pools: tuple[str, ...]
    owner: str | None


@dataclass(frozen=True)
class _Names:
    pool: str
    rule: str
    item: str
    invoice: str
    category: str
    model: str

    @property
    def all(self) -> tuple[frozenset[str], ...]:
        """What the pool is called by, the most particular names first."""
        item, number = self.item.strip("/"), self.invoice.rpartition("|")[2]
        items = {item, f"{self.rule}: {item}"} if item else set()
        invoices = {self.invoice, number, self.invoice.replace("|", " ")} if self.invoice else set()
        return (
            frozenset({self.pool}),
            frozenset({self.rule}),
            frozenset(items),
            frozenset(invoices),
            frozenset({self.model} - {""}),
            frozenset({self.category}),
        )


def resolve(
    con: DuckDBPyConnection, context: Context, reference: str, *, period: Period | None, owner: str | None
) -> Reference:
    """Find the pools that a reference means.

    It may be a posting's entry, a pool or the only pool that begins so, an owner, a rule, an item, an invoice, a
    model or a category, and is tried in this order.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        reference: As the reader wrote it.
        period: The accounting period of everything but pools; all of them if not given.
        owner: Only this owner's part.

    Raises:
        WrongUsage: It means nothing, or the owner has no part in it.
    """
    whose = None if owner is None else shown_value(context, context.owner, owner)
    posted = _posted(con, context, reference)
    if posted is not None:
        return Reference(posted.pools, whose or posted.owner)
    known = [_Names(*row) for row in queries.run(con, "reference", {"period": None})]
    exact = [names.pool for names in known if names.pool == reference]
    if not exact and (owned := _owned(con, context, reference, period)) is not None:
        return owned
    now = known
    if period is not None:
        now = [_Names(*row) for row in queries.run(con, "reference", {"period": str(period)})]
    # A name of the month before, such as its invoice, is no mistake where this month has none like it.
    pools = exact or _named(now, reference) or _named(known, reference)
    if not pools:
        raise _unknown(con, context, known, reference)
    return Reference(_with_owner(con, context, pools, whose), whose)


def _posted(con: DuckDBPyConnection, context: Context, reference: str) -> Reference | None:
    if not queries.has(con, "postings"):
        return None
    query = "SELECT pool_id, owner FROM postings WHERE posting_id = $id ORDER BY 1, 2"
    found = con.execute(query, {"id": reference}).fetchall()
    if not found:
        return None
    owners = {shown_value(context, context.owner, str(row[1])) for row in found}
    return Reference(tuple(dict.fromkeys(str(row[0]) for row in found)), owners.pop() if len(owners) == 1 else None)


def _owned(con: DuckDBPyConnection, context: Context, reference: str, period: Period | None) -> Reference | None:
    if period is None:
        return None
    names = {"d": queries.shown(context, context.owner, "owner")}
    for name in dict.fromkeys((reference, shown_value(context, context.owner, reference))):
        rows = queries.run(con, "owner_claims", {"period": str(period), "value": name}, names)
        if rows:
            return Reference(tuple(dict.fromkeys(str(row[0]) for row in rows)), name)
    return None


def _named(known: Sequence[_Names], reference: str) -> list[str]:
    for case in (str, str.casefold):
        wanted = case(reference)
        for kind in range(len(known[0].all) if known else 0):
            pools = [names.pool for names in known if wanted in {case(name) for name in names.all[kind]}]
            if pools:
                return pools
    begun = [names.pool for names in known if names.pool.startswith(reference)]
    return begun if len(begun) == 1 else []


def _with_owner(con: DuckDBPyConnection, context: Context, pools: Sequence[str], owner: str | None) -> tuple[str, ...]:
    """The pools that an owner has a part in; all of them for nobody in particular."""
    if owner is None:
        return tuple(pools)
    names = {"d": queries.shown(context, context.owner, "owner")}
    claimed = {pool: {str(row[0]) for row in _claims(con, pool, names)} for pool in pools}
    mine = tuple(pool for pool in pools if owner in claimed[pool])
    if not mine:
        others = sorted(set().union(*claimed.values()))
        listed = ", ".join(others[:_MOST_NAMED]) + (" and others" if len(others) > _MOST_NAMED else "")
        near = difflib.get_close_matches(owner, others, n=1)
        raise WrongUsage(
            "unknown-owner",
            f"{owner!r} has no part in it; {listed} {'has' if len(others) == 1 else 'have'}.",
            cure=f"did you mean {near[0]!r}?" if near else "name one of them, or leave out --owner",
        )
    return mine


def _claims(con: DuckDBPyConnection, pool: str, names: dict[str, queries.Expression]) -> queries.Rows:
    return queries.run(con, "pool_claims", {"pool": pool}, names)


def _unknown(con: DuckDBPyConnection, context: Context, known: Sequence[_Names], reference: str) -> WrongUsage:
    begun = [names.pool for names in known if names.pool.startswith(reference)]
    if begun:
        return WrongUsage(
            "unknown-reference",
            f"{len(begun):,} pools begin with {reference!r}: {', '.join(begun[:_MOST_NAMED])}.",
            cure="Write more of the one you mean.",
        )
    listed = {name for names in known for kind in names.all for name in kind}
    owners = con.execute("SELECT DISTINCT owner FROM claims WHERE NOT owner LIKE 'pool:%' ORDER BY owner").fetchall()
    listed |= {shown_value(context, context.owner, str(row[0])) for row in owners}
    near = difflib.get_close_matches(reference, sorted(listed), n=1)
    return WrongUsage(
        "unknown-reference",
        f"{reference!r} is no pool, rule, item, invoice, model, category or posting,"
        " and no owner with an amount in the period.",
        cure=f"did you mean {near[0]!r}?" if near else "Take a name from `apportion statement` or `export pools`.",
    )
