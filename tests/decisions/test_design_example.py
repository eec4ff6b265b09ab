"""The example `apportion.yaml` that the design gives passes `check`, once every file that it names is there.

The folder beside this test is that company in small; its bill is written as CSV, to be read by people, and turned
into the Parquet file that the settings ask for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from tests.conftest import Answer

FOLDER = Path(__file__).resolve().parent / "design_example"


def test_the_designs_example_passes_check(cli: Callable[..., Answer], tmp_path: Path) -> None:
    project = tmp_path / "larkspur"
    shutil.copytree(FOLDER, project)
    bill = project / "bills" / "focus.csv"
    duckdb.sql(
        f"COPY (FROM read_csv('{bill}', all_varchar = true)) TO '{bill.with_suffix('.parquet')}' (FORMAT parquet)"
    )
    bill.unlink()
    said = cli("check", "-p", project)
    assert "0 errors" in said.stderr, said.stderr
    assert said.code == 0, said.stderr
