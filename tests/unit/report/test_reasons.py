"""Reasons add up to the change, and say what changed of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from apportion.errors import ApportionError
from apportion.money import show
from apportion.period import Period
from apportion.report import reason_tables
from apportion.report.cents import compared
from apportion.report.moved import ALL
from apportion.report.reason_tables import every_reason, reasons
from apportion.report.reasons import Change, changes
from apportion.report.statements import statement
from apportion.report.table import Table, to_data
from tests.unit.report.company import CENT, DIMENSIONS, PERIOD, Claim, Company, context

BEFORE = PERIOD.previous
# Picos per token: fresh input, cached input, output.
PRICES = (2_000_000, 200_000, 10_000_000)
Tokens = tuple[int, int, int]


def calls(
    made: Company,
    period: Period,
    daily: Sequence[tuple[int, Tokens]],
    *,
    team: str = "support",
    feature: str = "reply",
    model: str = "m",
    prices: Tokens = PRICES,
    charged: int | None = None,
    **facts: Any,
) -> None:
    """Calls on the first days of a period, and what was charged for them: their list cost if not given, in cents."""
    picos = 0
    for number, (count, tokens) in enumerate(daily):
        cost = sum(a * b for a, b in zip(tokens, prices, strict=True))
        picos += cost
        made.usage(
            team,
            day=period.start + timedelta(days=number),
            calls=count,
            uncached_input_tokens=tokens[0],
            cache_read_tokens=tokens[1],
            output_tokens=tokens[2],
            list_cost_picos=cost,
            price_id=f"{model}@{prices}",
            provider="vendor",
            feature=feature,
            model=model,
            model_key=model,
            operation="chat",
            **{key: value for key, value in facts.items() if key in ("processing", "price_state")},
        )
    minor = picos // 10**10 if charged is None else charged
    status = facts.get("status", "final")
    pool = f"{period}-{team}-{feature}-{model}-{facts.get('processing', '')}"
    made.insert(
        "pools", pool_id=pool, period=str(period), rule="inference", rule_version=1, method="direct", kind="usage",
        status=status, category="inference", currency="USD", basis="list cost", weight_total=picos, amount_minor=minor,
        provider="vendor", model=model, invoice_key="Vendor|1", item=f"vendor/acc/{model}",
    )  # fmt: skip
    made.insert("claims", pool_id=pool, owner=team, layer="direct", role="use", weight=picos, amount_minor=minor)
    dims: dict[str, object] = dict.fromkeys(DIMENSIONS, "unallocated") | {f"{d}_via": 0 for d in DIMENSIONS}
    dims |= {"team": team, "team_via": 1, "feature": feature, "feature_via": 1, "model": model}
    made.insert(
        "allocated_charges", period=str(period), day=period.start, pool_id=pool, owner=team, category="inference",
        layer="direct", role="use", cost_nano=minor * CENT, **dims,
    )  # fmt: skip


def of(made: Company, value: str | None = "support", by: str | None = "team", **settings: object) -> Change:
    now, before = compared(made.con, context(**settings), PERIOD, by or "team")
    assert before is not None
    found = changes(made.con, context(**settings), PERIOD, by, now, before, values=value and [value])
    return found[value or ALL]


def said(change: Change) -> dict[str, int]:
    return {reason.says: reason.minor for reason in change.reasons}


def share(cached: int, days: int, calls_a_day: int = 10) -> list[tuple[int, Tokens]]:
    """Days of calls whose input comes from a cache so often, no two days alike."""
    return [(calls_a_day, ((100 - cached) * 10_000 + n, cached * 10_000 - n, 20_000 + n * n)) for n in range(days)]


def test_the_cache_and_the_day_on_which_it_broke() -> None:
    made = Company()
    calls(made, BEFORE, share(71, 20))
    calls(made, PERIOD, [*share(71, 10), *share(12, 10)])
    change = of(made)
    first = change.reasons[0]
    assert first.kind == "cache"
    assert first.says == "Cached input of reply fell from 71 % to 41 %, to 12 % from 11 November on"
    # 59 % of 10 x 1,000,000 tokens became dearer by 1.80 per million.
    assert abs(first.minor - 1_062) <= 1
    assert change.nano == change.minor * CENT


def test_more_calls_and_the_day_that_has_them() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10))
    calls(made, PERIOD, [*share(50, 9), *share(50, 1, 400)])
    volume = next(reason for reason in of(made).reasons if reason.kind == "volume")
    assert volume.says == "390 % more calls of reply (490 after 100; 400 of them on 10 November)"


def test_a_list_price_that_fell() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10))
    calls(made, PERIOD, share(50, 10), prices=(2_000_000, 200_000, 8_000_000))
    found = said(of(made))
    assert "List price of m, output, fell from 10.00 to 8.00 per 1M tokens" in found
    assert found["List price of m, output, fell from 10.00 to 8.00 per 1M tokens"] < 0


def test_a_discount() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10))
    calls(made, PERIOD, share(50, 10), charged=1_170)
    (reason,) = of(made).reasons
    assert (reason.kind, reason.minor) == ("billed", of(made).minor)
    assert reason.says == "Billed by vendor: 90 % of list price after 100 %"


def test_calls_that_moved_to_another_model() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10), model="large")
    calls(made, PERIOD, share(50, 8), model="large")
    calls(made, PERIOD, share(50, 2), model="small", prices=(200_000, 20_000, 1_000_000))
    found = {reason.kind: reason for reason in of(made).reasons}
    assert found["models"].says == "Calls of reply: small 20 % after 0 %"
    assert found["models"].minor < 0
    assert "volume" not in found


def test_calls_that_moved_to_batch() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10))
    calls(made, PERIOD, share(50, 5))
    calls(made, PERIOD, share(50, 5), processing="batch", prices=(1_000_000, 100_000, 5_000_000))
    found = {reason.kind: reason for reason in of(made).reasons}
    assert found["ways"].says == "Calls of reply: batch 50 % after 0 %"
    assert abs(found["ways"].minor) * 4 == pytest.approx(of(made).minor * -4, abs=8)


def test_new_and_ended_calls_and_an_owner_that_is_in_one_month_alone() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10), feature="old", team="growth")
    calls(made, PERIOD, share(50, 10), feature="new")
    assert said(of(made)) == {"New: calls of new (100)": of(made).minor}
    assert said(of(made, "growth")) == {"Ended: calls of old (100 before)": of(made, "growth").minor}
    assert of(made, None, None).minor == 0


def test_calls_without_a_price_have_a_cost_per_call() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10), charged=1_000, price_state="unpriced")
    calls(made, PERIOD, share(50, 20), charged=1_500, price_state="unpriced")
    assert said(of(made)) == {
        "100 % more calls of reply (200 after 100)": 1_000,
        "Cost per call of reply: 0.07500 after 0.10000": -500,
    }


def test_money_without_calls_is_an_amount_of_its_model() -> None:
    made = Company()
    calls(made, BEFORE, [], charged=100)
    calls(made, PERIOD, [], charged=250)
    assert said(of(made)) == {"m for reply, as billed: 2.50 after 1.00": 150}


def test_calls_that_name_no_model_are_told_by_their_vendor() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10), model="unallocated", feature="unallocated")
    calls(made, PERIOD, share(50, 20), model="unallocated", feature="unallocated")
    assert "100 % more calls of vendor that name no model (200 after 100)" in said(of(made))


def test_an_estimate_says_so() -> None:
    made = Company()
    calls(made, BEFORE, share(50, 10))
    calls(made, PERIOD, share(50, 20), status="estimate")
    assert of(made).reasons[0].says == "100 % more calls of reply (200 after 100), estimate"


def _pool(made: Company, period: Period, parts: Mapping[str, tuple[int, int]], **facts: Any) -> None:
    claims = [Claim(owner, minor, "shared", weight, "whole") for owner, (minor, weight) in parts.items()]
    shape = {"rule": "db", "method": "headcount", "basis": "person-days", "provider": "q", **facts}
    made.pool(f"{shape['rule']}-{period}", claims, period, **shape)


def test_a_shared_pool_became_dearer_and_the_share_larger() -> None:
    made = Company()
    _pool(made, BEFORE, {"support": (2_500, 10), "search": (7_500, 30)})
    _pool(made, PERIOD, {"support": (6_000, 20), "search": (6_000, 20)})
    assert said(of(made)) == {
        "db cost 120.00 after 100.00": 500,
        "Part of db: 20 of 40 person-days, after 10 of 40": 3_000,
    }
    assert said(of(made, None, None)) == {"db cost 120.00 after 100.00": 2_000}


def test_pools_of_mixed_sign_and_of_nothing() -> None:
    made = Company()
    _pool(made, BEFORE, {"support": (-2_500, 10), "search": (7_500, 30)})
    _pool(made, PERIOD, {"support": (6_000, 20), "search": (-12_000, 20)})
    _pool(made, BEFORE, {"support": (500, 1), "search": (-500, 1)}, rule="spread")
    _pool(made, PERIOD, {"support": (700, 1), "search": (-700, 1)}, rule="spread")
    change = of(made)
    assert sum(said(change).values()) == change.minor == 8_500 + 200
    assert said(change)["spread, q: 7.00 after 5.00"] == 200


def test_credits_tax_corrections_and_fees_are_told_by_name() -> None:
    made = Company()
    made.pool("x", [Claim("support", -250)], BEFORE, kind="credit", invoice_key="OpenAI|1", provider="openai")
    for kind, minor in (("tax", 80), ("correction", 3_742), ("shortfall", 6_000), ("variance", -5)):
        made.pool(kind, [Claim("support", minor)], kind=kind, invoice_key="OpenAI|2", provider="openai", rule="r")
    made.pool("job", [Claim("support", 9)], basis="its own evidence", provider="openai", rule="training")
    assert said(of(made)) == {
        "Minimum fee of r: 60.00 after 0.00": 6_000,
        "Correction of an earlier period, OpenAI: 37.42 after 0.00": 3_742,
        f"Credit of OpenAI: 0.00 after {show(-250, 'USD')}": 250,
        "Tax on OpenAI: 0.80 after 0.00": 80,
        "New: training, openai": 9,
        f"Variance of r: {show(-5, 'USD')} after 0.00": -5,
    }


def _company() -> Company:
    made = Company()
    calls(made, BEFORE, share(71, 20))
    calls(made, PERIOD, [*share(71, 10), *share(12, 12)])
    calls(made, BEFORE, share(30, 4), team="unallocated", feature="unallocated")
    calls(made, PERIOD, share(30, 6), team="unallocated", feature="unallocated")
    _pool(made, BEFORE, {"support": (3_333, 10), "search": (6_667, 20)})
    _pool(made, PERIOD, {"support": (5_000, 20), "search": (5_000, 20)})
    made.pool("x", [Claim("support", -250)], BEFORE, kind="credit", invoice_key="OpenAI|1", provider="openai")
    return made


def test_three_reasons_and_everything_else_are_the_change_of_the_statement() -> None:
    made = _company()
    tables = {table.name: table for table in statement(made.con, context(), PERIOD, owner="support")}
    block, summary = tables["reasons"], tables["summary"]
    assert list(tables)[1] == "reasons"
    assert block.title == "Three largest reasons for the change"
    assert [row[0] for row in block.rows][-1] == "Everything else"
    assert len(block.rows) == 4
    assert summary.total is not None
    assert block.total == ("Change on October", summary.total[3])
    assert sum(int(str(row[1])) for row in block.rows) == summary.total[3]
    assert [abs(int(str(row[1]))) for row in block.rows[:-1]] == sorted(
        (abs(int(str(row[1]))) for row in block.rows[:-1]), reverse=True
    )


def test_nobody_s_cost_has_reasons_too() -> None:
    assert of(_company(), "unallocated").reasons[0].says == "50 % more calls of m (60 after 40)"


@pytest.mark.parametrize("dimension", [*DIMENSIONS, "category"])
def test_every_dimension_adds_up(dimension: str) -> None:
    table = every_reason(_company().con, context(), PERIOD, dimension)
    assert table.total is not None
    assert sum(int(str(row[3])) for row in table.rows) == table.total[3]
    assert sum(int(str(row[3])) for row in table.below) == table.total[3]


def test_the_export_has_all_of_every_value_and_below_the_sum_those_of_all() -> None:
    table = every_reason(_company().con, context(), PERIOD)
    assert [column.name for column in table.columns] == ["team", "kind", "reason", "amount"]
    assert {row[0] for row in table.below} == {ALL}
    data = to_data(table)
    assert data["rows"][0]["amount"]["currency"] == "USD"
    with pytest.raises(ApportionError, match="no dimension"):
        every_reason(_company().con, context(), PERIOD, "tema")


def test_without_an_earlier_period_there_is_nothing_to_compare_and_nothing_else() -> None:
    made = Company()
    calls(made, PERIOD, share(50, 10))
    now, before = compared(made.con, context(), PERIOD, "team")
    table = reasons(made.con, context(), PERIOD, "team", now, before, values=["support"]).table("support")
    assert (table.rows, table.total) == ((("No earlier period to compare with", None),), None)
    every = every_reason(made.con, context(), PERIOD)
    assert (every.rows, every.total, every.notes) == ((), None, ("No earlier period to compare with",))


def test_what_is_not_looked_at_one_by_one_is_in_everything_else() -> None:
    made = _company()
    now, before = compared(made.con, context(), PERIOD, "team")
    assert before is not None
    found = changes(made.con, context(), PERIOD, "team", now, before, values=["support"], most_keys=1)["support"]
    assert {reason.kind for reason in found.reasons} == {"share"}
    assert found.minor == of(made).minor
    assert found.minor != sum(reason.minor for reason in found.reasons)


def test_the_smallest_of_many_values_have_a_change_and_no_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reason_tables, "_MOST_VALUES", 1)
    table = every_reason(_company().con, context(), PERIOD)
    assert [row[1:3] for row in table.rows if row[0] == "search"] == [("", "Everything else")]
    assert {row[0] for row in table.rows if row[1]} == {"support", "unallocated"}
    assert table.notes[-1] == "Of 1 smaller value the reasons are not told: everything else"
    assert table.total is not None
    assert sum(int(str(row[3])) for row in table.rows) == table.total[3]


def test_l7_the_order_of_rows_never_matters() -> None:
    def table(made: Company) -> Table:
        return every_reason(made.con, context(), PERIOD)

    made = _company()
    first = table(made)
    for name in ("pools", "claims", "allocated_charges", "usage_cells"):
        made.con.execute(f"CREATE TABLE turned AS SELECT * FROM {name} ORDER BY HASH({name})")
        made.con.execute(f"DROP TABLE {name}")
        made.con.execute(f"ALTER TABLE turned RENAME TO {name}")
    assert table(made) == first
