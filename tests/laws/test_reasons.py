"""L1, L5 and L7: reasons add up to the change, for every value of every dimension, whatever the order of the input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apportion.project import View
from apportion.report.cents import compared
from apportion.report.context import EVERYTHING_ELSE
from apportion.report.moved import ALL
from apportion.report.reason_tables import every_reason, reasons
from apportion.report.reasons import changes
from apportion.report.table import Table
from tests.laws.company import Company, companies
from tests.laws.published import Workplace, rich, workplace

DIMENSIONS = ("team", "product", "environment", "cost_center", "provider", "model", "category")


def two_months(company: Company, other: Company) -> Company:
    """A company in November, whose October had the bills, calls and meters of another one."""
    october = {name: rows for name, rows in other.with_october().files.items() if "/october-" in name}
    return company.with_october().with_files(october)


@rich(3)
@given(companies(), companies(), st.integers(0, 2**32 - 1))
def test_l1_l5_l7_reasons_add_up_to_every_change_in_any_order(company: Company, other: Company, seed: int) -> None:
    both = two_months(company, other)
    with workplace() as place:
        place.write(both)
        place.run()
        first = _checked(place)
    with workplace() as place:
        place.write(both.shuffled(seed))
        place.run()
        assert _checked(place) == first


def _checked(place: Workplace) -> list[list[tuple[object, ...]]]:
    with place.view("2026-11") as view:
        _to_the_nano_unit(view)
        tables = [every_reason(view.engine.connection, view.context, view.period, by) for by in DIMENSIONS]
        for by, table in zip(DIMENSIONS, tables, strict=True):
            _adds_up(view, by, table)
        return [[*table.all_rows()] for table in tables]


def _to_the_nano_unit(view: View) -> None:
    """What owners are charged moved by exactly what its reasons come to, before they are rounded."""
    con, context = view.engine.connection, view.context
    now, before = compared(con, context, view.period, context.owner)
    assert before is not None
    for by in (context.owner, None):
        for value, change in changes(con, context, view.period, by, now, before).items():
            assert change.nano == change.minor * context.unit, value


def _adds_up(view: View, by: str, table: Table) -> None:
    con, context = view.engine.connection, view.context
    now, before = compared(con, context, view.period, by)
    assert before is not None
    moved = {v: now.by_value.get(v, 0) - before.by_value.get(v, 0) for v in {*now.by_value, *before.by_value}}
    found = dict.fromkeys(moved, 0)
    for value, _kind, says, minor in table.rows:
        assert isinstance(minor, int)
        assert says
        found[str(value)] += minor
    assert found == moved
    assert table.total is not None
    assert table.total[-1] == now.total - before.total == sum(int(str(row[-1])) for row in table.below)
    every = reasons(con, context, view.period, by, now, before)
    for value, minor in moved.items():
        block = every.table(value)
        assert block.total is not None
        assert block.total[-1] == minor == sum(int(str(row[-1])) for row in block.rows)
        assert block.rows[-1][0] == EVERYTHING_ELSE
        assert len(block.rows) <= 4
    assert {row[0] for row in table.below} <= {ALL}
