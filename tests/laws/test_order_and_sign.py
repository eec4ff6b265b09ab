"""L4 and L5 on random companies: order, sign and further dimensions change nothing they must not."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.laws.company import Company, companies, company_of
from tests.laws.published import publish, rich


@rich(2)
@given(companies(), st.integers(0, 2**16))
def test_l5_l7_p3_the_order_of_rows_changes_nothing(company: Company, seed: int) -> None:
    """L5/P3: the rows of every input file in another order give bit-identical tables, statements and entries."""
    first, second = publish(company), publish(company.shuffled(seed))
    assert first.statements == second.statements
    assert first.hashes == second.hashes
    assert {e.entry.content_sha256 for e in first.entries} == {e.entry.content_sha256 for e in second.entries}


@rich(2)
@given(companies(rules="mirror"))
@example(company_of(1, rules="mirror"))
def test_l5_p2_bills_taken_back_undo_every_statement(company: Company) -> None:
    """L5/P2: each amount of each bill with the other sign gives each statement with the other sign.

    What is estimated, for want of a bill, and what weighs by other pools' money does not turn with the bills and
    is left out.
    """
    first, second = publish(company), publish(company.mirrored())
    estimates = {p["pool_id"] for p in (*first.pools, *second.pools) if p["status"] == "estimate"}

    def amounts(claims: list[dict[str, object]], sign: int) -> dict[tuple[object, ...], int]:
        found: dict[tuple[object, ...], int] = {}
        for claim in claims:
            if claim["pool_id"] not in estimates:
                key = (claim["pool_id"], claim["owner"])
                found[key] = found.get(key, 0) + sign * int(str(claim["amount_minor"]))
        return {key: amount for key, amount in found.items() if amount}

    assert amounts(first.claims, 1) == amounts(second.claims, -1)


@rich(2)
@given(companies())
def test_l4_p10_another_dimension_changes_no_cent(company: Company) -> None:
    """L4/P5/P10: a further dimension changes no owner's cents, no other statement and no total."""
    dimensions = dict(company.settings["dimensions"])
    dimensions |= {"key": [{"column": "api_key_id"}], "squad": [{"tag": "env"}, {"default": "nobody"}]}
    first, second = publish(company), publish(company.changed(dimensions=dimensions))
    for name, values in first.statements.items():
        assert second.statements[name] == values, name
    for name in ("key", "squad"):
        assert sum(second.statements[name].values()) == sum(first.statements["team"].values())
    assert first.hashes["claims"] == second.hashes["claims"]
    assert first.hashes["pools"] == second.hashes["pools"]
    assert first.hashes["invoices"] == second.hashes["invoices"]
