"""Meters, seats, printed invoices and rates are whole or exact, and never below zero by accident."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.normalize.tables import connect, item, reasons, rows, run, slugs


def test_a_meter_takes_days_months_and_spans(tmp_path: Path) -> None:
    con = connect()
    text = (
        "date,period_end,node,gpu_hours,capacity,reserved,team,unit\n"
        "2026-11-01,,n1,2.5,8,4,search,\n2026-11,,n1,3,,,ads,\n"
        "2026-11-01T00:00:00Z,2026-11-01T01:00:00Z,n1,1,,,ads,h\n2026-11-01,2026-12-01,n1,1,,,,\n"
    )
    done = run(con, [item(tmp_path, "meters", "m.csv", text, "gpu_hours")], unit="GPU-Hours")
    assert done.problems == ()
    found = rows(
        con,
        "SELECT meter, item, day, day_end, quantity_micro, capacity_micro, reservation_micro, unit, tags"
        " FROM meter_rows ORDER BY source_row",
    )
    day, month_end = date(2026, 11, 1), date(2026, 12, 1)
    next_day = date(2026, 11, 2)
    assert found == [
        ("gpu_hours", "n1", day, next_day, 2500000, 8000000, 4000000, "GPU-Hours", {"team": "search"}),
        ("gpu_hours", "n1", day, month_end, 3000000, None, None, "GPU-Hours", {"team": "ads"}),
        ("gpu_hours", "n1", day, next_day, 1000000, None, None, "h", {"team": "ads"}),
        ("gpu_hours", "n1", day, month_end, 1000000, None, None, "GPU-Hours", {}),
    ]


def test_a_weight_below_zero_or_no_number_is_set_aside(tmp_path: Path) -> None:
    con = connect()
    lines = ["-1,8", "NaN,8", "inf,8", ",8", "1,-8", "1,x", "1e30,8", "1,8"]
    text = "day,quantity,capacity\n" + "".join(f"2026-11-01,{line}\n" for line in lines) + "tomorrow,1,8\n,1,8\n"
    done = run(con, [item(tmp_path, "meters", "m.csv", text, "hours")], unit="GPU-Hours")
    assert list(reasons(con).values()) == [
        "negative-weight",
        "number-unreadable",
        "number-unreadable",
        "amount-missing",
        "negative-weight",
        "number-unreadable",
        "amount-too-large",
        "date-unreadable",
        "period-missing",
    ]
    assert done.control[0].rows_out == 1
    assert all(problem.held for problem in done.problems)


def test_revenue_may_fall_below_zero_and_is_flagged(tmp_path: Path) -> None:
    con = connect()
    text = "month,customer,revenue\n2026-11,acme,6000.00\n2026-11,drift,-500.00\n"
    done = run(con, [item(tmp_path, "meters", "m.csv", text, "revenue")], unit="USD")
    assert [(p.slug, p.severity) for p in done.problems] == [("meter-below-zero", "warning")]
    assert rows(con, "SELECT quantity_micro FROM meter_rows ORDER BY 1") == [(-500000000,), (6000000000,)]


@settings(max_examples=20)
@given(st.lists(st.decimals(min_value=0, max_value=9_000_000_000_000, places=9), min_size=1, max_size=60))
def test_quantities_are_micro_units_half_up_d12(tmp_path: Path, values: list[Decimal]) -> None:
    con = connect()
    text = "day,quantity\n" + "".join(f"2026-11-01,{value:f}\n" for value in values)
    run(con, [item(tmp_path, "meters", "m.csv", text, "hours")], unit="h")
    found = [row[0] for row in rows(con, "SELECT quantity_micro FROM meter_rows ORDER BY source_row")]
    assert found == [int(value.scaleb(6).quantize(Decimal(1), ROUND_HALF_UP)) for value in values]


def test_seats_with_and_without_a_holder(tmp_path: Path) -> None:
    con = connect()
    text = (
        "assignee,team,seat_price,start_date,last_day,last_activity_at\n"
        "ann,eng,39.00,2026-11-01,2026-11-15,2026-11-20T10:00:00Z\nann,data,39.00,2026-11-16,,\n,,39.00,,,\n"
        "bob,eng,-1,,,\ncat,eng,x,,,\ndan,eng,1,,,yesterday\n"
    )
    run(con, [item(tmp_path, "seats", "s.csv", text, "copilot")])
    found = rows(
        con,
        "SELECT seats, tool, seat_id, assigned_to, team, price, valid_from, valid_to, last_active_at"
        " FROM seat_rows ORDER BY source_row",
    )
    assert found[0] == (
        *("copilot", "copilot", "ann", "ann", "eng", Decimal(39), date(2026, 11, 1), date(2026, 11, 16)),
        datetime(2026, 11, 20, 10),  # noqa: DTZ001 - the engine's instants are UTC and carry no zone
    )
    assert found[1][6:] == (date(2026, 11, 16), date(9999, 12, 31), None)
    assert found[2][2:5] == ("s.csv:4", None, None)
    assert reasons(con) == {5: "negative-weight", 6: "number-unreadable", 7: "date-unreadable"}


def test_a_seat_that_two_rows_give_out_is_a_problem(tmp_path: Path) -> None:
    text = "seat_id,assigned_to\ns1,ann\ns1,bob\ns2,ann\n"
    assert slugs(run(connect(), [item(tmp_path, "seats", "s.csv", text)])) == ["overlapping-rows"]


def test_printed_totals_are_exact_and_keyed_as_the_charges_are(tmp_path: Path) -> None:
    con = connect()
    text = (
        "vendor,invoice_number,account,invoice_date,currency,total\nOpenAI,007,org,2026-11-30,USD,3247.50\n"
        "AWS,,123,2026-11-30,EUR,-1.005\nAWS,,123,,EUR,5\nX,1,,2026-11-30,EURO,5\n,1,,2026-11-30,EUR,5\nX,2,,,EUR,abc\n"
    )
    done = run(con, [item(tmp_path, "invoices", "i.csv", text)])
    assert rows(con, "SELECT invoice_key, period, total FROM invoices_printed ORDER BY source_row") == [
        ("OpenAI|007", "2026-11", Decimal("3247.5")),
        ("AWS|123|2026-11|EUR", "2026-11", Decimal("-1.005")),
    ]
    assert reasons(con) == {
        4: "period-missing",
        5: "currency-unknown",
        6: "key-missing",
        7: "number-unreadable",
    }
    assert {p.slug: p.amount for p in done.problems}["period-missing"] == "5.00 EUR"


def test_an_invoice_that_stands_twice_is_a_problem(tmp_path: Path) -> None:
    text = "issuer,invoice_id,currency,total\nA,1,USD,5\nA,1,USD,6\nA,2,USD,6\n"
    (problem,) = run(connect(), [item(tmp_path, "invoices", "i.csv", text)]).problems
    assert "'A|1' stands in row 3 and in row 2" in problem.message


def test_rates_hold_for_a_month_or_for_days(tmp_path: Path) -> None:
    con = connect()
    text = (
        "currency,month,date,rate,policy\nEUR,2026-11,,1.0837,Month Average\nJPY,,2026-11-05,0.0067,\n"
        "EUR,2026-10,,0,\nEUR,2026-10,,1.0000000001,\nEUR,,,1,\nEUR,2026-09,,1,spot\nEURO,2026-09,,1,\n"
    )
    run(con, [item(tmp_path, "fx", "fx.csv", text)])
    found = rows(con, "SELECT currency, period, valid_from, valid_to, rate, policy FROM fx_rates ORDER BY source_row")
    assert found == [
        ("EUR", "2026-11", date(2026, 11, 1), date(2026, 12, 1), Decimal("1.0837"), "month_average"),
        ("JPY", "2026-11", date(2026, 11, 5), date(2026, 11, 6), Decimal("0.0067"), None),
    ]
    assert list(reasons(con).values()) == [
        "negative-weight",
        "number-too-precise",
        "period-missing",
        "policy-unknown",
        "currency-unknown",
    ]


def test_two_rates_for_one_day_are_a_problem(tmp_path: Path) -> None:
    text = "currency,month,rate\nEUR,2026-11,1.08\nEUR,2026-11,1.09\nEUR,2026-12,1.1\n"
    assert slugs(run(connect(), [item(tmp_path, "fx", "fx.csv", text)])) == ["overlapping-rows"]


def test_absent_sources_leave_empty_tables() -> None:
    con = connect()
    assert run(con, []).problems == ()
    for table in ("charges", "invoices_printed", "fx_rates", "meter_rows", "roster_rows", "lookup_rows"):
        assert rows(con, f"SELECT count(*) FROM {table}") == [(0,)]
    for table in ("directory_values", "codes", "seat_rows", "quarantine"):
        assert rows(con, f"SELECT count(*) FROM {table}") == [(0,)]


def test_running_twice_is_running_once_l7(tmp_path: Path) -> None:
    con = connect()
    files = [item(tmp_path, "fx", "fx.csv", "currency,month,rate\nEUR,2026-11,1.08\nEUR,2026-10,x\n")]
    assert run(con, files) == run(con, files)
    assert rows(con, "SELECT count(*) FROM fx_rates UNION ALL SELECT count(*) FROM quarantine") == [
        (1,),
        (1,),
    ]
