"""L2 and L7 on random companies: bills replace estimates, and doing a thing twice does it once."""

from __future__ import annotations

import shutil
from collections import Counter

from hypothesis import given, settings

from tests.laws.company import MODELS, Company, companies
from tests.laws.published import Published, workplace

EXAMPLES = 5


@settings(max_examples=EXAMPLES)
@given(companies())
def test_l7_p6_twice_is_once(company: Company) -> None:
    """L7/P6: a second run posts nothing and hashes alike; a file that is there twice counts once."""
    with workplace() as place:
        place.write(company)
        first = place.read(place.run())
        second = place.read(place.run())
        assert (second.outcome.posted, second.outcome.reversed) == (0, 0)
        _same(first, second)
        for name in (*company.bills(), "usage/calls.jsonl"):
            path = place.folder / name
            shutil.copy(path, path.with_name(f"again-{path.name}"))
        third = place.read(place.run())
        assert (third.outcome.posted, third.outcome.reversed) == (0, 0)
        _same(first, third)


@settings(max_examples=EXAMPLES)
@given(companies())
def test_l2_d4_a_bill_takes_the_place_of_its_estimate(company: Company) -> None:
    """L2: before a bill, list cost that says it is an estimate; with the bill, the bill's amount and never both."""
    billed = [f"bills/{vendor}.csv" for vendor in MODELS if f"bills/{vendor}.csv" in company.files]
    others = [name for name in company.bills() if name not in billed]
    if not billed or not others:
        return
    with workplace() as place:
        place.write(company.without(*billed))
        early = place.read(place.run())
        place.write(company)
        late = place.read(place.run())
        for found in (early, late):
            _estimates_only_without_a_bill(found)
        accruals: Counter[str] = Counter()
        for booked in late.journal:
            for side in booked.entry.postings:
                if side.account.startswith("accrual:"):
                    accruals[side.account] += side.amount_minor
        still = {p["invoice_key"]: 0 for p in late.pools if p["status"] == "estimate"}
        for pool in late.pools:
            if pool["status"] == "estimate":
                still[pool["invoice_key"]] -= pool["amount_minor"]
        # What was accrued and is not estimated any more has been reversed to the cent.
        assert {a.removeprefix("accrual:"): n for a, n in accruals.items() if n} == {
            k: n for k, n in still.items() if n
        }
        ledger: Counter[str] = Counter()
        for booked in late.journal:
            for side in booked.entry.postings:
                if side.owner is not None:
                    ledger[side.owner] += side.amount_minor
        assert {k: n for k, n in ledger.items() if n} == {k: n for k, n in late.owned.items() if n}
    with workplace() as place:
        place.write(company)
        direct = place.read(place.run())
    _same(direct, late)


def _estimates_only_without_a_bill(found: Published) -> None:
    billed = {
        (row["provider"] or "", row["billing_account_id"] or "")
        for row in found.tables["charges"]
        if row["scope"] == "ai" and row["charge_category"] == "Usage"
    }
    for pool in found.pools:
        key = (pool["provider"], pool["billing_account_id"])
        if pool["status"] == "estimate":
            assert key not in billed
            assert pool["invoice_key"].startswith("estimate|")
        elif pool["kind"] == "usage" and not pool["moved"]:
            assert not pool["invoice_key"].startswith("estimate|")
    entries = [booked.entry for booked in found.entries]
    estimates = {pool["pool_id"] for pool in found.pools if pool["status"] == "estimate" and pool["amount_minor"]}
    assert {entry.pool_id for entry in entries if entry.status == "estimate"} == estimates


def _same(first: Published, second: Published) -> None:
    assert first.statements == second.statements
    assert first.hashes == second.hashes
    assert {b.entry.content_sha256 for b in first.entries} == {b.entry.content_sha256 for b in second.entries}
