"""The bridge: every invoice to its last cent, AI or not AI, prepaid or kept in an account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.money import from_minor
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.table import Cell, Column, Row, Table, trimmed


@dataclass(frozen=True)
class Invoice:
    """An invoice of the period; in ledger minor units but for `billed`, `printed` and `rounding`.

    One that is not `converted` has no amount in the ledger currency yet, which is not the same as 0.
    """

    key: str
    issuer: str | None
    number: str | None
    account: str | None
    currency: str
    rate: Decimal | None
    billed: int
    printed: int | None
    ledger: int
    ai: int
    out_of_scope: int
    prepaid: int
    tax_account: int
    rounding: int
    status: str | None
    converted: bool = True

    @property
    def title(self) -> str:
        """Issuer and number, as a reader would ask for it."""
        return " ".join(part for part in (self.issuer, self.number) if part) or self.key.replace("|", " ")

    @property
    def placed(self) -> int:
        """What the accounts of the bridge add up to."""
        return self.ai + self.out_of_scope + self.prepaid + self.tax_account


def invoices_of(con: DuckDBPyConnection, period: Period) -> list[Invoice]:
    """The invoices of a period, by issuer and key; usage without a bill stands among them as an estimate."""
    found = []
    for row in queries.run(con, "invoices", {"period": str(period)}):
        key, issuer, number, account, currency, rate, billed, printed, ledger = row[:9]
        ai, out_of_scope, prepaid, tax_account, rounding = map(_whole, row[9:14])
        found.append(
            Invoice(
                key=key,
                issuer=issuer,
                number=number,
                account=account,
                currency=currency,
                rate=rate,
                billed=_whole(billed),
                printed=None if printed is None else int(printed),
                ledger=_whole(ledger),
                ai=ai,
                out_of_scope=out_of_scope,
                prepaid=prepaid,
                tax_account=tax_account,
                rounding=rounding,
                status=row[14],
                converted=ledger is not None,
            )
        )
    return found


def _whole(cell: int | None) -> int:
    return int(cell or 0)


def bridge(context: Context, period: Period, invoices: list[Invoice]) -> Table:
    """Invoice = AI + not AI + prepaid + tax account, line by line, and what its printer rounded.

    Columns that say the same in every line are left out: a foreign currency, a printed total, a rounding or an
    account that no invoice has.
    """
    foreign = any(invoice.currency != context.currency for invoice in invoices)
    rows: list[Row] = []
    for invoice in invoices:
        printed = None if invoice.printed is None else from_minor(invoice.printed, invoice.currency)
        own = from_minor(invoice.billed, invoice.currency)
        rounding = None if printed is None else printed - own
        # In the ledger's own currency the rows of an invoice are the invoice, and stand there once.
        own_cells: tuple[Cell, Cell] = (invoice.currency, own) if foreign else ("", "")
        rows.append((invoice.title, *own_cells, printed, rounding, *_accounts(invoice)))
    sums: list[Cell] = [
        sum(cell for cell in account if isinstance(cell, int))
        for account in zip(*map(_accounts, invoices), strict=True)
    ]
    balanced = "yes" if all(invoice.placed == invoice.ledger for invoice in invoices) else "NO"
    table = Table(
        name="bridge",
        title=f"Every invoice, to its last cent, {context.currency}",
        columns=(
            Column("invoice", "Invoice"),
            Column("currency", "In", spare=True),
            Column("rows", "Its rows", "decimal", spare=True),
            Column("printed", "Printed", "decimal", spare=True),
            Column("rounding", "Rounding", "decimal", spare=True),
            Column("ledger", "Invoice", "money"),
            Column("ai", "AI", "money"),
            Column("not_ai", "Not AI", "money", spare=True),
            Column("prepaid", "Prepaid", "money", spare=True),
            Column("tax_account", "Tax account", "money", spare=True),
            Column("adds_up", "Adds up"),
        ),
        rows=tuple(rows),
        total=("All invoices", "", "", "", "", *(sums[:5] or [0] * 5), balanced),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
    return trimmed(table)


def _accounts(
    invoice: Invoice,
) -> tuple[int | None, int | None, int | None, int | None, int | None, str]:
    adds_up = "yes" if invoice.placed == invoice.ledger else "NO"
    accounts = (invoice.ledger, invoice.ai, invoice.out_of_scope, invoice.prepaid)
    if not invoice.converted:
        return (None, None, None, None, None, "not converted")
    return (*accounts, invoice.tax_account, adds_up)
