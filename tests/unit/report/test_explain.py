"""Any amount leads to its pool, rule, weights and source rows."""

# ruff: noqa: RUF001 - true minus signs and dashes are what is printed

from __future__ import annotations

from decimal import Decimal

import pytest

from apportion.errors import WrongUsage
from apportion.report.explain import explain
from apportion.report.weight_sources import row_ranges
from tests.unit.report.company import PERIOD, Claim, Company, context, larkspur


def test_one_owner_of_a_pool() -> None:
    found = explain(larkspur().con, context(), "gpu", owner="support")
    assert found.text.splitlines() == [
        "h100-a → support  266.67 USD                                rule gpu v1, proportional by gpu-hours",
        "  pool     400.00   4 charges, invoice AWS 8842  (bills/aws.csv rows 2–4, 9)",
        "  weight   1,612.4 of 2,418.6 gpu_hours = 66.67 %",
        "  split    266.6667 → 266.67   largest remainder: 1 of 1 left-over cent",
        "  layer    shared 266.67",
        "  id       gpu",
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
    assert dict(zip([c.name for c in table.columns], table.total, strict=True))["amount"] == 68_335
    assert "layer    direct 400.00   tag team 400.00" in found.text
    evidence = found.tables[-1]
    assert (evidence.name, evidence.column("evidence")) == ("evidence", ["tag team"] * 3)


def test_a_posting_leads_to_its_pool() -> None:
    made = larkspur()
    made.con.execute("CREATE TABLE postings AS SELECT 'S-1' AS posting_id, 'gpu' AS pool_id, 'search' AS owner")
    assert explain(made.con, context(), "S-1").text.startswith("h100-a → search  133.33 USD")


def test_a_pool_divided_window_by_window_says_so() -> None:
    made = Company()
    made.pool("w", [Claim("a", 900, weight=1), Claim("b", 100, weight=1)])
    assert "window by window" in explain(made.con, context(), "w", owner="a").text
    made.pool("d", [Claim("a", 900, weight=9), Claim("b", 100, weight=1)], windows=31)
    text = explain(made.con, context(), "d", owner="a").text
    assert "9.00   31 windows: each day's money by that day's weights" in text
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


@pytest.mark.parametrize("name", ["gpu", "h100-a", "gpu: h100-a", "8842", "AWS 8842", "GPU"])
def test_a_pool_may_be_called_by_what_a_statement_prints(name: str) -> None:
    made = larkspur()
    made.con.execute("UPDATE pools SET pool_id = 'gpu-2026-11-1d19' WHERE pool_id = 'gpu'")
    made.con.execute("UPDATE claims SET pool_id = 'gpu-2026-11-1d19' WHERE pool_id = 'gpu'")
    found = explain(made.con, context(), name, period=PERIOD, owner="search")
    assert "gpu-2026-11-1d19" in found.tables[0].column("pool_id")


def test_the_start_of_a_pool_is_enough_where_only_one_begins_so() -> None:
    con = larkspur().con
    assert explain(con, context(), "infer", period=PERIOD).text.startswith("openai/acct/gpt-x")
    made = Company()
    made.pool("p-1", [Claim("a", 1)], rule="x")
    made.pool("p-2", [Claim("a", 1)], rule="y")
    with pytest.raises(WrongUsage, match="2 pools begin with 'p-': p-1, p-2"):
        explain(made.con, context(), "p-", period=PERIOD)


def test_an_owner_without_a_part_is_told_who_has_one() -> None:
    with pytest.raises(WrongUsage, match="no part in it") as caught:
        explain(larkspur().con, context(), "gpu", owner="suport")
    assert caught.value.cure == "did you mean 'support'?"


def test_an_alias_is_named_with_its_money_unless_people_are_hidden() -> None:
    made = Company()
    made.con.execute("ALTER TABLE usage_cells ADD COLUMN tag_team VARCHAR")
    made.con.execute(
        "UPDATE dimension_ways SET evidence = 'tag team, mapped or by a mapped key'"
        " WHERE dimension = 'team' AND via = 2"
    )
    made.pool("p", [Claim("search", 22_507, "rule"), Claim("search", 4_465)])
    made.usage("search", team_via=2, tag_team="serach")
    text = explain(made.con, context(), "p", owner="search").text
    assert "layer    rule 225.07   tag team, serach → search 225.07" in text
    assert "layer    direct 44.65   tag team 44.65" in text
    made.con.execute("INSERT INTO dimension_ways VALUES ('user', 4, 'direct', 'tag team')")
    assert "serach" not in explain(made.con, context(users="hidden"), "p", owner="search").text


def test_the_rows_of_the_weights_are_named() -> None:
    made = larkspur()
    for row in (2, 3, 5):
        made.meter("gpu_hours", "h100-a", "1", "GPU-Hours", source_row=row)
    made.meter("gpu_hours", "h100-b", "1", "GPU-Hours", source_row=9)
    text = explain(made.con, context(), "gpu", owner="support").text
    assert "of 2,418.6 GPU-Hours = 66.67 %" in text
    assert "from     m.csv rows 2–3, 5" in text


def test_an_unknown_reference_offers_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="'gpo'") as caught:
        explain(larkspur().con, context(), "gpo")
    assert caught.value.cure == "did you mean 'gpu'?"
    with pytest.raises(WrongUsage):
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
