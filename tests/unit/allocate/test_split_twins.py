"""The splitter in Python and its twin in SQL agree to the last unit, at the edges of 64 bits too (law L5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.allocate.cents import MARK, hand_out
from apportion.money import apportion, half_up_div, split
from apportion.warehouse.duckdb_engine import DuckDBEngine

MOST = 2**63 - 1
EXAMPLES = 40
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)
sizes = st.one_of(st.sampled_from([0, 1, 2, MOST // 2, MOST]), st.integers(0, MOST), st.integers(0, 5))


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine(memory_limit="256MB", threads=1) as made:
        yield made


def _tables(engine: DuckDBEngine, **tables: Mapping[str, tuple[Sequence[object], pa.DataType]]) -> None:
    for name, columns in tables.items():
        arrays = {column: pa.array(values, kind) for column, (values, kind) in columns.items()}
        engine.register(name, pa.table(arrays))


def _split_in_sql(
    engine: DuckDBEngine, pools: Sequence[tuple[int, Sequence[tuple[str, int]]]]
) -> dict[tuple[str, str], int]:
    rows = [(f"p{n}", key, weight) for n, (_, claims) in enumerate(pools) for key, weight in claims]
    _tables(
        engine,
        pool_amounts={
            "pool_id": ([f"p{n}" for n in range(len(pools))], pa.string()),
            "amount_minor": ([amount for amount, _ in pools], pa.int64()),
        },
        owner_weights_summed={
            "pool_id": ([row[0] for row in rows], pa.string()),
            "owner": ([row[1] for row in rows], pa.string()),
            "weight": ([row[2] for row in rows], pa.int64()),
        },
    )
    engine.sql_step("sql/split.sql", beside="apportion.allocate", into="contenders")
    return _handed_out(engine)


def _handed_out(engine: DuckDBEngine) -> dict[tuple[str, str], int]:
    """What every part gets, the same however many marks cut a group into slices."""
    found = []
    for mark in (MARK, "0%", "%"):
        hand_out(engine, "handed_out", mark=mark)
        rows = engine.fetch("SELECT group_key, part_key, minor FROM handed_out")
        found.append({(group, key): minor for group, key, minor in rows})
    assert found[0] == found[1] == found[2]
    return found[0]


def _agree(engine: DuckDBEngine, pools: Sequence[tuple[int, Sequence[tuple[str, int]]]]) -> None:
    found = _split_in_sql(engine, pools)
    for n, (amount, claims) in enumerate(pools):
        names, given_weights = [key for key, _ in claims], [weight for _, weight in claims]
        wanted = split(amount, given_weights, names)
        assert [found[f"p{n}", name] for name in names] == wanted
        assert sum(wanted) == amount


@st.composite
def _pools(draw: st.DrawFn) -> tuple[int, list[tuple[str, int]]]:
    names = draw(st.lists(keys, min_size=1, max_size=12, unique=True))
    left = MOST
    claims = []
    for name in names:
        # All the weight of a pool is one BIGINT, so what is drawn first leaves less for the others.
        weight = min(draw(sizes), left)
        left -= weight
        claims.append((name, weight))
    if not any(weight for _, weight in claims):
        claims[0] = (names[0], 1)
    return draw(st.one_of(st.integers(-MOST, MOST), st.sampled_from([0, 1, -1, MOST, -MOST]))), claims


@settings(max_examples=EXAMPLES)
@given(st.lists(_pools(), min_size=1, max_size=12))
def test_l5_split_and_its_twin_agree(engine: DuckDBEngine, pools: list[tuple[int, list[tuple[str, int]]]]) -> None:
    _agree(engine, pools)


@pytest.mark.parametrize("recipients", [1, 2, 3, 7, 499, 500])
@pytest.mark.parametrize("amount", [0, 1, -1, 10**9, -(10**9), MOST, -MOST])
def test_l5_equal_weights_tie_by_key_alone(engine: DuckDBEngine, recipients: int, amount: int) -> None:
    claims = [(f"team {n}", 1) for n in range(recipients)]
    _agree(engine, [(amount, claims), (amount, claims[::-1]), (amount, [(name, MOST // 500) for name, _ in claims])])


def test_l5_keys_tie_in_utf_8_bytes_on_both_sides(engine: DuckDBEngine) -> None:
    names = [
        "Z",
        "a",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "e\u0301",
        "\uf8ff",
        "\N{PARTY POPPER}",
        "a\nb",
        "a b",
        "'",
        '"',
    ]
    _agree(engine, [(amount, [(name, 1) for name in names]) for amount in range(-11, 12)])


@st.composite
def _groups(draw: st.DrawFn) -> tuple[int, list[tuple[str, int]], int]:
    names = draw(st.lists(keys, min_size=1, max_size=12, unique=True))
    most = MOST // len(names)
    fine = st.one_of(
        st.sampled_from([0, 1, -1, most, -most, 5_000_000]), st.integers(-most, most), st.integers(-20, 20)
    )
    parts = [(name, draw(fine)) for name in names]
    unit = draw(st.sampled_from([10_000_000, 1_000_000, 100_000_000, 1]))
    whole = sum(abs(part) // unit * (-1 if part < 0 else 1) for _, part in parts)
    exact = half_up_div(sum(part for _, part in parts), unit)
    # The total is what the parts come to, or anything that one unit each can still reach.
    total = draw(st.sampled_from([exact, exact, whole + draw(st.integers(-len(parts), len(parts)))]))
    return total, parts, unit


@settings(max_examples=EXAMPLES)
@given(st.lists(_groups(), min_size=1, max_size=12))
def test_d5_apportion_and_its_twin_agree(
    engine: DuckDBEngine, groups: list[tuple[int, list[tuple[str, int]], int]]
) -> None:
    rows = [(f"g{n}", key, fine) for n, (_, parts, _) in enumerate(groups) for key, fine in parts]
    names = [f"g{n}" for n in range(len(groups))]
    _tables(
        engine,
        parts={
            "group_key": ([row[0] for row in rows], pa.string()),
            "part_key": ([row[1] for row in rows], pa.string()),
            "fine": ([row[2] for row in rows], pa.int64()),
        },
        totals={
            "group_key": (names, pa.string()),
            "total": ([total for total, _, _ in groups], pa.int64()),
            "unit": ([unit for _, _, unit in groups], pa.int64()),
        },
    )
    engine.sql_step("sql/apportion.sql", beside="apportion.allocate", into="contenders")
    found = _handed_out(engine)
    for name, (total, parts, unit) in zip(names, groups, strict=True):
        part_keys, fine = [key for key, _ in parts], [part for _, part in parts]
        wanted = apportion(total, fine, part_keys, unit)
        assert [found[name, key] for key in part_keys] == wanted
        assert sum(wanted) == total


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(st.integers(-MOST, MOST), st.integers(1, MOST)), min_size=1, max_size=20))
def test_l5_half_up_division_agrees(engine: DuckDBEngine, pairs: list[tuple[int, int]]) -> None:
    rows = ", ".join(f"({n}, {a}, {b})" for n, (a, b) in enumerate(pairs))
    found = engine.fetch(f"SELECT half_up_div(a, b) FROM (VALUES {rows}) AS t(n, a, b) ORDER BY n")
    assert [row[0] for row in found] == [half_up_div(a, b) for a, b in pairs]
