"""L2 and L7 on random companies: bills replace estimates, and doing a thing twice does it once."""

from __future__ import annotations

import shutil
from collections import Counter

from hypothesis import given

from tests.laws.company import MODELS, Company, companies
from tests.laws.published import Published, rich, same, workplace


def _of_models(company: Company) -> list[str]:
    """The bills of vendors whose calls are measured."""
    return [name for vendor in MODELS if (name := f"bills/{vendor}.csv") in company.files]


def _has_both(company: Company) -> bool:
    """Whether a company has bills that calls weigh, and others."""
    return bool(_of_models(company)) and len(company.bills()) > len(_of_models(company))


@rich(2)
@given(companies())
def test_l7_p6_twice_is_once(company: Company) -> None:
    """L7/P6: a second run posts nothing and hashes alike; a file that is there twice counts once."""
    with workplace() as place:
        place.write(company)
        first = place.read(place.run())
        second = place.read(place.run())
        assert (second.outcome.posted, second.outcome.reversed) == (0, 0)
        same(first, second)
        for name in (*company.bills(), "usage/calls.jsonl"):
            path = place.folder / name
            shutil.copy(path, path.with_name(f"again-{path.name}"))
        third = place.read(place.run())
        assert (third.outcome.posted, third.outcome.reversed) == (0, 0)
        same(first, third)


@rich(2)
@given(companies().filter(_has_both))
def test_l2_d4_a_bill_takes_the_place_of_its_estimate(company: Company) -> None:
    """L2: before a bill, list cost that says it is an estimate; with the bill, the bill's amount and never both."""
    with workplace() as place:
        place.write(company.without(*_of_models(company)))
        early = place.read(place.run())
        place.write(company)
        late = place.read(place.run())
    with workplace() as place:
        place.write(company)
        direct = place.read(place.run())
    for found in (early, late):
        _estimates_only_without_a_bill(found)
    # What was accrued and is not estimated any more has been reversed to the cent.
    accrued = _balances(late, "accrual:")
    still: Counter[str] = Counter()
    for pool in late.pools:
        if pool["status"] == "estimate":
            still[f"accrual:{pool['invoice_key']}"] -= pool["amount_minor"]
    assert accrued == {account: amount for account, amount in still.items() if amount}
    assert _balances(late, "owner:") == {f"owner:{owner}": n for owner, n in late.owned.items() if n}
    same(direct, late)


def _balances(found: Published, kind: str) -> dict[str, int]:
    """Every account of a kind over all that was ever posted, those at 0 left out."""
    sums: Counter[str] = Counter()
    for booked in found.journal:
        for side in booked.entry.postings:
            if side.account.startswith(kind):
                sums[side.account] += side.amount_minor
    return {account: amount for account, amount in sums.items() if amount}


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
