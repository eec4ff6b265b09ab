"""Statements add up to the invoices, by every dimension."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import ApportionError, InvariantError
from apportion.money import apportion, show
from apportion.report.cents import cents
from apportion.report.statements import statement, statements
from tests.unit.report.company import CENT, DIMENSIONS, PERIOD, Claim, Company, context, larkspur


def test_one_row_per_owner_largest_first_and_unallocated_last() -> None:
    table = statements(larkspur().con, context(), PERIOD)
    owners = ["support", "search", "platform", "drift", "growth", "unallocated"]
    assert table.column("team") == owners
    support = table.row("support")
    assert (support["direct"], support["rule"], support["shared"]) == (40_000, 0, 30_001)
    assert (support["credits"], support["tax"]) == (-3_000, 1_334)
    assert "adjustments" not in support
    assert support["total"] == 68_335
    assert (support["change"], support["change_percent"]) == (18_335, Decimal("36.7"))
    assert table.row("growth")["change_percent"] == Decimal("-100.0")
    assert table.row("search")["change_percent"] is None
    assert table.row("unallocated")["direct"] == ""
    assert (support["unallocated"], table.row("unallocated")["unallocated"]) == ("", 5_000)
    assert table.row("All AI cost")["total"] == 108_000
    parts = [c.name for c in table.columns if c.kind == "money" and not c.signed and c.name != "total"]
    for name in [*owners, "All AI cost"]:
        row = table.row(name)
        assert sum(int(str(row[part] or 0)) for part in parts) == row["total"]
    assert any("weight 0 in person-days: drift" in note for note in table.notes)
    assert any("day-weighted" in note for note in table.notes)


def test_without_an_earlier_period_a_change_is_not_available() -> None:
    made = Company()
    made.pool("a", [Claim("x", 1)])
    assert statements(made.con, context(), PERIOD).row("x")["change"] is None


def test_defaults_have_a_column_of_their_own_only_where_there_are_some() -> None:
    made = larkspur()
    assert "default" not in [c.name for c in statements(made.con, context(), PERIOD).columns]
    made.pool("d", [Claim("support", 7, "default")])
    assert statements(made.con, context(), PERIOD).row("support")["default"] == 7


@pytest.mark.parametrize("dimension", [*DIMENSIONS, "category"])
def test_every_dimension_cuts_the_same_cents(dimension: str) -> None:
    table = statements(larkspur().con, context(), PERIOD, by=dimension)
    assert table.row("All AI cost")["total"] == 108_000
    assert sum(int(str(cell)) for cell in table.column("total")) == 108_000


def test_cents_by_customer_are_apportioned_inside_each_pool() -> None:
    table = statements(larkspur().con, context(), PERIOD, by="customer")
    assert table.row("acme")["total"] == 30_000 + 13_333
    assert table.row("birch")["direct"] == 9_999
    assert table.row("birch")["rule"] == 1
    assert table.row("cedar")["shared"] == 13_334


def test_a_pool_that_feeds_another_is_counted_once() -> None:
    made = larkspur()
    made.pool("feeder", [Claim("pool:fed", 900), Claim("support", 100)])
    made.pool("fed", [Claim("search", 900, "shared")])
    assert statements(made.con, context(), PERIOD).row("All AI cost")["total"] == 109_000
    assert statements(made.con, context(), PERIOD, by="customer").row("All AI cost")["total"] == 109_000


def test_cells_that_are_not_the_posted_cents_are_our_bug() -> None:
    made = larkspur()
    made.con.execute("UPDATE allocated_charges SET cost_nano = cost_nano + 10000000 WHERE pool_id = 'gpu'")
    with pytest.raises(InvariantError, match="L4"):
        statements(made.con, context(), PERIOD, by="customer")


def test_an_unknown_dimension_or_owner_names_what_there_is() -> None:
    con = larkspur().con
    with pytest.raises(ApportionError, match="no dimension") as caught:
        statements(con, context(), PERIOD, by="custmer")
    assert caught.value.cure == "use 'customer'"
    with pytest.raises(ApportionError, match="support"):
        statement(con, context(), PERIOD, owner="suport")


def test_the_detail_adds_up_to_the_row() -> None:
    tables = {t.name: t for t in statement(larkspur().con, context(), PERIOD, owner="support")}
    assert list(tables) == ["summary", "reasons", "categories", "direct", "shared", "credits-tax-corrections"]
    total = tables["summary"].total
    assert total is not None
    assert total[:4] == ("Charged to support", 68_335, 50_000, 18_335)
    direct = tables["direct"].row("openai · gpt-x")
    assert direct["calls"] == 800
    assert direct["input_million_tokens"] == Decimal("4.0")
    assert direct["cached_percent"] == Decimal("25.0")
    assert (direct["list_price"], direct["billed"]) == (40_000, 40_000)
    gpu = tables["shared"].row("gpu: h100-a")
    assert (gpu["billed"], gpu["yours"], gpu["of_all"]) == (40_000, Decimal("1612.4"), Decimal("2418.6"))
    assert (gpu["share"], gpu["method"]) == (Decimal("66.67"), "proportional by gpu-hours")
    assert tables["categories"].row("overhead")["amount"] == 30_001
    others = tables["credits-tax-corrections"]
    assert others.total is not None
    assert others.total[-1] == -1_666
    rule = {t.name: t for t in statement(larkspur().con, context(), PERIOD, owner="search")}["rules"]
    assert rule.row("keys: team by api_key_id")["amount"] == 15_000


def test_the_detail_of_another_dimension_adds_up_too() -> None:
    tables = statement(larkspur().con, context(), PERIOD, owner="acme", by="customer")
    assert [t.name for t in tables] == ["summary", "reasons", "categories"]
    assert tables[2].total == ("All categories", 43_333)


def test_users_are_shown_as_the_policy_says() -> None:
    con = larkspur().con
    assert statements(con, context(), PERIOD, by="user").row("ann")["total"] == 30_001
    hidden = statements(con, context(users="hidden"), PERIOD, by="user")
    assert hidden.column("user") == ["(hidden)", "unallocated"]
    assert hidden.row("(hidden)")["total"] == 40_000
    pseudonyms = context(users="pseudonym")
    table = statements(con, pseudonyms, PERIOD, by="user")
    names = [str(cell) for cell in table.column("user")]
    assert all(len(n) == 10 and n.startswith("u-") for n in names if n != "unallocated")
    assert (
        statement(con, pseudonyms, PERIOD, "ann", "user")[0].total
        == statement(con, pseudonyms, PERIOD, names[1 if names[0] == "unallocated" else 0], "user")[0].total
    )
    assert "ann" not in str(table)


def test_quarantine_and_usage_without_a_price_stay_in_every_report() -> None:
    made = larkspur()
    made.insert("quarantine", table_name="charges", reason="amount", amount="12.50", currency="USD")
    made.usage("support", price_state="unpriced", calls=3, model="o6")
    notes = statements(made.con, context(), PERIOD).notes
    assert any("1 row in quarantine, 12.50 USD" in note for note in notes)
    assert "o6: 3 calls have no price; they weigh by tokens" in notes
    made.pool(
        "o6", [Claim("support", 2_302)], usage="unpriced", basis="tokens", model="o6", note="3 calls have no price"
    )
    notes = statements(made.con, context(), PERIOD).notes
    assert "o6: 3 calls have no price; the 23.02 USD billed for it is divided by tokens" in notes
    assert not any(note.startswith("o6 v1") for note in notes)


def test_an_estimate_says_so() -> None:
    made = larkspur()
    made.pool("est", [Claim("support", 1_263)], status="estimate")
    assert any("Estimate: 12.63 USD" in note for note in statements(made.con, context(), PERIOD).notes)


_nanos = st.integers(-3 * CENT, 3 * CENT)
_cell = st.tuples(st.sampled_from("AZéß"), st.sampled_from([1, 2, 3, -1]), _nanos)


@given(st.lists(_cell, min_size=1, max_size=12), st.booleans())
def test_the_query_and_the_python_splitter_agree(cells: list[tuple[str, int, int]], negative: bool) -> None:
    merged: dict[tuple[str, int, str], int] = defaultdict(int)
    for customer, via, nano in cells:
        merged[customer, via, "unallocated"] += -abs(nano) if negative else nano
    first = next(iter(merged))
    merged[first] -= sum(merged.values()) % CENT
    total = sum(merged.values()) // CENT
    made = Company()
    made.pool("p", [Claim("x", total, cells=merged)])
    found = cents(made.con, context(), PERIOD, "customer")
    sums: dict[str, int] = defaultdict(int)
    for (customer, _via, _), nano in merged.items():
        sums[customer] += nano
    keys = sorted(sums)
    keys.reverse()
    expected = dict(zip(keys, apportion(total, [sums[k] for k in keys], keys, CENT), strict=True))
    assert found.by_value == expected
    layers = {1: "direct", 2: "rule", 3: "default", -1: "shared"}
    for key, whole in expected.items():
        inside = {layers[via]: nano for (customer, via, _), nano in merged.items() if customer == key}
        names = sorted(inside)
        parts = apportion(whole, [inside[n] for n in names], names, CENT)
        assert found.of(value=key).by_layer == dict(zip(names, parts, strict=True))


def test_a_negative_statement_is_a_credit_note() -> None:
    made = Company()
    made.pool("credit", [Claim("a", -6_000), Claim("b", 1_000)], kind="credit")
    table = statements(made.con, context(), PERIOD)
    assert table.notes[0] == f"Credit note: a {show(-6_000, 'USD')} USD, carried and not clipped to 0"
    assert statement(made.con, context(), PERIOD, owner="a")[0].title.startswith("a, credit note")
