"""The page: one HTML file without a request, a script or a clock, to read, to print and to pass on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from markupsafe import Markup

from apportion.money import show
from apportion.report.html import Look, drawn, to_html
from apportion.report.notes import counted
from apportion.report.page.anchors import Anchors
from apportion.report.page.pictures import days_chart, layers_bar, owner_bars
from apportion.report.page.report import OwnerSection, PoolSection, Report
from apportion.report.percentages import percent
from apportion.report.table import Cell, Column, Table
from apportion.report.terminal import for_people

# Parts of a statement that are no layer.
_IN_NO_BAR = ("credits", "tax", "adjustments")
_POOL_FACTS = {
    "rule": "Rule",
    "kind": "Kind",
    "origin": "From",
    "source_rows": "Source rows",
    "weight_rows": "Weights from",
    "pool_id": "Pool id",
}


@dataclass(frozen=True)
class _Section:
    """A statement or an explanation as the template writes it."""

    anchor: str
    title: str
    amount: str
    said: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    tables: Sequence[Markup]
    command: str


def render(report: Report, files: Sequence[str] = ()) -> str:
    """The whole page.

    Args:
        report: What it shows.
        files: The tables that lie beside it as CSV, by name.
    """
    return _Page(report).text(files)


class _Page:
    def __init__(self, report: Report) -> None:
        self.report = report
        anchors = Anchors()
        self.owners = {section.owner: anchors.of("owner", section.owner) for section in report.owners}
        self.pools = {section.pool: anchors.of("pool", section.pool) for section in report.pools}
        self.to_owners = {owner: f"#{anchor}" for owner, anchor in self.owners.items()}
        self.to_pools = {pool: f"#{anchor}" for pool, anchor in self.pools.items()}
        self.command = f"--period {report.period}"

    def text(self, files: Sequence[str]) -> str:
        report = self.report
        total = _cell(report.statements, "total")
        return drawn(
            "page.html.j2",
            css=drawn("page.css"),
            company=report.context.company or "This project",
            period=report.period.title,
            state=report.state,
            estimate=show(report.estimated, report.context.currency) if report.estimated else "",
            currency=report.context.currency,
            dimension=report.context.owner.replace("_", " "),
            total=for_people(total, Column("total", "Total", "money"), report.context.currency),
            said=self.sentence(),
            bar=layers_bar(report.coverage),
            layers=self.layers(),
            tables=self.tables(),
            chart=days_chart(report.days) if report.days.rows else "",
            owners=[self.owner(section) for section in report.owners],
            pools=[self.pool(section) for section in report.pools],
            owners_left_out=report.owners_left_out,
            pools_left_out=report.pools_left_out,
            empty=report.empty,
            files=files,
            certificate=report.certificate,
            counts=self.counts(),
            run=report.context.run,
            command=self.command,
        )

    def sentence(self) -> list[str]:
        """What stands under the total: the change, what it equals, how much of it was metered."""
        report, currency = self.report, self.report.context.currency
        moved, share = _cell(report.statements, "change"), _cell(report.statements, "change_percent")
        month = f"{report.period.previous.start:%B}"
        found = []
        if isinstance(moved, int):
            percentage = for_people(share, Column("p", "%", "percent", signed=True), currency)
            found.append(f"{show(moved, currency, sign=True)} ({percentage}) on {month}")
        else:
            found.append(f"no {month} to compare with")
        total = _cell(report.statements, "total")
        if report.certificate.ok and report.invoice_count and isinstance(total, int):
            invoices = counted(report.invoice_count, "invoice")
            rest = total - report.estimated
            whose = "" if report.invoiced == rest else "the AI part of "
            plus = f", and {show(report.estimated, currency)} estimated without a bill" if report.estimated else ""
            found.append(f"equals {whose}{invoices} to the cent{plus}")
        if (metered := self.metered()) is not None:
            found.append(f"metered {metered} % of what is billed for metered usage")
        return found

    def metered(self) -> Decimal | None:
        """How much of the bill for metered usage the meter accounts for; None where nothing was compared."""
        compared = self.report.checks[0]
        billed, metered = _cell(compared, "billed"), _cell(compared, "metered")
        if not isinstance(billed, int) or not isinstance(metered, int):
            return None
        return percent(metered, billed, 1)

    def layers(self) -> list[dict[str, str]]:
        """The layers with their part of all; the percentages are those of the table, and add up to 100."""
        table = self.report.coverage
        return [
            {
                "kind": str(row[0]),
                "share": for_people(row[2], table.columns[2], table.currency),
                "amount": for_people(row[1], table.columns[1], table.currency),
            }
            for row in table.rows
        ]

    def counts(self) -> str:
        """What the period is made of, in numbers."""
        report = self.report
        return " · ".join(
            [
                counted(report.invoice_count, "invoice"),
                counted(report.pool_count, "pool"),
                counted(report.claim_count, "claim"),
            ]
        )

    def tables(self) -> dict[str, Markup]:
        """The tables that are about everybody, by name; a note that several have is told once."""
        report = self.report
        told: set[str] = set()
        looks = self.looks()
        found = {}
        for table in report.overview:
            look = looks.get(table.name, Look(ident=f"all-{table.name}"))
            file = f"csv/{table.name}.csv has them all"
            found[table.name] = to_html(table, replace(look, untold=frozenset(told), elsewhere=file))
            told |= set(table.notes)
        return found

    def looks(self) -> Mapping[str, Look]:
        report = self.report
        owner = report.context.owner.replace("_", " ")
        names = {column.name for column in report.statements.columns}
        apart = [part for part in _IN_NO_BAR if part in names]
        beside = f"; bars leave out {', '.join(apart)}" if apart else ""
        unit = report.unit_costs.columns[0].title.lower()
        month = f"{report.period.title}, {report.context.currency}"
        return {
            "statements": Look(
                ident="all-statements",
                heading=f"By {owner}",
                level=2,
                aside=f"{month}; direct, rule and shared stand apart, colours as above{beside}",
                links=self.to_owners,
                pictures=owner_bars(report.statements),
                picture="Layers",
            ),
            "reasons": Look(
                ident="all-reasons",
                heading="Why it moved",
                level=2,
                aside=report.reasons.title[0].lower() + report.reasons.title[1:],
            ),
            "categories": Look(ident="all-categories", heading="By category", level=2, aside=month),
            "unit-costs": Look(
                ident="all-unit-costs", heading=f"Cost of a unit by {unit}", level=2, aside=f"inference, {month}"
            ),
            "margins": Look(ident="all-margins", heading="Customers", level=2, aside=f"margin, lowest first; {month}"),
        }

    def owner(self, section: OwnerSection) -> _Section:
        """An owner's statement; its pools lead to their explanations."""
        anchor, summary = self.owners[section.owner], section.tables[0]
        told = set(summary.notes)
        made = []
        for table in (*section.tables, section.pools):
            look = Look(
                ident=f"{anchor}-{table.name}",
                links=self.to_pools if table.leads else {},
                linked="pool",
                elsewhere=f"csv/owner-{table.name}.csv has them all",
                untold=frozenset(told if table is not summary else ()),
            )
            made.append(to_html(replace(table, leads=table.leads or ("",) * len(table.rows)), look))
        moved = _cell(summary, "change")
        currency = self.report.context.currency
        said = (
            f"{show(moved, currency, sign=True)} on {self.report.period.previous.start:%B}"
            if isinstance(moved, int)
            else ""
        )
        return _Section(
            anchor=anchor,
            title=section.owner,
            amount=f"{for_people(_cell(summary, 'now'), Column('now', '', 'money'), currency)} {currency}",
            said=said,
            facts=(),
            notes=(),
            tables=made,
            command=f"apportion statement --owner {_quoted(section.owner)} {self.command}",
        )

    def pool(self, section: PoolSection) -> _Section:
        """A pool's facts, its claims and what named the owners; owners lead to their statements."""
        anchor, facts = self.pools[section.pool], section.facts
        row = dict(zip((column.name for column in facts.columns), facts.rows[0], strict=True))
        made = []
        for table in section.tables:
            owners = [str(cell) for cell in table.column("owner")]
            look = Look(
                ident=f"{anchor}-{table.name}",
                links=self.to_owners,
                linked="owner",
                elsewhere=f"csv/pool-{table.name}.csv has them all",
            )
            made.append(to_html(replace(table, leads=tuple(owners)), look))
        currency = self.report.context.currency
        return _Section(
            anchor=anchor,
            title=str(row["pool"]),
            amount=f"{for_people(row['pool_amount'], Column('m', '', 'money'), currency)} {currency}",
            said="",
            facts=[(title, str(row[name])) for name, title in _POOL_FACTS.items() if row[name] not in (None, "")],
            notes=section.notes,
            tables=made,
            command=f"apportion explain {_quoted(section.pool)} {self.command}",
        )


def _quoted(name: str) -> str:
    """A name as a shell takes it whole."""
    return name if name and all(c.isalnum() or c in "-_./" for c in name) else "'" + name.replace("'", "'\\''") + "'"


def _cell(table: Table, name: str) -> Cell:
    """A cell of the sum of a table; None where it has none."""
    if table.total is None:
        return None
    return table.total[[column.name for column in table.columns].index(name)]
