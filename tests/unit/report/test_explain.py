"""Any amount leads to its pool, rule, weights and source rows."""

# ruff: noqa: RUF001 - true minus signs and dashes are what is printed

from __future__ import annotations

from decimal import Decimal

import pytest

from apportion.errors import ApportionError
from apportion.report.explain import explain, row_ranges
from tests.unit.report.company import PERIOD, Claim, Company, context, larkspur


def test_one_owner_of_a_pool() -> None:
    found = explain(larkspur().con, context(), "gpu", owner="support")
    assert found.text.splitlines() == [
        "h100-a → support  266.67 USD                                rule gpu v1, proportional by gpu-hours",
        "  pool     400.00   4 charges, invoice AWS 8842  (bills/aws.csv rows 2–4, 9)",
        "  weight   1,612.4 of 2,418.6 gpu_hours = 66.67 %",
        "  split    266.6667 → 266.67   largest remainder: 1 of 1 left-over cent",
        "  layer    shared",
        "  run      run-1",
    ]
    claims = found.tables[1]
    assert claims.row("search")["exact"] == Decimal("133.3333")
    assert claims.row("Pool")["amount"] == 40_000


def test_a_whole_pool_lists_every_claim() -> None:
    text = explain(larkspur().con, context(), "fee").text
    assert "platform, 300 of 900 person-days = 33.33 %" in text
    assert "note     fee v1: weight 0 in person-days: drift" in text


def test_an_owner_is_explained_pool_by_pool() -> None:
    found = explain(larkspur().con, context(), "support", period=PERIOD)
    table = found.tables[0]
    assert table.column("pool_id") == ["inference", "gpu", "fee", "tax", "credit"]
    assert table.total is not None
    assert table.total[-2] == 68_335
    assert "evidence tag team" in found.text


def test_a_posting_leads_to_its_pool() -> None:
    made = larkspur()
    made.con.execute("CREATE TABLE postings AS SELECT 'S-1' AS posting_id, 'gpu' AS pool_id, 'search' AS owner")
    assert explain(made.con, context(), "S-1").text.startswith("h100-a → search  133.33 USD")


def test_a_pool_divided_window_by_window_says_so() -> None:
    made = Company()
    made.pool("w", [Claim("a", 900, weight=1), Claim("b", 100, weight=1)])
    assert "window by window" in explain(made.con, context(), "w", owner="a").text
    made.pool("none", [Claim("a", 900, weight=0)], weight_total=None)
    assert "the whole pool" in explain(made.con, context(), "none", owner="a").text


def test_a_pool_that_moves_what_nobody_owned_shows_what_it_moved() -> None:
    made = Company()
    moved = [Claim("a", 300, "shared", 3_00), Claim("b", 100, "shared", 1_00)]
    moved.append(Claim("unallocated", -400, "unallocated", 0))
    made.pool("spread", moved, method="proportional", basis="attributed cost")
    text = explain(made.con, context(), "spread", owner="a").text
    assert "pool     4.00" in text
    assert "weight   3 of 4 attributed cost = 75.00 %" in text
    assert "3.0000 → 3.00   no cent was left over" in text


def test_an_unknown_reference_offers_the_nearest() -> None:
    with pytest.raises(ApportionError, match="'gpo'") as caught:
        explain(larkspur().con, context(), "gpo")
    assert caught.value.cure == "did you mean 'gpu'?"
    with pytest.raises(ApportionError):
        explain(larkspur().con, context(), "nobody", period=PERIOD)


def test_people_are_hidden_here_too() -> None:
    made = Company()
    made.pool("u", [Claim("ann", 900), Claim("bob", 100)])
    settings = context(owner="user", users="hidden")
    text = explain(made.con, settings, "u").text
    assert "ann" not in text
    assert "(hidden)" in text


def test_rows_as_ranges() -> None:
    assert row_ranges([9, 2, 3, 4, 3]) == "2–4, 9"
    assert row_ranges(range(0, 40, 2)).endswith("and 8 more")
