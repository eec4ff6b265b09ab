"""Cost per day: every cent of the period on a day, small owners together, unallocated apart."""

from __future__ import annotations

from datetime import date, timedelta

from apportion.report.cents import cents
from apportion.report.daily import daily
from tests.unit.report.company import CENT, PERIOD, Claim, Company, context, larkspur


def test_the_days_add_up_to_the_period() -> None:
    company = larkspur()
    table = daily(company.con, context(), PERIOD)
    assert table.total is not None
    assert table.total[-1] == cents(company.con, context(), PERIOD).total
    assert len(table.rows) == PERIOD.days
    assert table.rows[0][0] == PERIOD.start
    assert table.rows[1][1:] == ("",) * (len(table.columns) - 1)


def test_days_outside_the_period_have_a_row() -> None:
    company = Company()
    company.pool("p", [Claim("a", 300, cells={("x", 1, "u"): 300 * CENT})])
    company.con.execute("UPDATE allocated_charges SET day = ?", [PERIOD.start - timedelta(days=3)])
    table = daily(company.con, context(), PERIOD)
    assert table.rows[0][0] == "before"
    assert table.rows[0][-1] == 300
    assert table.rows[1][0] == date(2026, 11, 1)


def test_small_owners_share_a_column_and_nobodys_has_its_own() -> None:
    company = Company()
    claims = [Claim(f"t{n}", 100 - n) for n in range(9)] + [Claim("unallocated", 1, "unallocated")]
    company.pool("p", claims)
    table = daily(company.con, context(), PERIOD)
    assert [column.title for column in table.columns] == [
        "Day", "t0", "t1", "t2", "t3", "t4", "t5", "everything else", "unallocated", "Total"
    ]  # fmt: skip
    assert table.rows[0][7:] == (94 + 93 + 92, 1, sum(range(92, 101)) + 1)
    assert "Everything else is 3 owners" in table.notes


def test_nothing_is_an_empty_table() -> None:
    assert daily(Company().con, context(), PERIOD).rows == ()
