"""A company written by a test: a few charges, a few calls, one run of the real pipeline in this process."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from apportion.cli.reports import REPORTS
from apportion.errors import Problem
from apportion.period import Period
from apportion.pipeline import Outcome, run
from apportion.project import Project
from apportion.report.table import to_csv

Row = Mapping[str, str]
NOVEMBER = "2026-11"

# One token costs one cent, so that metered amounts can be read off the token counts.
PENNY_PRICES = """
prices:
  - {provider: pelion, model: "test-%", from: 2026-01-01, source: decisions, checked: 2026-11-23, input: 10000}
"""
TEAM = "dimensions: {team: [{tag: team}]}"
DIRECT = "allocate: [{name: inference, when: \"category = 'inference'\", method: direct}]"


def charge(cost: str, *, effective: str | None = None, team: str = "", **columns: str) -> dict[str, str]:
    """One FOCUS row of Pelion, an AI vendor, for November; any column can be named.

    Args:
        cost: BilledCost.
        effective: EffectiveCost, if it is another one.
        team: Its own tag `team`.
        columns: FOCUS columns in their own spelling.
    """
    tags = json.dumps({"team": team}) if team else ""
    return {
        "InvoiceId": "P-1", "InvoiceIssuerName": "Pelion", "ProviderName": "Pelion", "BillingAccountId": "acct-1",
        "BillingPeriodStart": "2026-11-01T00:00:00Z", "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "ChargePeriodStart": "2026-11-01T00:00:00Z", "ChargePeriodEnd": "2026-12-01T00:00:00Z",
        "ChargeCategory": "Usage", "ServiceCategory": "AI and Machine Learning", "ServiceName": "Pelion API",
        "BillingCurrency": "USD", "BilledCost": cost, "EffectiveCost": effective or cost, "Tags": tags, **columns,
    }  # fmt: skip


def call(tokens: int, team: str = "", **fields: Any) -> dict[str, Any]:
    """One call of Pelion's test-1 on account acct-1 in November; any field can be named, None leaves it out."""
    tags = {**({"team": team} if team else {}), **fields.pop("tags", {})}
    found = {
        "called_at": "2026-11-03T12:00:00Z", "provider": "pelion", "billing_account_id": "acct-1", "model": "test-1",
        "input_tokens": tokens, "tags": tags, **fields,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def total(rows: Sequence[Row], column: str = "amount") -> Decimal:
    """The sum of one column."""
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


class Company:
    """A project folder.

    Args:
        folder: An empty place for it.
        settings: What its `apportion.yaml` says besides bills, usage and prices.
        charges: Rows of its bill.
        calls: Its usage.
        files: Further files by name.
        currency: The ledger's.
    """

    def __init__(
        self, folder: Path, settings: str, charges: Sequence[Row] = (), calls: Sequence[Mapping[str, Any]] = (),
        files: Mapping[str, str] | None = None, *, currency: str = "USD",
    ) -> None:  # fmt: skip
        self.folder = folder
        self.outcome: Outcome | None = None
        sources = ""
        for name, text in {"prices.yaml": PENNY_PRICES, **(files or {})}.items():
            self.write(name, text)
        if charges:
            self.bill(charges)
        if charges or not calls:
            sources += 'bills: [{name: bill, path: "bills/*.csv"}]\n'
        if calls:
            self.write("calls.jsonl", "".join(json.dumps(one) + "\n" for one in calls))
            sources += (
                "usage: [{name: calls, path: calls.jsonl, tokens: exclusive}]\nprices: {overrides: prices.yaml}\n"
            )
        category = (
            ""
            if "\ncategories:" in settings
            else "categories: [{category: inference, when: \"provider = 'pelion'\"}]\n"
        )
        head = f"company: Decided\ncurrency: {currency}\nowner: team\n"
        self.write("apportion.yaml", head + sources + category + settings)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def bill(self, charges: Sequence[Row], name: str = "bills/bill.csv") -> None:
        """Write a bill."""
        columns = list(dict.fromkeys(column for one in charges for column in one))
        out = io.StringIO()
        writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(charges)
        self.write(name, out.getvalue())

    def run(self, *periods: str) -> Company:
        """Run the periods, or all of them."""
        for period in periods or (None,):
            self.outcome = run(Project.open(self.folder), only=Period.parse(period) if period else None)
        return self

    @property
    def problems(self) -> list[Problem]:
        """What the last run told."""
        assert self.outcome is not None
        return self.outcome.problems

    def slugs(self) -> set[str]:
        """The kinds of the last run's problems."""
        return {problem.slug for problem in self.problems}

    def table(
        self, name: str, period: str = NOVEMBER, *, by: str | None = None, category: str = "inference"
    ) -> list[Row]:
        """An exported table without its total, as text."""
        with Project.open(self.folder).view(Period.parse(period)) as view:
            (found, *_) = REPORTS[name](view, by, category)
        rows: list[Row] = list(csv.DictReader(io.StringIO(to_csv(found))))
        return rows[: len(found.rows)]

    def query(self, query: str, period: str = NOVEMBER) -> list[tuple[Any, ...]]:
        """Ask the published tables."""
        with Project.open(self.folder).view(Period.parse(period)) as view:
            return view.engine.fetch(query)

    def owed(self, period: str = NOVEMBER, *, by: str | None = None) -> dict[str, str]:
        """What each value receives; `unallocated` is left out where it is nothing."""
        rows = self.table("statements", period, by=by)
        found = {next(iter(row.values())): row["total"] for row in rows}
        return {name: amount for name, amount in found.items() if Decimal(amount) or name != "unallocated"}

    def layers(self, period: str = NOVEMBER) -> dict[tuple[str, str], Decimal]:
        """Money by owner and layer."""
        found: dict[tuple[str, str], Decimal] = {}
        for row in self.table("claims", period):
            key = (row["owner"], row["layer"])
            found[key] = found.get(key, Decimal(0)) + Decimal(row["amount"])
        return found
