"""The worked company is what its script writes, and its files are all explained."""

from __future__ import annotations

import csv
import filecmp
import runpy
import shutil
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatch
from pathlib import Path

from tests.docs.pages import ROOT

ACME = ROOT / "examples" / "acme"
WRITTEN = ("bills/*/*.csv", "bills/invoices.csv", "usage/*", "meters/gpu_hours.csv")
LARGEST_BYTES = 200_000


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files() -> list[Path]:
    return sorted(p for p in ACME.rglob("*") if p.is_file() and ".apportion" not in p.relative_to(ACME).parts)


def test_the_script_writes_the_same_bytes(tmp_path: Path) -> None:
    shutil.copy(ACME / "make_usage.py", tmp_path)
    runpy.run_path(str(tmp_path / "make_usage.py"), run_name="__main__")
    names = sorted(p.relative_to(ACME).as_posix() for pattern in WRITTEN for p in ACME.glob(pattern))
    made = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*") if p.suffix != ".py")
    assert made == names
    assert filecmp.cmpfiles(ACME, tmp_path, names, shallow=False)[1:] == ([], [])


def test_printed_totals_are_the_sums_of_the_rows() -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for path in ACME.glob("bills/*/*.csv"):
        for row in records(path):
            sums[row["InvoiceId"]] += Decimal(row["BilledCost"])
    printed = {row["invoice_id"]: Decimal(row["total"]) for row in records(ACME / "bills" / "invoices.csv")}
    assert printed == {key: total.quantize(Decimal("0.01"), ROUND_HALF_UP) for key, total in sums.items()}


def test_every_file_is_small_and_explained() -> None:
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    named = {line.split("`")[1].replace("<month>", "*") for line in page.splitlines() if line.startswith("| `")}
    for path in files():
        name = path.relative_to(ACME).as_posix()
        assert path.stat().st_size < LARGEST_BYTES, name
        assert any(fnmatch(name, pattern) for pattern in named), f"examples/README.md does not explain {name}"
