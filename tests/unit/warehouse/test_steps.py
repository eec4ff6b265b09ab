"""Step texts run as written, and the exact functions agree with Python's whole numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from apportion.errors import InvariantError
from apportion.money import half_up_div
from apportion.warehouse import EXACT, DuckDBEngine
from apportion.warehouse.quoting import literal, name, names
from apportion.warehouse.steps import fill, translate

LARGEST = 2**63 - 1
amounts = st.integers(-LARGEST, LARGEST) | st.sampled_from([0, 1, -1, LARGEST, -LARGEST, 2**53 + 1])


@pytest.fixture(scope="module")
def engine() -> DuckDBEngine:
    return DuckDBEngine(threads=1)


class TestExactFunctions:
    @given(st.lists(st.tuples(amounts, st.integers(0, LARGEST), st.integers(1, LARGEST)), min_size=1))
    def test_a_share_and_its_rest_are_those_of_python(
        self, engine: DuckDBEngine, rows: list[tuple[int, int, int]]
    ) -> None:
        rows = [(amount, min(weight, total), total) for amount, weight, total in rows]
        columns = dict(zip("bwt", zip(*rows, strict=True), strict=True))
        engine.register("given", pa.table({k: pa.array(v, pa.int64()) for k, v in columns.items()}))
        found = engine.fetch("SELECT b, w, t, share_floor(b, w, t), share_rest(b, w, t) FROM given")
        assert found == [(b, w, t, *divmod(abs(b) * w, t)) for b, w, t, _, _ in found]
        assert len(found) == len(rows)

    @given(amounts, amounts.filter(bool))
    def test_half_up_division_is_that_of_python(self, engine: DuckDBEngine, a: int, b: int) -> None:
        assert engine.value("SELECT half_up_div($1::BIGINT, $2::BIGINT)", [a, b]) == half_up_div(a, b)

    @given(st.decimals(-9_000_000_000, 9_000_000_000, places=18))
    def test_nano_truncates_the_magnitude(self, engine: DuckDBEngine, amount: Decimal) -> None:
        digits = int(amount.scaleb(18))
        nano = abs(digits) // 10**9 * (-1 if digits < 0 else 1)
        found = engine.fetch("SELECT to_nano(CAST($1 AS DECIMAL(38, 18))), to_units($1, 1000000000)", [amount])
        assert found == [(nano, nano)]

    def test_an_argument_may_carry_the_name_of_a_parameter(self, engine: DuckDBEngine) -> None:
        query = "SELECT share_floor(w, t, b) FROM (SELECT 10::BIGINT AS b, 7::BIGINT AS w, 3::BIGINT AS t)"
        assert engine.value(query) == 2

    def test_the_results_may_be_written(self, engine: DuckDBEngine) -> None:
        calls = "share_floor(1, 2, 3), share_rest(1, 2, 3), half_up_div(5, 2), to_nano(1.5), to_units(1.5, 100)"
        assert set(engine.describe(f"SELECT {calls}").values()) == {"BIGINT"}

    def test_every_engine_has_the_same_functions_with_the_same_arguments(self) -> None:
        shapes = [{name: exact.parameters for name, exact in engine.items()} for engine in EXACT.values()]
        assert all(shape == shapes[0] for shape in shapes)


TRICKY = {
    "window": "SELECT a, SUM(b) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING"
    " AND CURRENT ROW) AS s FROM rows ORDER BY a, s",
    "qualify": "SELECT a, b FROM rows QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC) = 1 ORDER BY a",
    "map": "SELECT tags['team'] AS team, COALESCE(tags['none'], '') AS no FROM rows ORDER BY team NULLS FIRST",
    "decimal": "SELECT CAST(SUM(CAST(d AS DECIMAL(38, 18))) AS DECIMAL(38, 18)) AS d FROM rows",
    "struct": "SELECT a, arg_max({'b': b, 'd': d}, b).d AS best FROM rows GROUP BY a ORDER BY a",
    "filter": "SELECT COUNT(*) FILTER (WHERE b > 2) AS n, COUNT(DISTINCT a) AS m FROM rows",
    "whole": "SELECT CAST(b // 2 AS BIGINT) AS h, b % 2 AS r FROM rows ORDER BY b",
    "exact": "SELECT share_floor(half_up_div(b, 2), b, SUM(b) OVER ()) AS s FROM rows ORDER BY b",
}


@pytest.mark.parametrize("text", TRICKY.values(), ids=TRICKY)
def test_a_step_says_the_same_by_way_of_the_parse_tree(engine: DuckDBEngine, text: str) -> None:
    engine.sql_step(
        "SELECT * FROM (VALUES ('x', 1::BIGINT, 1.000000000000000001::DECIMAL(38, 18), MAP {'team': 'q'}),"
        " ('x', 5, 2.5, MAP {'env': 'p'}), ('y', 3, -0.000000000000000003, MAP {'team': 'r'}))"
        " AS v(a, b, d, tags)",
        into="rows",
    )
    assert engine.fetch(fill(text)) == engine.fetch(translate(text, "duckdb"))
    assert fill(text) == text


def test_another_engine_gets_its_own_definitions() -> None:
    text = translate("SELECT share_floor(to_nano(x), w, t) FROM claims", "spark")
    assert " DIV " in text
    assert "share_floor" not in text.lower()
    assert "HUGEINT" not in text
    assert "INT128" not in text
    sqlglot.parse_one(text, read="spark")


def test_an_exact_function_with_a_wrong_number_of_arguments_is_a_bug() -> None:
    with pytest.raises(InvariantError, match="arguments of"):
        translate("SELECT share_floor(1, 2)", "spark")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("SELECT a, columns_of('e'), b", 'SELECT a, "tag a", "é""🙂", b'),
        ("SELECT columns_of('e', 'c') FROM t AS c", 'SELECT c."tag a", c."é""🙂" FROM t AS c'),
        ("SELECT '🙂', columns_of('none'), b", "SELECT '🙂',  b"),
        ("SELECT a GROUP BY a, columns_of('none')", "SELECT a GROUP BY a"),
        ("SELECT a, sums_of('n')", 'SELECT a, CAST(SUM("calls") AS BIGINT) AS "calls"'),
        ("SELECT a, sums_of('n', 'c')", 'SELECT a, CAST(SUM(c."calls") AS BIGINT) AS "calls"'),
        ("-- columns_of('e')\nSELECT 'columns_of(''e'')'", "-- columns_of('e')\nSELECT 'columns_of(''e'')'"),
        ("SELECT $day, '$day'", "SELECT CAST('2026-11-01' AS DATE), '$day'"),
    ],
)
def test_lists_and_values_are_put_where_they_stand(text: str, filled: str) -> None:
    columns = {"e": ["tag a", 'é"🙂'], "none": [], "n": ["calls"]}
    assert fill(text, columns, {"day": date(2026, 11, 1)}) == filled


@pytest.mark.parametrize("text", ["SELECT columns_of('x')", "SELECT $y"])
def test_what_was_not_given_is_a_bug(text: str) -> None:
    with pytest.raises(InvariantError, match="that a step names"):
        fill(text, {"e": []}, {"z": 1})


VALUES: list[Any] = [
    'o\'hara "x" 🙂\n; DROP TABLE t --',
    "$x",
    7,
    -(2**63),
    Decimal("-0.000000000000000001"),
    True,
]


@pytest.mark.parametrize("value", [*VALUES, None, date(2026, 2, 28)], ids=repr)
def test_a_literal_reads_back_as_itself(engine: DuckDBEngine, value: object) -> None:
    assert engine.value(f"SELECT {literal(value)}") == value


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_one_literal(engine: DuckDBEngine, text: str) -> None:
    assert engine.value(f"SELECT {literal(text)}") == text


def test_a_float_is_no_literal() -> None:
    with pytest.raises(InvariantError, match="L5"):
        literal(1.5)


def test_names_are_quoted() -> None:
    assert name('a "b"') == '"a ""b"""'
    assert names(["a", "b"], of="c") == '"c"."a", "c"."b"'
