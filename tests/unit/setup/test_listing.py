"""What was understood is shown by known columns alone, and what is not read is named with its reason."""

from __future__ import annotations

from pathlib import Path

from apportion.report.terminal import to_text
from apportion.setup.listing import not_read, overview, samples
from tests.unit.setup.folder import KEYS, bill, calls, charge, proposed, write


def test_a_line_and_three_rows_for_each_source(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {
        "bills/a.csv": bill(*[charge(f"{n}.00") for n in range(1, 6)]),
        "c.jsonl": calls(key="k-1", title="a long title that nobody should read here"),
        "keys.csv": KEYS,
    })  # fmt: skip
    found = proposed(folder, tmp_path / "scratch")
    table = overview(found.draft, found.study)
    assert table.row("a")["holds"] == "15.00 USD"
    assert (table.row("a")["first"], table.row("a")["last"]) == ("2026-11-01", "2026-11-30")
    assert table.row("c")["holds"] == "1 call"
    assert table.row("keys")["rows"] == 2
    text = to_text(samples(found.draft))
    assert "1.00" in text
    assert "4.00" not in text
    assert "nobody should read" not in text


def test_files_with_one_reason_stand_together(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {f"{name}.md": "x" for name in "abcde"} | {"a.csv": bill(charge("ten"))})
    found = proposed(folder, tmp_path / "scratch")
    said = dict(not_read(found.draft))
    assert "row 2" in said["a.csv"]
    assert "a file of the kind .md" in said["a.md, b.md, c.md and 2 more"]


def test_what_is_assumed_is_a_note(tmp_path: Path) -> None:
    text = (
        "BilledCost,BillingPeriodStart,InvoiceIssuerName,ServiceName,ChargeCategory\n1,2026-11-01,A,OpenAI API,Usage\n"
    )
    found = proposed(write(tmp_path / "acme", {"a.csv": text}), tmp_path / "scratch")
    assert overview(found.draft, found.study).notes == ("a: the file names no currency; USD is taken",)
