"""Cross-tables show the same money by two dimensions and say where they round."""

from __future__ import annotations

from apportion.report.cross_tables import cross_table, usual_tables
from tests.unit.report.company import PERIOD, context, larkspur


def test_category_by_owner_is_exact() -> None:
    table = cross_table(larkspur().con, context(), PERIOD, "category", "team")
    assert table.row("overhead")["support"] == 30_001
    assert table.row("inference")["total"] == 58_000
    assert table.row("All AI cost")["total"] == 108_000
    assert [c.name for c in table.columns][-2:] == ["unallocated", "total"]
    assert table.notes == ()


def test_rounded_cells_say_so_and_small_columns_stand_together() -> None:
    table = cross_table(larkspur().con, context(), PERIOD, "customer", "user", most_columns=2)
    assert [c.name for c in table.columns] == ["customer", "ann", "everything else", "unallocated", "total"]
    assert "rounded for display" in table.notes[0]
    assert table.row("All AI cost")["total"] == 108_000


def test_a_value_named_like_a_column_stays_apart() -> None:
    made = larkspur()
    made.con.execute("UPDATE allocated_charges SET environment = 'total'")
    table = cross_table(made.con, context(), PERIOD, "category", "environment")
    assert [c.name for c in table.columns] == ["category", "environment: total", "total"]


def test_the_usual_tables_are_those_the_project_can_answer() -> None:
    con = larkspur().con
    names = [table.name for table in usual_tables(con, context(), PERIOD)]
    assert names == ["category-by-team", "model_tier-by-feature", "environment-by-category"]
    assert len(usual_tables(con, context(dimensions=("team",)), PERIOD)) == 1
    hidden = cross_table(con, context(users="hidden"), PERIOD, "user", "team")
    assert hidden.column("user") == ["(hidden)", "unallocated"]
