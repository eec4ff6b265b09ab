"""The charges of a file that another file holds count once, and those that only look so are left alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.normalize.tables import connect, item, rows, run

HEAD = "BilledCost,BillingCurrency,ChargePeriodStart,InvoiceIssuerName,InvoiceId,ServiceName,Tags\n"


def row(cost: str, service: str = "API", invoice: str = "I-1", tags: str = "") -> str:
    return f"{cost},USD,2026-11-03,OpenAI,{invoice},{service},{tags}\n"


def bills(tmp_path: Path, files: dict[str, list[str]], sources: bool = False) -> tuple[list[str], Decimal, list[str]]:
    """Which files are in, their sum, and what was said."""
    con = connect()
    items = [
        item(tmp_path, "charges", name, HEAD + "".join(lines), source=name if sources else "bills")
        for name, lines in files.items()
    ]
    done = run(con, items)
    for control in done.control:
        control.check()
    found = rows(con, "SELECT DISTINCT source_file FROM charges ORDER BY 1")
    total = rows(con, "SELECT coalesce(sum(billed_cost), 0) FROM charges")[0][0]
    assert sum((each.billed for control in done.control for each in control.totals), Decimal(0)) == total
    return [name for (name,) in found], total, [f"{p.slug} {p.place} {p.amount}" for p in done.problems]


TWO = [row("1.00"), row("2.50", "Batch")]


@pytest.mark.parametrize("sources", [False, True])
def test_a_file_saved_again_counts_once(tmp_path: Path, sources: bool) -> None:
    again = [line.replace("1.00", "1.0") for line in reversed(TWO)]
    found = bills(tmp_path, {"a.csv": TWO, "b.csv": again}, sources)
    assert found == (["a.csv"], Decimal("3.5"), ["same-charges-twice b.csv 3.50 USD counts once"])


def test_an_earlier_export_of_the_month_is_in_the_later_one(tmp_path: Path) -> None:
    found = bills(tmp_path, {"first.csv": TWO, "second.csv": [*TWO, row("10.00", "Late")]})
    assert found == (["second.csv"], Decimal("13.5"), ["same-charges-twice first.csv 3.50 USD counts once"])


def test_three_of_a_kind_leave_one(tmp_path: Path) -> None:
    kept, total, said = bills(tmp_path, {"a.csv": TWO, "b.csv": TWO[::-1], "c.csv": TWO})
    assert (kept, total, len(said)) == (["a.csv"], Decimal("3.5"), 2)


def test_files_that_share_most_are_named_and_counted(tmp_path: Path) -> None:
    one, other = [*TWO, row("7.00", "Gone")], [*TWO, row("8.00", "New")]
    kept, total, said = bills(tmp_path, {"a.csv": one, "b.csv": other})
    assert (kept, total) == (["a.csv", "b.csv"], Decimal(22))
    assert said == ["charges-repeated b.csv 3.50 USD may count twice"]


def test_rows_that_repeat_are_counted_as_often_as_they_stand(tmp_path: Path) -> None:
    twice = bills(tmp_path, {"a.csv": [row("5.00")], "b.csv": [row("5.00"), row("5.00")]})
    assert twice[:2] == (["b.csv"], Decimal(10))
    more = bills(tmp_path, {"a.csv": [row("5.00")] * 3, "b.csv": [row("5.00"), row("5.00"), row("9.00")]})
    assert more[:2] == (["a.csv", "b.csv"], Decimal(34))


@pytest.mark.parametrize(
    "other",
    [
        [row("1.00", invoice="I-2"), row("2.50", "Batch", invoice="I-2")],
        [row("1.00", tags='"{""team"": ""a""}"'), row("2.50", "Batch", tags='"{""team"": ""a""}"')],
        [row("1.01"), row("2.51", "Batch")],
        [row("0.00"), row("0.00", "Batch")],
    ],
    ids=["another invoice", "other tags", "other costs", "nothing billed"],
)
def test_parts_of_a_bill_are_no_repeats(tmp_path: Path, other: list[str]) -> None:
    kept, _, said = bills(tmp_path, {"a.csv": TWO, "b.csv": other})
    assert (kept, said) == (["a.csv", "b.csv"], [])


def test_what_was_set_aside_goes_with_its_file(tmp_path: Path) -> None:
    con = connect()
    files = {"a.csv": [*TWO, row("ten")], "b.csv": [*TWO, row("ten")]}
    done = run(con, [item(tmp_path, "charges", name, HEAD + "".join(lines)) for name, lines in files.items()])
    assert rows(con, "SELECT source_file, source_row FROM quarantine") == [("a.csv", 4)]
    (control,) = done.control
    assert (control.rows_in, control.rows_out, control.rows_quarantined) == (3, 2, 1)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["API", "Batch"])), min_size=1, max_size=6),
    st.data(),
)
@settings(max_examples=40)
def test_importing_any_part_of_a_bill_again_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, charges: list[tuple[int, str]], data: st.DataObject
) -> None:
    lines = [row(f"{cost}.00", service) for cost, service in charges]
    part = data.draw(st.lists(st.sampled_from(range(len(lines))), min_size=1, unique=True))
    folder = tmp_path_factory.mktemp("bills")
    kept, total, _ = bills(folder, {"whole.csv": lines, "part.csv": [lines[at] for at in part]})
    assert (len(kept), total) == (1, Decimal(sum(cost for cost, _ in charges)))
