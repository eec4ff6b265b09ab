"""Tables are written once, exactly, and hash to the same on every machine."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from apportion.errors import InvariantError
from apportion.warehouse import TABLES, DuckDBEngine, content_hash, write_table
from apportion.warehouse.tables import canonical


@pytest.fixture
def engine() -> DuckDBEngine:
    return DuckDBEngine(threads=1)


def test_a_part_says_what_it_holds(engine: DuckDBEngine, tmp_path: Path) -> None:
    engine.sql_step("SELECT 'p' AS pool_id, UNNEST([7, -2])::BIGINT AS amount_minor", into="claims")
    where = {"project": tmp_path, "warehouse": tmp_path / "w", "period": "2026-11"}
    (part,) = write_table(engine, "claims", run_id="r1", expect=5, **where)  # type: ignore[arg-type]
    assert (part.table, part.period, part.path) == ("claims", "2026-11", "w/claims/2026-11/r1.parquet")
    assert (part.rows, part.control_sum, len(part.sha256)) == (2, "5", 64)
    (sliced,) = write_table(engine, "claims", run_id="r1", slice_name="2026-11-03", **where)  # type: ignore[arg-type]
    assert sliced.path.endswith("r1.2026-11-03.parquet")
    with pytest.raises(InvariantError, match="control total of claims"):
        write_table(engine, "claims", run_id="r2", expect=6, **where)  # type: ignore[arg-type]
    assert not (tmp_path / "w/claims/2026-11/r2.parquet").exists()


def test_decimal_controls_keep_every_digit(engine: DuckDBEngine, tmp_path: Path) -> None:
    (part,) = write_table(
        engine,
        "invoices_printed",
        project=tmp_path,
        warehouse=tmp_path / "w",
        period="2026-11",
        run_id="r",
        query="SELECT UNNEST([0.1, 0.000000000000000001])::DECIMAL(38, 18) AS total",
    )
    assert part.control_sum == "0.100000000000000001"


def test_money_in_a_text_column_is_refused(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(InvariantError, match=r"claims\.amount_minor"):
        write_table(
            engine,
            "claims",
            project=tmp_path,
            warehouse=tmp_path,
            period="2026-11",
            run_id="r",
            query="SELECT '5' AS amount_minor",
        )


def test_every_table_says_its_grain_and_its_control_is_one_of_its_numbers() -> None:
    for name, table in TABLES.items():
        assert table.grain, name
        assert table.control is None or table.control in (*table.money, *table.weights), name


class TestContentHash:
    def hashed(self, engine: DuckDBEngine, query: str, small: int = 10) -> str:
        engine.sql_step(query, into="it")
        return content_hash(engine, "it", small=small)

    def test_the_order_of_rows_and_columns_does_not_matter(self, engine: DuckDBEngine) -> None:
        one = self.hashed(engine, "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(n, t)")
        two = self.hashed(engine, "SELECT t, n::BIGINT AS n FROM (VALUES (2, NULL), (1, 'a')) AS v(n, t)")
        assert one == two

    def test_no_value_differs_from_any_text_and_a_row_counts_as_often_as_it_is_there(
        self, engine: DuckDBEngine
    ) -> None:
        texts = ["SELECT NULL::VARCHAR AS t", "SELECT 'None' AS t", "SELECT '' AS t", "SELECT 'null' AS t"]
        twice = "SELECT UNNEST(['', '']) AS t"
        assert len({self.hashed(engine, query) for query in [*texts, twice]}) == 5

    def test_a_large_table_is_hashed_by_exact_sums(self, engine: DuckDBEngine) -> None:
        one = self.hashed(engine, f"SELECT UNNEST([{2**62}, {2**62}, 3])::BIGINT AS n", small=0)
        assert one == self.hashed(engine, f"SELECT UNNEST([3, {2**62}, {2**62}])::BIGINT AS n", small=0)
        assert one != self.hashed(engine, f"SELECT UNNEST([4, {2**62}, {2**62}])::BIGINT AS n", small=0)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (True, "true"),
            (Decimal("1.500000000000000000"), "1.5"),
            (Decimal("-0.00"), "0"),
            (Decimal("1E-18"), "0.000000000000000001"),
            (Decimal(100), "100"),
            (datetime(2024, 10, 1), "2024-10-01 00:00:00"),  # noqa: DTZ001 - the engine's instants are UTC
            (date(2024, 10, 1), "2024-10-01"),
            ({"b": 1, "a": None}, [["a", None], ["b", "1"]]),
        ],
        ids=repr,
    )
    def test_values_have_one_text(self, value: object, text: object) -> None:
        assert canonical(value) == text

    def test_a_float_has_none(self) -> None:
        with pytest.raises(InvariantError, match="L7"):
            canonical(1.5)
