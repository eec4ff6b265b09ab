"""The golden FOCUS rows: tokens, seats and rows that a provider has split, as CSV and as Parquet."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from tests.real.company import Company, records, total

OCTOBER = "2026-10"
SETTINGS = """\
company: Golden
currency: USD
bills:
  - {name: focus, type: focus, path: "bills/*"}
dimensions:
  team: [{tag: team}, {column: allocated_resource_name}]
allocate:
  - {name: all-ai, when: "provider != ''", method: direct}
"""
FILES = {
    "ai_tokens_focus12.csv": "ai_tokens_focus12.csv",
    "ai_tokens_seats_split_focus13.csv": "ai_tokens_seats_split_focus13.csv",
    # Its rows are those of the CSV file beside it.
    "ai_tokens_seats_split_focus13.parquet": "ai_tokens_seats_split_focus13.csv",
}
SPLIT = "ai_tokens_seats_split_focus13.csv"


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "focus_golden_13"


def project(golden: Path, folder: Path, name: str) -> Company:
    return Company.write(folder, SETTINGS, {f"bills/{name}": golden / name})


@pytest.mark.parametrize("name", FILES)
def test_rows_and_totals_are_kept(golden: Path, tmp_path: Path, name: str) -> None:
    company = project(golden, tmp_path, name)
    company.call("run")
    rows = records(golden / FILES[name])
    count, billed, effective = company.ask(
        OCTOBER, "SELECT COUNT(*), SUM(billed_cost), SUM(effective_cost) FROM charges"
    )[0]
    assert count + len(company.rows("export", "quarantine", "--period", OCTOBER)) == len(rows)
    assert billed == total([row["BilledCost"] for row in rows])
    assert effective == total([row["EffectiveCost"] for row in rows])
    for row in company.rows("export", "invoices", "--period", OCTOBER):
        assert Decimal(row["invoice"]) == total([row["ai"], row["out_of_scope"], row["prepaid"], row["tax_account"]])
    assert company.data("verify", "--period", OCTOBER)["ok"] is True


@pytest.mark.parametrize("name", [SPLIT, "ai_tokens_seats_split_focus13.parquet"])
def test_rows_that_the_provider_split_are_not_split_again(golden: Path, tmp_path: Path, name: str) -> None:
    company = project(golden, tmp_path, name)
    company.call("run")
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for row in records(golden / SPLIT):
        wanted[row["AllocatedResourceName"] or "unallocated"] += Decimal(row["EffectiveCost"])
    assert company.owed(OCTOBER) == {owner: amount.quantize(Decimal("0.01")) for owner, amount in wanted.items()}


def test_csv_and_parquet_give_the_same_statement(golden: Path, tmp_path: Path) -> None:
    said = []
    for name in (SPLIT, "ai_tokens_seats_split_focus13.parquet"):
        folder = tmp_path / name
        folder.mkdir()
        company = project(golden, folder, name)
        company.call("run")
        said.append(company.call("statement", "--period", OCTOBER).out)
    assert said[0] == said[1]


def test_a_wrong_currency_is_set_aside_with_its_amount(golden: Path, tmp_path: Path) -> None:
    company = project(golden, tmp_path, "negative_control_focus13.csv")
    said = company.call("check", code=3)
    assert "error[currency-unknown]: bills/negative_control_focus13.csv: row 2" in said.text
    assert "Money: 2.50 usd" in said.text
    company.call("run", code=None)
    rows = records(golden / "negative_control_focus13.csv")
    aside = company.rows("export", "quarantine", "--period", OCTOBER)
    (count, billed) = company.ask(OCTOBER, "SELECT COUNT(*), SUM(billed_cost) FROM charges")[0]
    assert count + len(aside) == len(rows)
    assert billed + total([row["amount"] for row in aside]) == total([row["BilledCost"] for row in rows])
