"""L1, L3, L4 and L8 on random companies: nothing is lost, nothing is counted twice, everything is explained."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from hypothesis import given

from apportion.money import nano_per_minor
from apportion.report.bridge import invoices_of
from apportion.report.certificate import StageControl, certificate
from apportion.report.coverage import coverage
from apportion.report.explain import explain
from apportion.report.statements import statements
from tests.laws.company import UNPRICED, Company, companies
from tests.laws.published import Published, Workplace, rich, same, workplace


@rich(4)
@given(companies())
def test_l1_l3_l4_l5_l8_p1_p4_p5_every_cent_and_every_row_is_somewhere(company: Company) -> None:
    """L1/P1 conservation, L3 nothing lost, L4/P5 partitions, P4 nearness, L8 layers and explanations, in one run."""
    with workplace() as place:
        place.write(company)
        found = place.read(place.run())
        _conserved(company, found)
        _partitioned(found)
        _near_exact(found)
        _no_row_lost(company, found)
        _layers_and_explanations(place, found)


@rich(2)
@given(companies())
def test_l1_l7_months_are_apart(company: Company) -> None:
    """L7: bills, calls and meters of October change nothing of November. L1: each month adds up by itself."""
    with workplace() as place:
        place.write(company)
        alone = place.read(place.run())
    with workplace() as place:
        place.write(company.with_october())
        outcome = place.run()
        october, november = place.read(outcome, "2026-10"), place.read(outcome, "2026-11")
    assert outcome.periods == ["2026-10", "2026-11"]
    same(alone, november)
    for month in (october, november):
        _conserved(company, month)
        _partitioned(month)
        _near_exact(month)
    assert len(october.tables["charges"]) == len(november.tables["charges"])
    assert len(october.claims) > 0 or not november.claims


def _conserved(company: Company, found: Published) -> None:
    unit = nano_per_minor(str(company.settings["currency"]))
    for invoice in found.invoices:
        if invoice["status"] != "not converted":
            parts = ("ai_minor", "out_of_scope_minor", "prepaid_minor", "tax_account_minor")
            assert invoice["ledger_minor"] == sum(invoice[part] for part in parts), invoice["invoice_key"]
    for booked in found.entries:
        assert sum(side.amount_minor for side in booked.entry.postings) == 0
    pools = sum(pool["amount_minor"] for pool in found.pools)
    claimed: Counter[str] = Counter()
    for claim in found.claims:
        claimed[claim["pool_id"]] += claim["amount_minor"]
    assert {pool["pool_id"]: pool["amount_minor"] for pool in found.pools} == dict(claimed)
    nano: Counter[tuple[str, str]] = Counter()
    for cell in found.tables["allocated_charges"]:
        nano[cell["pool_id"], cell["owner"]] += int(cell["cost_nano"])
    cents: Counter[tuple[str, str]] = Counter()
    for claim in found.claims:
        cents[claim["pool_id"], claim["owner"]] += claim["amount_minor"]
    assert {key: amount for key, amount in nano.items() if amount} == {
        key: amount * unit for key, amount in cents.items() if amount
    }
    by_owner = found.statements["team"]
    assert sum(by_owner.values()) == pools == sum(found.owned.values())
    assert {k: v for k, v in by_owner.items() if v} == {k: v for k, v in found.owned.items() if v}
    estimates = sum(pool["amount_minor"] for pool in found.pools if pool["status"] == "estimate")
    assert pools == estimates + sum(invoice["ai_minor"] for invoice in found.invoices)
    # Out of scope is kept and totalled, and never an owner's.
    scopes = {row["scope"] for row in found.tables["charges"]}
    assert scopes <= {"ai", "out_of_scope"}
    if scopes == {"out_of_scope"}:
        assert pools == estimates


def _partitioned(found: Published) -> None:
    totals = {dimension: sum(values.values()) for dimension, values in found.statements.items()}
    assert set(totals.values()) == {sum(pool["amount_minor"] for pool in found.pools)}, totals


def _near_exact(found: Published) -> None:
    """P4: within one minor unit of the exact share, for each pool whose weights come from one window."""
    for pool in found.pools:
        if pool["windows"] != 1 or pool["moved"] or not pool["weight_total"]:
            continue
        weights: Counter[str] = Counter()
        amounts: Counter[str] = Counter()
        for claim in found.claims:
            if claim["pool_id"] == pool["pool_id"]:
                weights[claim["owner"]] += claim["weight"]
                amounts[claim["owner"]] += claim["amount_minor"]
        assert sum(weights.values()) == pool["weight_total"]
        for owner, weight in weights.items():
            exact = Fraction(pool["amount_minor"] * weight, pool["weight_total"])
            assert abs(amounts[owner] - exact) < 1, (pool["pool_id"], owner)


def _no_row_lost(company: Company, found: Published) -> None:
    calls = company.files["usage/calls.jsonl"]
    rows_in, folded, aside, repeated = found.counts("price")
    assert rows_in == len(calls) == folded + aside + repeated
    assert aside == sum(row["call_id"].startswith("bad-") for row in calls)
    assert repeated == len(calls) - aside - len(
        {row["call_id"] for row in calls if not row["call_id"].startswith("bad-")}
    )
    charges = sum(len(company.files[name]) for name in company.bills())
    assert len(found.tables["charges"]) == charges
    billed = sum((Decimal(row["BilledCost"]) for name in company.bills() for row in company.files[name]), Decimal(0))
    assert sum((row["billed_cost"] for row in found.tables["charges"]), Decimal(0)) == billed
    for cell in found.tables["usage_cells"]:
        priced = cell["price_state"] == "priced"
        assert (cell["list_cost_picos"] is not None) == priced
        assert priced or cell["price_reason"]
        assert not (priced and cell["model"] == UNPRICED)


def _layers_and_explanations(place: Workplace, found: Published) -> None:
    total = sum(pool["amount_minor"] for pool in found.pools)
    with place.view() as view:
        con, context, period = view.engine.connection, view.context, view.period
        table = statements(con, context, period)
        assert "unallocated" in [row[0] for row in table.rows]
        for dimension in context.dimensions:
            layers = coverage(con, context, period, dimension)
            shares = [row[2] for row in layers.rows]
            assert sum(int(str(row[1])) for row in layers.rows) == total
            if total:
                assert sum((Decimal(str(share)) for share in shares), Decimal(0)) == Decimal("100.00"), dimension
        controls = [StageControl(c.stage, c.what, c.value, c.sha256 or "", c.ok) for c in found.controls]
        said = certificate(con, context, period, controls, posted_minor=sum(found.owned.values()))
        assert said.ok, said.line
        assert all(invoice.placed == invoice.ledger for invoice in invoices_of(con, period))
        view.register_postings()
        rows = {row[0] for row in con.execute("SELECT charge_id FROM charges").fetchall()}
        steps = con.execute("SELECT pool_id, charge_id FROM allocation_steps").fetchall()
        assert {charge for _, charge in steps} <= rows
        with_rows = {pool for pool, _ in steps}
        for pool in found.pools:
            if pool["charges"]:
                base = pool["pool_id"].removesuffix("-variance").removesuffix("-shortfall")
                assert base in with_rows
        for owner, minor in found.owned.items():
            if minor:
                assert explain(con, context, owner, period=period).text
        assert all(claim["evidence"] for claim in found.claims)
        owner_of = {claim["pool_id"]: claim["owner"] for claim in found.claims}
        for pool_id, owner in owner_of.items():
            assert explain(con, context, pool_id, owner=owner).text
        booked = next((b for b in found.entries if b.entry.kind == "allocation"), None)
        assert booked is None or explain(con, context, booked.entry_id).text
