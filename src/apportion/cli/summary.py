"""What a run comes to, in a few lines: the months' totals, what is unallocated, and what to look at next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apportion.money import show
from apportion.period import Period
from apportion.project import Project, View
from apportion.report.bridge import invoices_of
from apportion.report.cents import cents
from apportion.report.context import UNALLOCATED
from apportion.report.notes import counted, unknown_calls
from apportion.report.percentages import percent
from apportion.report.statements import statements
from apportion.report.table import NOT_AVAILABLE, Table


@dataclass(frozen=True)
class Month:
    """One period of a run.

    Attributes:
        period: Which.
        total: All AI cost, in minor units.
        unallocated: What of it nobody owns.
        currency: The ledger's.
        calls: How many calls were read.
        charges: How many rows of bills.
        invoices: How many invoices.
        unknown: How many calls there are, where nothing of the period has a price or a bill.
        not_ai: What was billed beside it and is no AI, in minor units.
    """

    period: Period
    total: int
    unallocated: int
    currency: str
    calls: int
    charges: int
    invoices: int
    unknown: int = 0
    not_ai: int = 0

    @classmethod
    def of(cls, view: View) -> Month:
        """Count a period as it is published."""
        found = cents(view.engine.connection, view.context, view.period)
        said = {"period": str(view.period)}
        asked = {"start": view.period.start, "end": view.period.end}
        fetch = view.engine.connection.execute
        calls = fetch("SELECT SUM(calls) FROM usage_cells WHERE day >= $start AND day < $end", asked).fetchall()
        charges = fetch("SELECT COUNT(*) FROM charges WHERE period = $period", said).fetchall()
        invoices = fetch(
            "SELECT COUNT(*) FROM invoices WHERE period = $period AND status <> 'estimate'", said
        ).fetchall()
        return cls(
            period=view.period,
            total=found.total,
            unallocated=found.by_value.get(UNALLOCATED, 0),
            currency=view.context.currency,
            calls=int(calls[0][0] or 0),
            charges=int(charges[0][0]),
            invoices=int(invoices[0][0]),
            unknown=unknown_calls(view.engine.connection, view.period),
            not_ai=sum(invoice.out_of_scope for invoice in invoices_of(view.engine.connection, view.period)),
        )

    @property
    def line(self) -> str:
        """`October 2026    9,519.07 USD   1.9 % unallocated; 240.00 more is not AI`."""
        if self.unknown:
            verb = "has" if self.unknown == 1 else "have"
            said = f"{counted(self.unknown, 'call')} {verb} no price and no bill"
            return f"  {self.period.title:<16}{NOT_AVAILABLE:>16} {self.currency}   {said}"
        share = percent(self.unallocated, self.total, 1)
        nobodys = "nothing unallocated" if not self.unallocated else f"{share} % unallocated"
        more = f"; {show(self.not_ai, self.currency)} more is not AI" if self.not_ai else ""
        return f"  {self.period.title:<16}{show(self.total, self.currency):>16} {self.currency}   {nobodys}{more}"


def months(project: Project, periods: Sequence[str]) -> list[Month]:
    """Every period of a run as it is published now."""
    found = []
    for text in periods:
        with project.view(Period.parse(text)) as view:
            found.append(Month.of(view))
    return found


def headline(company: str, found: Sequence[Month]) -> str:
    """`Acme, 2 months, 69,123 calls, 109 charges, 5 invoices a month`."""
    invoices = sorted({month.invoices for month in found})
    spread = " to ".join(str(number) for number in dict.fromkeys([*invoices[:1], *invoices[-1:]]))
    said = [
        company,
        counted(len(found), "month"),
        counted(sum(month.calls for month in found), "call"),
        counted(sum(month.charges for month in found), "charge"),
        f"{spread} {'invoice' if spread == '1' else 'invoices'} a month",
    ]
    return ", ".join(said)


def preview_tables(view: View, published: Table | None) -> list[Table]:
    """The statement that a run would publish, with what it would change."""
    table = statements(view.engine.connection, view.context, view.period)
    total = table.row("All AI cost")["total"]
    now = total if isinstance(total, int) else 0
    if published is None:
        note = "A preview; nothing is published for this period yet"
    else:
        before = published.row("All AI cost")["total"]
        moved = now - (before if isinstance(before, int) else 0)
        if published.rows == table.rows:
            note = "A preview; it would change nothing that is published"
        else:
            note = f"A preview; {show(moved, table.currency, sign=True)} {table.currency} on what is published"
    return [replace(table, notes=(note, *table.notes))]
