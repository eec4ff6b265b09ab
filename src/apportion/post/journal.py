"""From pools and claims to balanced entries in whole minor units.

Accounts, all in the ledger currency, debits positive:

- `owner:<owner>` ends up with the cost, `owner:unallocated` among them;
- `clearing:<invoice key>` stands between an invoice and what becomes of it, and ends at 0;
- `invoice:<invoice key>` is what its issuer is owed, as printed;
- `out_of_scope`, `prepaid`, `tax`, `credit_bank`, `fx`, `rounding` keep what no owner gets;
- `accrual:<invoice key>` is owed for usage whose bill has not arrived (decision D4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apportion.books.records import Entry, EntryStatus, Posting
from apportion.errors import InvariantError
from apportion.warehouse.engine import Engine

ALLOCATION = "allocation"
INVOICE = "invoice"

# What an invoice's rows hold besides pools, and the account that keeps it.
_KEPT = {
    "out_of_scope_minor": "out_of_scope",
    "prepaid_minor": "prepaid",
    "tax_account_minor": "tax",
    "credit_bank_minor": "credit_bank",
    "fx_minor": "fx",
}
_ROUNDING = "rounding_minor"

# A claim of this owner feeds another rule's pool; its money goes back to where that pool takes it from.
_FEED = "pool:"


@dataclass(frozen=True)
class Totals:
    """What the journal of a period must add up to, in minor units, counted from the tables themselves.

    Attributes:
        owners: What all owners end up with.
        invoices: What all issuers are owed, as printed.
        accruals: What usage without a bill is estimated at.
        kept: What each named account keeps, those with nothing left out.
    """

    owners: int
    invoices: int
    accruals: int
    kept: Mapping[str, int]


def build_entries(engine: Engine, period: str, currency: str) -> list[Entry]:
    """The whole journal of a period as the tables `pools`, `claims` and `invoices` say it.

    Args:
        engine: Holds the tables.
        period: The accounting period.
        currency: The ledger's.

    Returns:
        Entries that each add up to 0, ordered by pool and kind.

    Raises:
        InvariantError: A pool's claims, or an invoice's parts, do not add up to it (law L1).
    """
    invoices = _invoices(engine, period)
    pools = engine.records(
        f"SELECT {', '.join(_pool_columns(engine))} FROM pools WHERE period = $1 ORDER BY pool_id", [period]
    )
    claims: dict[str, list[tuple[str, int]]] = {}
    for pool_id, owner, amount in engine.fetch(
        "SELECT c.pool_id, c.owner, CAST(SUM(c.amount_minor) AS BIGINT) FROM claims AS c"
        " JOIN pools AS p ON p.pool_id = c.pool_id WHERE p.period = $1"
        " GROUP BY c.pool_id, c.owner ORDER BY c.pool_id, c.owner",
        [period],
    ):
        claims.setdefault(pool_id, []).append((owner, amount))
    entries: list[Entry] = []
    cleared: Counter[str] = Counter()
    for pool in pools:
        sides = _sides(pool, claims.get(pool["pool_id"], []))
        owned = sum(side.amount_minor for side in sides)
        if owned:
            contra = _contra(pool, invoices, period)
            cleared[contra] += owned
            sides.append(Posting(contra, -owned))
        if sides:
            entries.append(_allocation(pool, tuple(sides), period, currency))
    for invoice in invoices.values():
        entries.extend(_of_invoice(invoice, cleared[f"clearing:{invoice['invoice_key']}"], period, currency))
    for entry in entries:
        entry.check()
    return sorted(entries, key=lambda entry: entry.key)


def expected_totals(engine: Engine, period: str) -> Totals:
    """Count from the tables, apart from any entry, what the journal must add up to.

    Args:
        engine: Holds `pools`, `claims` and `invoices`.
        period: The accounting period.
    """
    earlier = "p.invoice_period <> p.period" if "invoice_period" in engine.describe("pools") else "false"
    ((owners, accruals, carried),) = engine.fetch(
        "SELECT COALESCE(SUM(c.amount_minor), 0),"
        " COALESCE(SUM(c.amount_minor) FILTER (WHERE p.status = 'estimate'), 0),"
        f" COALESCE(SUM(c.amount_minor) FILTER (WHERE p.status <> 'estimate' AND {earlier}), 0)"
        " FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id"
        " WHERE p.period = $1 AND NOT starts_with(c.owner, $2)",
        [period, _FEED],
    )
    invoices = _invoices(engine, period).values()
    kept: Counter[str] = Counter()
    for invoice in invoices:
        for column, account in _KEPT.items():
            kept[account] += invoice.get(column) or 0
        kept["rounding"] += invoice.get(_ROUNDING) or 0
    owed = sum(invoice["ledger_minor"] + (invoice.get(_ROUNDING) or 0) for invoice in invoices)
    # A pool of an earlier period's invoice uses up what that period kept.
    kept["prepaid"] -= carried
    return Totals(owners, owed, accruals, {account: amount for account, amount in kept.items() if amount})


def check_entries(entries: Sequence[Entry], totals: Totals) -> None:
    """Hold the journal of a period to law L1 before it is written.

    Args:
        entries: All of them.
        totals: Counted from the tables.

    Raises:
        InvariantError: An entry does not add up to 0, or an account is not what the tables say.
    """
    balances: Counter[str] = Counter()
    for entry in entries:
        entry.check()
        for side in entry.postings:
            balances[side.account] += side.amount_minor
    check_balances(balances, totals)


def check_balances(balances: Mapping[str, int], totals: Totals) -> None:
    """Hold the accounts of a period, as built or as read back from the books, to law L1.

    Args:
        balances: In minor units by account, over everything posted in the period.
        totals: Counted from the tables.

    Raises:
        InvariantError: The first account that is not what the tables say.
    """
    sums: Counter[str] = Counter()
    for account, amount in balances.items():
        kind = account.split(":", 1)[0]
        sums[kind] += amount
        if kind == "clearing" and amount:
            raise InvariantError("L1", f"what is left on {account}", 0, amount)
    for kind, expected in (
        ("owner", totals.owners),
        ("invoice", -totals.invoices),
        ("accrual", -totals.accruals),
    ):
        if sums[kind] != expected:
            raise InvariantError("L1", f"sum of the {kind} accounts", expected, sums[kind])
    for account in sorted({*_KEPT.values(), "rounding"}):
        if sums[account] != totals.kept.get(account, 0):
            raise InvariantError("L1", f"account {account}", totals.kept.get(account, 0), sums[account])
    if sum(sums.values()):
        raise InvariantError("L1", "sum of all accounts", 0, sum(sums.values()))


def _pool_columns(engine: Engine) -> list[str]:
    wanted = (
        "pool_id",
        "rule",
        "rule_version",
        "status",
        "invoice_key",
        "invoice_period",
        "basis",
        "amount_minor",
    )
    there = engine.describe("pools")
    return [column for column in wanted if column in there]


def _invoices(engine: Engine, period: str) -> dict[str, dict[str, Any]]:
    """The invoices whose total is known in the ledger currency; one without a rate holds no pools either."""
    there = engine.describe("invoices")
    named = ["invoice_key", "ledger_minor", *(c for c in (*_KEPT, _ROUNDING) if c in there)]
    rows = engine.records(
        f"SELECT {', '.join(named)} FROM invoices"
        " WHERE period = $1 AND ledger_minor IS NOT NULL AND status <> 'estimate' ORDER BY invoice_key",
        [period],
    )
    return {row["invoice_key"]: row for row in rows}


def _contra(pool: Mapping[str, Any], invoices: Mapping[str, object], period: str) -> str:
    """The account that a pool's money comes from."""
    key = pool["invoice_key"]
    if pool["status"] == "estimate":
        return f"accrual:{key}"
    if pool.get("invoice_period", period) != period:
        return "prepaid"
    if key not in invoices:
        raise InvariantError("L1", f"invoice of the pool {pool['pool_id']}", "one of the period", key)
    return f"clearing:{key}"


def _sides(pool: Mapping[str, Any], claims: Sequence[tuple[str, int]]) -> list[Posting]:
    """What each owner gets of a pool, feeds to other pools left out."""
    claimed = sum(amount for _, amount in claims)
    if claimed != pool["amount_minor"]:
        raise InvariantError("L1", f"claims of the pool {pool['pool_id']}", pool["amount_minor"], claimed)
    return [
        Posting(f"owner:{owner}", amount, owner) for owner, amount in claims if amount and not owner.startswith(_FEED)
    ]


def _allocation(pool: Mapping[str, Any], sides: tuple[Posting, ...], period: str, currency: str) -> Entry:
    status: EntryStatus = "estimate" if pool["status"] == "estimate" else "final"
    memo = f"{pool['rule']} v{pool['rule_version']}"
    if pool.get("basis"):
        memo += f", by {pool['basis']}"
    return Entry(period, pool["pool_id"], ALLOCATION, status, memo, currency, sides)


def _of_invoice(invoice: Mapping[str, Any], cleared: int, period: str, currency: str) -> list[Entry]:
    """Book an invoice to its clearing account, and from there what no owner gets to where it is kept."""
    key = invoice["invoice_key"]
    clearing = f"clearing:{key}"
    rounding = invoice.get(_ROUNDING) or 0
    kept = {account: invoice.get(column) or 0 for column, account in _KEPT.items()}
    if cleared + sum(kept.values()) != invoice["ledger_minor"]:
        raise InvariantError(
            "L1", f"pools and kept amounts of {key}", invoice["ledger_minor"], cleared + sum(kept.values())
        )
    moves = {
        INVOICE: (clearing, f"invoice:{key}", invoice["ledger_minor"] + rounding),
        **{account: (account, clearing, amount) for account, amount in kept.items()},
        "rounding": ("rounding", clearing, rounding),
    }
    return [
        Entry(
            period,
            f"invoice:{key}",
            kind,
            "final",
            f"{kind.replace('_', ' ')} of {key}",
            currency,
            (Posting(to, amount), Posting(source, -amount)),
        )
        for kind, (to, source, amount) in moves.items()
        if amount
    ]
