"""No column that stands beside a dimension's, anywhere on the way through a run, may be the name of a dimension."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apportion.config.dimensions import BUILT_IN, is_reserved
from apportion.warehouse.duckdb_engine import DuckDBEngine
from tests.errors.folder import say

ACME = Path(__file__).resolve().parents[3] / "examples" / "acme"
_BESIDE = """SELECT DISTINCT column_name FROM information_schema.columns WHERE table_name IN (
  SELECT table_name FROM information_schema.columns WHERE column_name = 'cost_center')"""


def test_every_column_beside_a_dimension_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "acme"
    shutil.copytree(ACME, folder, ignore=shutil.ignore_patterns(".apportion", "__pycache__"))
    seen: set[str] = set()
    step = DuckDBEngine.sql_step

    def looked(self: DuckDBEngine, *args: object, **named: object) -> object:
        made = step(self, *args, **named)  # type: ignore[arg-type]
        seen.update(row[0] for row in self.connection.execute(_BESIDE).fetchall())
        return made

    monkeypatch.setattr(DuckDBEngine, "sql_step", looked)
    assert say(folder, "run").code == 0
    own = {"team", "product", "feature", "customer", "environment", "user", "cost_center", *BUILT_IN}
    assert len(seen) > 150
    assert {name for name in seen - own if not is_reserved(name)} == set()
