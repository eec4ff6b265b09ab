"""Bills become charges to the last digit, and what cannot be read is counted with its money."""

from __future__ import annotations

import csv
import json
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.focus import TABLES
from apportion.normalize.charges import COLUMNS
from tests.unit.normalize.tables import Item, connect, item, reasons, rows, run, slugs

HEAD = "BilledCost,BillingCurrency,ChargePeriodStart\n"


def test_the_table_has_every_column_of_the_standard_and_the_contract(tmp_path: Path) -> None:
    con = connect()
    run(con, [item(tmp_path, "charges", "a.csv", HEAD + "1,USD,2026-11-03\n")])
    kinds = {name: kind.replace(" ", "") for name, kind, *_ in rows(con, "DESCRIBE charges")}
    assert kinds == {name: kind.replace(" ", "") for name, kind in COLUMNS.items()}
    assert set(TABLES["charges"].names) < set(kinds)


def test_a_bill_with_three_columns_is_enough(tmp_path: Path) -> None:
    con = connect()
    done = run(con, [item(tmp_path, "charges", "a.csv", HEAD + "-12.50,USD,2026-11-03\n")])
    assert done.problems == ()
    assert rows(
        con,
        "SELECT charge_id, billed_nano, effective_nano, effective_cost, period, invoice_key FROM charges",
    )[0] == ("a.csv:2", -12500000000, -12500000000, Decimal("-12.5"), "2026-11", "||2026-11|USD")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("abc,USD,2026-11-03", "number-unreadable"),
        ("NaN,USD,2026-11-03", "number-unreadable"),
        ("-inf,USD,2026-11-03", "number-unreadable"),
        ('"1,234.50",USD,2026-11-03', "number-unreadable"),
        ("$5,USD,2026-11-03", "number-unreadable"),
        ("9223372036.8547758079999999999,USD,2026-11-03", "amount-too-large"),
        ("99999999999999999999999.00000000000000000001,USD,2026-11-03", "amount-too-large"),
        ("9223372036.854775808,USD,2026-11-03", "amount-too-large"),
        ("1e40,USD,2026-11-03", "amount-too-large"),
        (",USD,2026-11-03", "amount-missing"),
        ("NULL,USD,2026-11-03", "amount-missing"),
        ("1,XYZ,2026-11-03", "currency-unknown"),
        ("1,usd,2026-11-03", "currency-unknown"),
        ("1,,2026-11-03", "currency-unknown"),
        ("1,USD,11/04/2026", "date-unreadable"),
        ("1,USD,2026-02-30", "date-unreadable"),
        ("1,USD,", "period-missing"),
        ("1,USD", "row-broken"),
    ],
)
def test_a_row_that_cannot_be_read_is_set_aside(tmp_path: Path, cells: str, reason: str) -> None:
    con = connect()
    done = run(con, [item(tmp_path, "charges", "a.csv", HEAD + "5,USD,2026-11-03\n" + cells + "\n")])
    assert reasons(con) == {3: reason}
    assert rows(con, "SELECT source_row FROM charges") == [(2,)]
    (problem,) = done.problems
    assert (problem.slug, problem.held, str(problem.place)) == (reason, True, "a.csv: row 3")
    assert problem.cure
    (control,) = done.control
    assert (control.rows_in, control.rows_out, control.rows_quarantined) == (2, 1, 1)


NUMBERS = st.tuples(st.decimals(-(10**9), 10**9, allow_nan=False), st.integers(0, 30), st.booleans())


@given(st.lists(NUMBERS, min_size=1, max_size=12))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_digits_behind_the_18th_are_rounded_half_up_and_told(
    tmp_path: Path, numbers: list[tuple[Decimal, int, bool]]
) -> None:
    con, exact = connect(), Context(prec=60)
    costs = [number.scaleb(-down, exact) for number, down, _ in numbers]
    texts = [f"{cost:E}" if number[2] else f"{cost:f}" for cost, number in zip(costs, numbers, strict=True)]
    bill = HEAD + "".join(f"{text},USD,2026-11-03\n" for text in texts)
    done = run(con, [item(tmp_path, "charges", "a.csv", bill)])
    kept = [cost.quantize(Decimal("1E-18"), ROUND_HALF_UP, exact) for cost in costs]
    nanos = [int(each.scaleb(9, exact)) for each in kept]
    found = rows(
        con, "SELECT billed_cost, effective_cost, billed_nano, effective_residue FROM charges ORDER BY source_row"
    )
    assert found == [
        (each, each, nano, exact.subtract(each, Decimal(nano).scaleb(-9, exact)))
        for each, nano in zip(kept, nanos, strict=True)
    ]
    assert [problem.slug for problem in done.problems] == ["cost-rounded"] * (kept != costs)
    assert reasons(con) == {}


def test_quarantined_money_is_counted_by_currency(tmp_path: Path) -> None:
    con = connect()
    done = run(con, [item(tmp_path, "charges", "a.csv", HEAD + "17280,USD,x\n-0.5,USD,y\n3,EUR,z\n")])
    (problem,) = done.problems
    assert problem.amount == "3.00 EUR and 17,279.50 USD"
    assert "(2 more rows" in problem.message
    assert {t.currency: t.quarantined for t in done.control[0].totals} == {
        "USD": Decimal("17279.5"),
        "EUR": Decimal(3),
    }


def test_a_bad_list_cost_holds_the_row_and_a_bad_quantity_does_not(tmp_path: Path) -> None:
    con = connect()
    text = "BilledCost,BillingCurrency,ChargePeriodStart,ListCost,ConsumedQuantity\n"
    done = run(con, [item(tmp_path, "charges", "a.csv", text + "1,USD,2026-11-03,x,1\n1,USD,2026-11-03,1,x\n")])
    assert reasons(con) == {2: "number-unreadable"}
    assert slugs(done) == ["measure-unreadable", "number-unreadable"]
    assert done.problems[0].severity == "warning"
    assert "consumed_quantity (1 rows)" in done.problems[0].message


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2024-10-01 00:00:00", "2024-10-01 00:00:00"),
        ("2024-10-01T00:00:00Z", "2024-10-01 00:00:00"),
        ("2024-10-01T00:00:00+02:00", "2024-09-30 22:00:00"),
        ("2024-09-30T20:00:00-0500", "2024-10-01 01:00:00"),
        ("2024-10-01", "2024-10-01 00:00:00"),
        ("2024-10-01 00:00:00 UTC", "2024-10-01 00:00:00"),
        ("2024-10-01T00:00:00.000Z", "2024-10-01 00:00:00"),
    ],
)
def test_instants_are_utc(tmp_path: Path, written: str, stored: str) -> None:
    con = connect()
    run(con, [item(tmp_path, "charges", "a.csv", HEAD + f"1,USD,{written}\n")])
    assert rows(con, "SELECT CAST(charge_period_start AS VARCHAR), period FROM charges") == [(stored, stored[:7])]


def test_the_accounting_period_is_that_of_the_bill_and_not_of_the_charge(tmp_path: Path) -> None:
    con = connect()
    text = "BilledCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart\n"
    run(con, [item(tmp_path, "charges", "a.csv", text + "1,USD,2026-11-01,2026-10-31\n1,USD,2026-11-01,\n")])
    assert rows(con, "SELECT period, CAST(charge_period_end AS VARCHAR) FROM charges ORDER BY source_row") == [
        ("2026-11", "2026-11-01 00:00:00"),
        ("2026-11", "2026-12-01 00:00:00"),
    ]


def test_a_date_format_of_the_users_own(tmp_path: Path) -> None:
    con = connect()
    file = item(tmp_path, "charges", "a.csv", HEAD + "1,USD,11/04/2026\n1,USD,2026-11-05\n")
    run(con, [file], constants={"date_format": "%m/%d/%Y"})
    assert rows(con, "SELECT CAST(charge_period_start AS DATE) FROM charges ORDER BY source_row")[0][0].day == 4
    assert reasons(con) == {}


def test_columns_and_constants_of_the_source(tmp_path: Path) -> None:
    con = connect()
    file = item(tmp_path, "charges", "a.csv", "Amount,When,BilledCost\n7,2026-11-03,9\n")
    run(
        con,
        [file],
        columns={"billed_cost": "Amount", "charge_period_start": "when"},
        constants={"billing_currency": "EUR", "provider_name": "Pinecone", "origin": "card"},
    )
    found = rows(con, "SELECT billed_cost, billing_currency, provider, extra FROM charges")
    assert found == [(Decimal(7), "EUR", "pinecone", {"BilledCost": "9", "origin": "card"})]


def test_columns_that_are_missing_unknown_or_doubled_stop_the_file(tmp_path: Path) -> None:
    con = connect()
    one = item(tmp_path, "charges", "a.csv", "BilledCosts,BillingCurrency\n1,USD\n")
    two = item(tmp_path, "charges", "b.csv", HEAD.replace("BilledCost", "BilledCost,billed_cost") + "1,2,USD,x\n")
    done = run(con, [one, two])
    assert slugs(done) == ["column-missing", "column-twice"]
    assert "'BilledCosts'" in done.problems[0].message
    assert all(problem.stops for problem in done.problems)
    assert rows(con, "SELECT count(*) FROM charges") == [(0,)]
    wrong = run(connect(), [one], columns={"billed_cost": "BiledCost"})
    assert "did you mean 'BilledCosts'?" in wrong.problems[0].message


def test_ids_keep_their_zeros_and_the_word_null_is_no_value(tmp_path: Path) -> None:
    con = connect()
    text = "BilledCost,BillingCurrency,ChargePeriodStart,BillingAccountId,InvoiceId,SkuId,x_Note\n"
    run(con, [item(tmp_path, "charges", "a.csv", text + "1,USD,2026-11-03,0012,000123,null,NULL\n")])
    assert rows(con, "SELECT billing_account_id, invoice_key, sku_id, extra FROM charges") == [
        ("0012", "|000123", None, {})
    ]


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        (
            '{"team":"search","n":0.10,"big":123456789012345678901}',
            ("search", "0.10", "123456789012345678901"),
        ),
        ('"team": "search","n": "1"', ("search", "1", None)),
        ('[{"key":"team","value":"search"}]', ("search", None, None)),
        ("{}", (None, None, None)),
        ("", (None, None, None)),
    ],
)
def test_tags_come_in_three_forms(tmp_path: Path, written: str, tags: tuple[str | None, ...]) -> None:
    con = connect()
    line = {"BilledCost": 1, "BillingCurrency": "USD", "ChargePeriodStart": "2026-11-03", "Tags": written}
    done = run(con, [item(tmp_path, "charges", "a.jsonl", json.dumps(line) + "\n")])
    assert done.problems == ()
    assert rows(con, "SELECT tags['team'], tags['n'], tags['big'] FROM charges") == [tags]


def test_tags_that_are_no_object_are_a_warning(tmp_path: Path) -> None:
    con = connect()
    done = run(con, [item(tmp_path, "charges", "a.csv", HEAD.replace("\n", ",Tags\n") + "1,USD,2026-11-03,team=a\n")])
    assert [(p.slug, p.severity) for p in done.problems] == [("tags-unreadable", "warning")]
    assert rows(con, "SELECT tags FROM charges") == [({},)]


def test_zero_decimal_currencies_keep_six_digits_d10(tmp_path: Path) -> None:
    con = connect()
    run(con, [item(tmp_path, "charges", "a.csv", HEAD + "100000.1234567,JPY,2026-11-03\n1,KWD,2026-11-03\n")])
    found = rows(con, "SELECT billed_nano, effective_residue FROM charges ORDER BY source_row")
    assert found == [(100000123456, Decimal("0.0000007")), (1000000000, Decimal(0))]


@settings(max_examples=12)
@given(st.lists(st.decimals(min_value=-9_000_000_000, max_value=9_000_000_000, places=18), min_size=1, max_size=100))
def test_nano_and_residue_give_every_digit_back_d11(tmp_path: Path, amounts: list[Decimal]) -> None:
    con = connect()
    lines = "".join(f"{amount:f},USD,2026-11-03\n" for amount in amounts)
    done = run(con, [item(tmp_path, "charges", "a.csv", HEAD + lines)])
    found = rows(con, "SELECT effective_nano, effective_residue, billed_cost FROM charges ORDER BY source_row")
    for amount, (nano, residue, billed) in zip(amounts, found, strict=True):
        assert billed == amount
        assert abs(nano) == int(abs(amount).scaleb(9))
        assert Decimal(nano).scaleb(-9) + residue == amount
    with localcontext(prec=60):
        assert done.control[0].totals[0].billed == sum(amounts)


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(-(10**17), 10**17), st.integers(-18, 0), st.sampled_from("eE")),
        min_size=1,
        max_size=100,
    )
)
def test_scientific_notation_is_exact(tmp_path: Path, parts: list[tuple[int, int, str]]) -> None:
    con = connect()
    texts = [f"{digits}{sign}{power}" for digits, power, sign in parts]
    lines = "".join(f"{text},CLF,2026-11-03\n" for text in texts)
    run(con, [item(tmp_path, "charges", "a.csv", HEAD + lines)])
    stored = dict(rows(con, "SELECT source_row, billed_cost FROM charges"))
    aside = reasons(con)
    for row, text in enumerate(texts, start=2):
        if row in stored:
            assert stored[row] == Decimal(text)
        else:
            assert aside[row] == "amount-too-large"
            assert abs(Decimal(text)) > Decimal("9223372036.854775807")


class TestRealBills:
    """Over `shared/data`; skipped with its reason where that is not there."""

    @staticmethod
    def independent(path: Path, column: str) -> Decimal:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return sum((Decimal(row[column]) for row in csv.DictReader(file)), Decimal(0))

    def test_the_focus_sample_keeps_its_totals_to_the_last_digit(self, shared: Path) -> None:
        path = shared / "focus_sample_1.0" / "focus_sample.csv"
        con = connect()
        done = run(con, [item_at(path)])
        (control,) = done.control
        assert done.problems == ()
        assert (control.rows_in, control.rows_out, control.rows_quarantined) == (1000, 1000, 0)
        (total,) = control.totals
        assert total.billed == self.independent(path, "BilledCost")
        assert total.effective == self.independent(path, "EffectiveCost")
        assert f"{total.billed:.4f} {total.effective:.4f}" == "20.5202 14.9765"
        assert rows(con, "SELECT count(*) FROM charges WHERE cardinality(tags) > 0") == [(711,)]
        assert dict(rows(con, "SELECT provider, count(*) FROM charges GROUP BY 1")) == {
            "aws": 942,
            "azure": 51,
            "oracle": 7,
        }

    def test_the_golden_csv_and_its_parquet_twin_are_one(self, shared: Path) -> None:
        twins = []
        for ending in ("csv", "parquet"):
            con = connect()
            done = run(con, [item_at(shared / "focus_golden_13" / f"ai_tokens_seats_split_focus13.{ending}")])
            assert done.problems == ()
            columns = [c for c in COLUMNS if c not in {"charge_id", "source_file", "source_row"}]
            twins.append(rows(con, f"SELECT {', '.join(columns)} FROM charges ORDER BY source_row"))
        assert twins[0] == twins[1]
        assert len(twins[0]) == 8

    def test_every_file_of_the_field_is_a_table_or_a_problem(self, shared: Path) -> None:
        for folder in ("aws_cur", "azure_exports", "focus_spec_examples_v1.2", "format_samples"):
            for path in sorted((shared / folder).glob("*.csv*")):
                done = run(connect(), [item_at(path)])
                (control,) = done.control
                assert control.rows_in == control.rows_out + control.rows_quarantined
                assert control.rows_out or done.problems, path.name


def item_at(path: Path) -> Item:
    kind = "csv.gz" if path.name.endswith(".csv.gz") else path.suffix.removeprefix(".")
    return Item("charges", "charges", path.name, path, kind)


@pytest.mark.parametrize(
    ("form", "cells", "read"),
    [
        ("1.234,56", ["1.234,56", "-0,5", "1.234.567,1", "12"], ["1234.56", "-0.5", "1234567.1", "12"]),
        ("1 234,56", ["1 234,56", "1\u202f234\u00a0567,5"], ["1234.56", "1234567.5"]),
        ("1,234.56", ["1,234.56", "NULL"], ["1234.56"]),
    ],
)
def test_numbers_as_a_country_writes_them(tmp_path: Path, form: str, cells: list[str], read: list[str]) -> None:
    con = connect()
    text = HEAD + "".join(f'"{cell}",EUR,2026-11-03\n' for cell in cells)
    run(con, [item(tmp_path, "charges", "a.csv", text)], constants={"number_format": form})
    assert rows(con, "SELECT billed_cost FROM charges ORDER BY source_row") == [(Decimal(number),) for number in read]


def test_a_number_in_another_form_than_was_said_is_set_aside(tmp_path: Path) -> None:
    con = connect()
    text = HEAD + '"1.5",EUR,2026-11-03\n"1,50",EUR,2026-11-03\n'
    done = run(con, [item(tmp_path, "charges", "a.csv", text)], constants={"number_format": "1.234,56"})
    assert (reasons(con), rows(con, "SELECT billed_cost FROM charges")) == (
        {2: "number-unreadable"},
        [(Decimal("1.5"),)],
    )
    assert "'1.5 (not as 1.234,56)'" in done.problems[0].message
