"""The page: every amount as in the other files, every link with a target, nobody named who is hidden."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from apportion.report.certificate import StageControl, certificate
from apportion.report.context import Context
from apportion.report.page import Folder, Report, folder, gather
from apportion.report.statements import statement
from apportion.report.table import plain
from tests.unit.report.company import CENT, PERIOD, Claim, Company, context, larkspur
from tests.unit.report.markup import Page, Seen, as_machine

STAGES = [StageControl("post", "postings to owners", "1,080.00 USD", "ab" * 32, ok=True)]


def report(company: Company | None = None, settings: Context | None = None, **bounds: Any) -> Report:
    con, said = (company or larkspur()).con, settings or context()
    return gather(con, said, PERIOD, certificate(con, said, PERIOD, STAGES), **bounds)


@pytest.fixture(scope="module")
def made() -> Report:
    return report()


@pytest.fixture(scope="module")
def files(made: Report) -> Folder:
    return folder(made)


@pytest.fixture(scope="module")
def page(files: Folder) -> Page:
    return Page(files.files["index.html"].decode())


def rows_of(files: Folder, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(files.files[f"csv/{name}.csv"].decode(), newline="")))


def all_of(page: Page, name: str) -> Seen:
    return next(seen for seen in page.of(name) if seen.ident == f"all-{name}")


def test_the_page_shows_what_csv_json_and_the_workbook_hold(made: Report, files: Folder, page: Page) -> None:
    book = openpyxl.load_workbook(io.BytesIO(files.files["tables.xlsx"]))
    by_name = {table["name"]: table for table in json.loads(files.files["tables.json"])}
    for table in made.overview:
        kinds = [column.kind for column in table.columns]
        shown = [
            [as_machine(cell, kind) for cell, kind in zip(row, kinds, strict=True)]
            for row in all_of(page, table.name).rows[1:]
        ]
        written = [[cell.removeprefix("'") for cell in row] for row in rows_of(files, table.name)[1:]]
        assert shown == written, table.name
        data = by_name[table.name]
        lines = [*data["rows"], *([data["total"]] if data["total"] else []), *data["below"]]
        sheet = list(book[table.name].iter_rows(min_row=2, values_only=True))
        assert len(lines) == len(sheet) == len(shown), table.name
        for cells, line, values in zip(shown, lines, sheet, strict=True):
            for cell, key, kind, value in zip(cells, line, kinds, values, strict=True):
                if kind == "money" and isinstance(line[key], dict):
                    assert Decimal(cell) == Decimal(line[key]["amount"]), (table.name, key)
                    assert Decimal(cell) == round(Decimal(str(value)), 9), (table.name, key)


def test_a_section_is_its_part_of_the_stacked_table(made: Report, files: Folder) -> None:
    for name in ("summary", "shared", "pools"):
        header, *written = rows_of(files, f"owner-{name}")
        assert header[:2] == ["team", "row"]
        shown = []
        for section in made.owners:
            for table in (*section.tables, section.pools):
                if table.name == name:
                    shown += [
                        [plain(cell, column, "USD") for cell, column in zip(row, table.columns, strict=True)]
                        for row in table.all_rows()
                    ]
        assert [row[2:] for row in written] == shown


def test_a_statement_and_its_pools_come_to_the_same(made: Report) -> None:
    for section in made.owners:
        whole = made.statements.row(section.owner)["total"]
        assert section.tables[0].total is not None
        assert section.tables[0].total[1] == whole
        assert section.pools.row("Sum")["amount"] == whole


def test_the_reasons_are_those_of_the_statement_and_add_up_to_its_change(made: Report, page: Page) -> None:
    for section in made.owners:
        block = section.tables[1]
        alone = {table.name: table for table in statement(larkspur().con, context(), PERIOD, owner=section.owner)}
        assert block == alone["reasons"]
        assert block.total is not None
        assert block.total[1] == made.statements.row(section.owner)["change"]
        assert sum(int(str(row[1])) for row in block.rows) == block.total[1]
    rows = all_of(page, "reasons").rows
    assert (rows[-1][0], rows[-2][0]) == ("Change on October", "Everything else")


def test_percentages_add_up(page: Page) -> None:
    for name, column in (("coverage", 2), ("categories", 3)):
        rows = all_of(page, name).rows
        total = next(row for row in rows if row[0].lower() == "all ai cost")
        parts = [Decimal(row[column].removesuffix(" %")) for row in rows[1 : rows.index(total)]]
        assert sum(parts) == Decimal(total[column].removesuffix(" %")) == 100


def test_every_link_has_its_target(files: Folder, page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    beside = {link for link in page.links if not link.startswith(("#", "data:"))}
    assert beside == set(files.files) - {"index.html"}
    named = {
        word
        for _, facts in page.tags
        for key in ("aria-labelledby", "aria-describedby")
        for word in facts.get(key, "").split()
    }
    assert named <= set(page.ids)


def test_each_owner_leads_to_a_statement_and_each_pool_to_its_explanation(made: Report, page: Page) -> None:
    assert {f"#owner-{section.owner}" for section in made.owners} <= set(page.links)
    assert {f"#pool-{section.pool}" for section in made.pools} <= set(page.links)
    assert page.links.count("#all-statements") == len(made.owners) + len(made.pools)


def test_headings_are_in_order(page: Page) -> None:
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_the_page_asks_nobody_for_anything(files: Folder, page: Page) -> None:
    text = files.files["index.html"].decode()
    assert "<script" not in text
    assert "@import" not in text
    assert "://" not in text
    assert not [facts for _, facts in page.tags if "src" in facts or "srcset" in facts]


def test_two_reports_are_the_same_bytes(files: Folder) -> None:
    assert folder(report()).files == files.files


def test_unallocated_is_drawn_and_named(files: Folder) -> None:
    text = files.files["index.html"].decode()
    assert 'rect class="unallocated"' in text
    assert 'id="owner-unallocated"' in text


HOSTILE = [
    '<script>alert("x")</script>',
    '"><img src=x onerror=y>',
    "te\u202eam",
    "long-" * 60,
    "search",
    "Search",
    "検索",
]


def hostile() -> Company:
    company = Company()
    company.invoice('<b>|"1"', ledger_minor=700, ai_minor=700, printed_minor=700)
    claims = [Claim(name, 100, "shared", cells={(name, 1, name): 100 * CENT}) for name in HOSTILE]
    company.pool("p<i>", claims, item='<u>"', invoice_key='<b>|"1"', model="<m>", note="<note>")
    return company


def test_hostile_names_are_text() -> None:
    made = report(hostile(), context(company="<Acme> & 'Co'\u202e"))
    text = folder(made).files["index.html"].decode()
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "i", "u", "m", "note", "acme"}
    assert not any(key.startswith("on") for _, facts in page.tags for key in facts)
    assert "\u202e" not in text
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(made.owners) == len(HOSTILE) + 1


@pytest.mark.parametrize("users", ["pseudonym", "hidden"])
def test_people_are_shown_as_the_project_says(users: str) -> None:
    company = Company()
    company.pool("p", [Claim("ann.smith", 100, cells={("acme", 1, "ann.smith"): 100 * CENT})], item="i")
    made = folder(report(company, context(owner="user", users=users)))
    for path, content in made.files.items():
        if not path.endswith("xlsx"):
            assert b"ann.smith" not in content, path
    book = openpyxl.load_workbook(io.BytesIO(made.files["tables.xlsx"]))
    assert not [
        cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if "ann.smith" in str(cell)
    ]


def test_an_empty_period_says_what_to_do() -> None:
    made = report(Company())
    assert made.empty
    text = folder(made).files["index.html"].decode()
    assert "Nothing was billed and nothing was measured in November 2026" in text
    assert "apportion report --period 2026-11" in text
    page = Page(text)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_what_is_left_out_is_said_with_its_command() -> None:
    made = report(most_owners=2, most_pools=1)
    assert [section.owner for section in made.owners] == ["support", "search", "unallocated"]
    text = folder(made).files["index.html"].decode()
    assert (
        "3 of 6 statements stand here, the largest first. Any other: apportion statement --owner NAME --period 2026-11"
        in text
    )
    assert (
        "1 of 5 pools are explained here, the largest first. Any other: apportion explain POOL --period 2026-11" in text
    )
    page = Page(text)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_an_estimate_and_an_open_period_look_different(files: Folder) -> None:
    company = larkspur()
    company.pool("guess", [Claim("support", 500, cells={("acme", 1, "ann"): 500 * CENT})], status="estimate")
    text = folder(report(company)).files["index.html"].decode()
    assert 'class="state open">open, with estimates' in text
    assert 'class="state open">open<' in files.files["index.html"].decode()
    assert 'class="state closed">closed<' in folder(report(state="closed")).files["index.html"].decode()


def test_calls_without_a_price_or_a_bill_are_not_zero() -> None:
    company = Company()
    company.usage("support", calls=12, price_state="unpriced", model="m", model_via=1)
    made = report(company)
    assert not made.empty
    text = folder(made).files["index.html"].decode()
    assert "AI cost of November 2026: </span>n/a USD</h1>" in text
    assert "12 calls have no price" in text


@pytest.mark.parametrize("minor", [-5_000, -6, 0, 2, 90_000_000])
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
def test_any_amount_is_drawn(minor: int, currency: str) -> None:
    company = Company(currency)
    cells = {("x", 1, "u"): minor * company.unit}
    claims = [Claim("a", minor, cells=cells), Claim("b", 3, "shared", cells={("x", 1, "u"): 3 * company.unit})]
    company.pool("p", claims, currency=currency)
    text = folder(report(company, context(currency=currency))).files["index.html"].decode()
    page = Page(text)
    heights = [Decimal(facts["height"]) for tag, facts in page.tags if tag == "rect"]
    assert all(height >= 0 for height in heights)
    widths = [Decimal(facts["width"].removesuffix("%")) for tag, facts in page.tags if tag == "rect"]
    assert all(0 <= width <= 150 for width in widths)
