"""Exports of other kinds given as a FOCUS bill: what is missing is said, with what to do about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import shared_folder
from tests.real.company import Company

FOLDERS = (
    "aws_cur",
    "azure_exports",
    "azure_nise_generated",
    "gcp_nise_generated",
    "ocp_gpu_nise_generated",
    "format_samples",
    "focus_spec_examples_v1.2",
)
# Beside the samples stand pages about them.
NOTES = {".md", ".yml"}
READ = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json")
SETTINGS = """\
company: Exports
currency: USD
bills: [{name: bill, type: focus, path: "bills/*"}]
dimensions: {team: [{tag: team}]}
allocate: [{name: inference, category: inference, method: direct}]
"""


def exports() -> list[str]:
    """Every sample, as a path in the folder of data; none without it."""
    root = shared_folder()
    if root is None:
        return []
    data = root / "data"
    files = (path for folder in FOLDERS for path in sorted((data / folder).iterdir()))
    return [path.relative_to(data).as_posix() for path in files if path.is_file() and path.suffix not in NOTES]


@pytest.mark.parametrize("name", exports())
def test_check_says_what_is_missing_and_what_to_do(shared: Path, tmp_path: Path, name: str) -> None:
    company = Company.write(tmp_path, SETTINGS, {f"bills/{Path(name).name}": shared / name})
    said = company.call_here("check")
    assert said.code in {0, 3}
    assert "bug[" not in said.text
    assert "Traceback" not in said.text
    if said.code == 3:
        assert f"bills/{Path(name).name}" in said.text
        assert "Cure: " in said.text
    if not name.endswith(READ):
        assert "error[unknown-format]" in said.text
    elif name.endswith(".json"):
        # A document that is no list of records, or one of records that are no charges.
        assert "error[file-unreadable]" in said.text or "error[column-missing]" in said.text
    elif not name.startswith("focus_spec_examples"):
        assert "error[column-missing]" in said.text
        assert "billed_cost" in said.text


def test_the_samples_are_all_there(shared: Path) -> None:
    assert len(exports()) > 50, shared
