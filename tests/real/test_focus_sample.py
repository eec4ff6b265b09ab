"""The 1,000 real rows of the FOCUS sample: nothing lost on the way in, and what is not AI stays in the invoice."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from tests.real.company import Company, records, total

SEPTEMBER, OCTOBER = "2024-09", "2024-10"
GPU_SKUS = ("SQ37ZQ2CZ2H95VDC", "4GQWNPC9K2PZAY97")  # g3.4xlarge and g5.4xlarge machine-hours
SETTINGS = """\
company: Sample
currency: USD
bills:
  - {name: focus, type: focus, path: "bills/*.csv"}
{scope}
dimensions:
  team: [{tag: business_unit}]
allocate:
  - {name: all-ai, when: "provider != ''", method: direct}
"""
WITHOUT_GPUS = f"scope: {{exclude: [\"sku_id in ('{GPU_SKUS[0]}', '{GPU_SKUS[1]}')\"]}}"


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.fixture(scope="module")
def bill(shared: Path) -> Path:
    return shared / "focus_sample_1.0" / "focus_sample.csv"


@pytest.fixture(scope="module")
def sample(bill: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The sample as it is, after one run."""
    folder = tmp_path_factory.mktemp("sample")
    company = Company.write(folder, SETTINGS.replace("{scope}\n", ""), {"bills/focus_sample.csv": bill})
    company.call("run")
    return company


@pytest.fixture(scope="module")
def narrowed(bill: Path, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The sample with the GPU machines left out by the user's own rule."""
    folder = tmp_path_factory.mktemp("narrowed")
    return Company.write(folder, SETTINGS.replace("{scope}", WITHOUT_GPUS), {"bills/focus_sample.csv": bill})


def test_rows_in_are_rows_out_and_quarantined(sample: Company, bill: Path) -> None:
    out = sum(sample.ask(period, "SELECT COUNT(*) FROM charges")[0][0] for period in (SEPTEMBER,))
    kept = {row[0] for row in sample.ask(OCTOBER, "SELECT charge_id FROM charges")}
    assert len(records(bill)) == len(kept) + quarantined(sample) == 1_000
    assert out == 999


def quarantined(company: Company) -> int:
    return len(company.rows("export", "quarantine", "--period", OCTOBER))


@pytest.mark.parametrize(
    ("column", "theirs"), [("billed_cost", "BilledCost"), ("effective_cost", "EffectiveCost")], ids=str
)
def test_totals_are_kept_to_the_last_digit(sample: Company, bill: Path, column: str, theirs: str) -> None:
    # The view of October holds September too, for the changes on the month before.
    (summed,) = sample.ask(OCTOBER, f"SELECT SUM({column}) FROM charges")[0]
    assert summed == total([row[theirs] for row in records(bill)])
    published = [row[0] for row in sample.ask(OCTOBER, f"SELECT CAST({column} AS VARCHAR) FROM charges")]
    assert total(published) == summed


def test_the_ledger_units_and_their_residue_are_the_amount(sample: Company) -> None:
    wrong = sample.ask(
        OCTOBER,
        "SELECT charge_id FROM charges "
        "WHERE CAST(effective_nano AS DECIMAL(38,18)) * 0.000000001 + effective_residue != effective_cost",
    )
    assert wrong == []
    (_, nano, residue) = sample.ask(OCTOBER, "SELECT 1, SUM(effective_nano), SUM(effective_residue) FROM charges")[0]
    assert Decimal(nano).scaleb(-9) + residue == Decimal("14.97651418586")


@pytest.mark.parametrize("period", [SEPTEMBER, OCTOBER])
def test_the_invoice_is_ai_and_not_ai(sample: Company, bill: Path, period: str) -> None:
    billed: dict[str, Decimal] = defaultdict(Decimal)
    for row in records(bill):
        if row["BillingPeriodStart"].startswith(period):
            billed[row["InvoiceIssuerName"]] += Decimal(row["BilledCost"])
    invoices = sample.rows("export", "invoices", "--period", period)
    assert {row["issuer"]: Decimal(row["invoice"]) for row in invoices} == {k: cents(v) for k, v in billed.items()}
    for row in invoices:
        parts = [row[name] for name in ("ai", "out_of_scope", "prepaid", "tax_account")]
        assert Decimal(row["invoice"]) == total(parts)


def scopes(company: Company) -> dict[str, int]:
    return dict(company.ask(OCTOBER, "SELECT scope, COUNT(*) FROM charges GROUP BY scope"))


def test_machine_learning_and_gpu_machines_are_in_scope(sample: Company, bill: Path) -> None:
    assert scopes(sample) == {"ai": 19, "out_of_scope": 981}
    found = sample.ask(OCTOBER, "SELECT source_row FROM charges WHERE scope = 'ai'")
    wanted = {
        number
        for number, row in enumerate(records(bill), 2)
        if row["ServiceName"] == "Azure Machine Learning" or row["SkuId"] in GPU_SKUS
    }
    assert {row[0] for row in found} == wanted


def test_gpu_hours_go_to_the_business_unit_of_their_tag(sample: Company, bill: Path) -> None:
    gpus = total([row["EffectiveCost"] for row in records(bill) if row["SkuId"] in GPU_SKUS])
    assert sample.owed(SEPTEMBER)["PeoriaData"] == cents(gpus) == Decimal("13.00")


def test_what_no_tag_names_is_unallocated_and_within_the_rounding_of_its_invoice(sample: Company, bill: Path) -> None:
    microsoft = [row for row in records(bill) if row["InvoiceIssuerName"] == "Microsoft"]
    azure = [row for row in microsoft if row["ServiceName"] == "Azure Machine Learning"]
    not_ai = total([row["EffectiveCost"] for row in microsoft if row not in azure])
    # One machine-hour given back is training, the rest of the workspace overhead: two pools of one invoice. Each
    # part is cut toward zero, and the cut parts already add up to the invoice, so that no cent is handed out (D5).
    training = total([row["EffectiveCost"] for row in azure if "Virtual Machines" in row["ChargeDescription"]])
    overhead = total([row["EffectiveCost"] for row in azure]) - training
    cut = [part.quantize(Decimal("0.01"), ROUND_DOWN) for part in (training, overhead, not_ai)]
    assert sum(cut) == cents(training + overhead + not_ai)
    assert sample.owed(SEPTEMBER)["unallocated"] == cut[0] + cut[1]
    (invoice,) = [
        row for row in sample.rows("export", "invoices", "--period", SEPTEMBER) if row["issuer"] == "Microsoft"
    ]
    assert (Decimal(invoice["ai"]), Decimal(invoice["out_of_scope"])) == (cut[0] + cut[1], cut[2])


def test_without_gpu_machines_991_rows_are_out_and_still_in_the_invoice(narrowed: Company, bill: Path) -> None:
    said = narrowed.call("run", code=None)
    assert scopes(narrowed) == {"ai": 9, "out_of_scope": 991}
    invoices = narrowed.rows("export", "invoices", "--period", SEPTEMBER)
    rows = [row for row in records(bill) if row["BillingPeriodStart"].startswith(SEPTEMBER)]
    by_issuer = {row["InvoiceIssuerName"] for row in rows}
    wanted = {
        issuer: cents(total([r["BilledCost"] for r in rows if r["InvoiceIssuerName"] == issuer]))
        for issuer in by_issuer
    }
    assert {row["issuer"]: Decimal(row["invoice"]) for row in invoices} == wanted
    assert {row["issuer"] for row in invoices if Decimal(row["ai"])} == {"Microsoft"}
    assert said.text.count("[gpu-left-out]") == 2


def test_each_gpu_left_out_is_a_problem_with_its_amount(narrowed: Company, bill: Path) -> None:
    said = narrowed.call("check", code=3)
    for sku, machine in zip(GPU_SKUS, ("g3.4xlarge", "g5.4xlarge"), strict=True):
        amount = cents(total([row["BilledCost"] for row in records(bill) if row["SkuId"] == sku]))
        problem = next(part for part in said.text.split("\n\n") if machine in part)
        assert "error[gpu-left-out]" in problem
        assert f"Money: {amount} USD" in problem


def test_the_certificate_is_ok(sample: Company) -> None:
    for period in (SEPTEMBER, OCTOBER):
        assert sample.data("verify", "--period", period)["ok"] is True


def test_claims_add_up_to_their_pools(sample: Company) -> None:
    claims = sample.rows("export", "claims", "--period", SEPTEMBER)
    for pool in sample.rows("export", "pools", "--period", SEPTEMBER):
        amounts = [claim["amount"] for claim in claims if claim["pool_id"] == pool["pool_id"]]
        assert total(amounts) == Decimal(pool["amount"])
