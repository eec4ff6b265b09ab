"""The certificate of conservation: every stage's control total, every invoice's bridge, and one last line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from apportion.money import from_minor, show
from apportion.period import Period
from apportion.report.bridge import bridge, invoices_of
from apportion.report.cents import cents
from apportion.report.context import Context
from apportion.report.table import Column, Table, to_data
from apportion.report.terminal import to_text


@dataclass(frozen=True)
class StageControl:
    """What one stage says it wrote, and whether that was found again.

    Attributes:
        stage: Its name, in the order of the flow.
        what: What was summed or counted, in words.
        value: The control total, as text with its unit.
        sha256: Of the content; empty if the stage writes none.
        ok: Whether the next stage, or the certificate, found the same.
    """

    stage: str
    what: str
    value: str
    sha256: str
    ok: bool


@dataclass(frozen=True)
class Certificate:
    """Whether every cent was placed once, and what shows it.

    Attributes:
        period: The accounting period.
        tables: `stages` and `bridge`.
        amounts: Minor units per stage: charges, allocated, posted, statements, each by its own query.
        currency: The ledger currency.
        ok: Every stage is, every bridge adds up and all amounts are one number.
    """

    period: Period
    tables: tuple[Table, ...]
    amounts: tuple[tuple[str, int], ...]
    currency: str
    ok: bool

    @property
    def line(self) -> str:
        """The last line: `✓ every cent placed once: charges 1.00 = allocated 1.00 = …`."""
        sign = " = " if len({minor for _, minor in self.amounts}) == 1 else " ≠ "
        sums = sign.join(f"{name} {show(minor, self.currency)}" for name, minor in self.amounts)
        words = "✓ every cent placed once" if self.ok else "✗ not every cent is placed once"
        return f"{words}: {sums}"

    def to_text(self) -> str:
        """The certificate for people."""
        return to_text(self.tables) + "\n" + self.line + "\n"

    def to_data(self) -> dict[str, Any]:
        """The certificate as plain data, money as decimal text with its currency."""
        amounts = {
            name: {"amount": str(from_minor(minor, self.currency)), "currency": self.currency}
            for name, minor in self.amounts
        }
        return {
            "period": str(self.period),
            "ok": self.ok,
            "line": self.line,
            "amounts": amounts,
            **{table.name: to_data(table) for table in self.tables},
        }

    def to_json(self) -> str:
        """The certificate as JSON, keys in a stable order."""
        return json.dumps(self.to_data(), ensure_ascii=False, indent=2) + "\n"


def certificate(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    stages: Sequence[StageControl],
    *,
    posted_minor: int | None = None,
) -> Certificate:
    """Put the stages' controls beside totals that are summed again here, each from its own table.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        stages: What each stage wrote, in the order of the flow.
        posted_minor: The sum of the period's postings in the books; of the claims if not given.
    """
    invoices = invoices_of(con, period)
    # What has no invoice behind it yet was charged as an estimate, and says so in its own line.
    estimates = _sum(
        con,
        "SELECT SUM(c.amount_minor) FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id"
        " WHERE p.period = $period AND p.status = 'estimate' AND NOT c.owner LIKE 'pool:%'",
        period,
    )
    allocated_nano = _sum(
        con,
        "SELECT SUM(cost_nano) FROM allocated_charges WHERE period = $period AND NOT owner LIKE 'pool:%'",
        period,
    )
    claimed = _sum(
        con,
        "SELECT SUM(c.amount_minor) FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id"
        " WHERE p.period = $period AND NOT c.owner LIKE 'pool:%'",
        period,
    )
    allocated, rest = divmod(allocated_nano, context.unit)
    amounts = (
        ("charges", sum(invoice.ai for invoice in invoices if invoice.status != "estimate") + estimates),
        ("allocated", allocated),
        ("posted", claimed if posted_minor is None else posted_minor),
        ("statements", cents(con, context, period).total),
    )
    bridged = all(invoice.placed == invoice.ledger for invoice in invoices)
    equal = len({minor for _, minor in amounts}) == 1 and rest == 0
    table = Table(
        name="stages",
        title=f"Conservation, {period.title}",
        columns=(
            Column("stage", "Stage"),
            Column("what", "Control total of"),
            Column("value", "Value"),
            Column("sha256", "SHA-256", short=12),
            Column("ok", "OK"),
        ),
        rows=tuple((s.stage, s.what, s.value, s.sha256, "ok" if s.ok else "NOT OK") for s in stages),
        notes=(*_estimate_note(estimates, context.currency), *_rest_note(rest), *_run_note(context)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
    return Certificate(
        period=period,
        tables=(table, bridge(context, period, invoices)),
        amounts=amounts,
        currency=context.currency,
        ok=all(stage.ok for stage in stages) and bridged and equal,
    )


def _estimate_note(estimates: int, currency: str) -> tuple[str, ...]:
    if not estimates:
        return ()
    return (f"charges include {show(estimates, currency)} {currency} of estimates, for usage without a bill",)


def _rest_note(rest: int) -> tuple[str, ...]:
    return (f"allocated is {rest:,} nano-units more than whole cents",) if rest else ()


def _run_note(context: Context) -> tuple[str, ...]:
    if not context.run:
        return ()
    return (f"Run {context.run}; a hash is of contents, and the same for every run over the same input",)


def _sum(con: DuckDBPyConnection, query: str, period: Period) -> int:
    row = con.execute(query, {"period": str(period)}).fetchone()
    return int(row[0] or 0) if row else 0
