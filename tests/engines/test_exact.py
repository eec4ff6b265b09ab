"""The exact functions on Spark agree with Python's whole numbers at every extreme, and so does the split (L5).

Realistic amounts never showed that `SIGN(bigint)` is a DOUBLE on Spark; amounts near the caps did.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import product
from pathlib import Path

import pyarrow as pa
import pytest

from apportion.allocate.cents import MARK, hand_out
from apportion.money import half_up_div, split
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.spark_engine import SparkEngine
from tests.engines.twins import Way

LARGEST = 2**63 - 1
EDGES = (0, 1, 3, 10**9, 2**53 - 1, 2**53, 2**53 + 1, LARGEST // 2, LARGEST - 1, LARGEST)
_FRACTIONS = (0, 1, 10**9 - 1, 10**9, 10**9 + 1, 5 * 10**17, 10**18 - 1)


@pytest.fixture
def engine(way: Way, tmp_path: Path) -> Iterator[SparkEngine]:
    """Spark with every table on the cluster, however small it is."""
    with DuckDBEngine() as desk, closing(SparkEngine(way.spark, desk, tmp_path / "cluster", desk_rows=0)) as made:
        yield made


def _lay(engine: SparkEngine, name: str, **columns: tuple[Sequence[object], pa.DataType]) -> None:
    """A table on the cluster."""
    table = pa.table({column: pa.array(values, kind) for column, (values, kind) in columns.items()})
    engine.register("sent", table)
    engine.desk.write_parquet("sent", engine._staging / f"{name}.parquet")
    engine.use_view(name, [engine._staging / f"{name}.parquet"])


def test_l5_a_share_and_its_rest_are_those_of_python(engine: SparkEngine) -> None:
    rows = [(sign * b, min(w, t), t) for b, w, t in product(EDGES, EDGES, EDGES[1:]) for sign in (1, -1)]
    b, w, t = zip(*rows, strict=True)
    _lay(engine, "given", b=(b, pa.int64()), w=(w, pa.int64()), t=(t, pa.int64()))
    found = engine.fetch("SELECT b, w, t, share_floor(b, w, t) AS part, share_rest(b, w, t) AS rest FROM given")
    assert len(found) == len(rows)
    assert [row for row in found if row[3:] != divmod(abs(row[0]) * row[1], row[2])] == []


def test_l5_half_up_division_is_that_of_python(engine: SparkEngine) -> None:
    signed = [sign * edge for edge in EDGES for sign in (1, -1)]
    rows = [(a, b) for a, b in product(signed, signed) if b]
    a, b = zip(*rows, strict=True)
    _lay(engine, "given", a=(a, pa.int64()), b=(b, pa.int64()))
    found = engine.fetch("SELECT a, b, half_up_div(a, b) AS found FROM given")
    assert len(found) == len(rows)
    assert [row for row in found if row[2] != half_up_div(row[0], row[1])] == []


def test_d11_nano_truncates_the_magnitude(engine: SparkEngine) -> None:
    wholes = (0, 1, 9_007_199, 9_007_200, 9_223_372_035)
    amounts = [Decimal(sign * (w * 10**18 + f)).scaleb(-18) for w in wholes for f in _FRACTIONS for sign in (1, -1)]
    _lay(engine, "given", x=(amounts, pa.decimal128(38, 18)))
    found = engine.fetch("SELECT x, to_nano(x) AS nano, to_units(x, 100) AS cents FROM given")
    assert len(found) == len(amounts)

    def cut(amount: Decimal, digits: int) -> int:
        units: int = abs(int(amount.scaleb(18))) // 10 ** (18 - digits)
        return -units if amount < 0 else units

    assert [row for row in found if row[1:] != (cut(row[0], 9), cut(row[0], 2))] == []


@pytest.mark.parametrize("mark", [MARK, "0%"], ids=["one slice", "many slices"])
def test_l5_the_split_of_extreme_pools_is_that_of_python(mark: str, engine: SparkEngine) -> None:
    draw = random.Random(11)  # noqa: S311 - cases, not secrets
    pools: dict[str, tuple[int, list[int]]] = {}
    for number in range(120):
        amount = draw.choice((1, -1)) * draw.choice((*EDGES, draw.randrange(LARGEST)))
        top = LARGEST // 40
        weights = [draw.choice((0, 1, 7, top, top, draw.randrange(top))) for _ in range(draw.randrange(1, 40))]
        pools[f"p{number:03d}"] = (amount, weights if any(weights) else [1])
    owners = [(pool, f"o{n:02d}", weight) for pool, (_, weights) in pools.items() for n, weight in enumerate(weights)]
    pool_ids, names, heavy = zip(*owners, strict=True)
    _lay(
        engine, "owner_weights_summed",
        pool_id=(pool_ids, pa.string()), owner=(names, pa.string()), weight=(heavy, pa.int64()),
    )  # fmt: skip
    amounts = [amount for amount, _ in pools.values()]
    _lay(engine, "pool_amounts", pool_id=(list(pools), pa.string()), amount_minor=(amounts, pa.int64()))
    engine.sql_step("sql/split.sql", beside="apportion.allocate", into="contenders")
    hand_out(engine, "handed_out", mark=mark)
    found = {(pool, owner): minor for pool, owner, minor in engine.fetch("SELECT * FROM handed_out")}
    wanted = {
        (pool, f"o{n:02d}"): share
        for pool, (amount, weights) in pools.items()
        for n, share in enumerate(split(amount, weights, [f"o{n:02d}" for n in range(len(weights))]))
    }
    assert found == wanted
