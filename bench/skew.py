"""One pool of ten million claims, half of its weight with one of them, split on DuckDB and on Spark.

    python bench/skew.py [claims]

The remainders of a pool decide who gets the cents that rounding leaves, so they must be ranked. Spark must not do that
in one task: a pool is cut at marks, about one key in a million, and ranked between them. Told are the marks and the
seconds of both engines; the shares are compared row by row.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from apportion.allocate.cents import MARK, hand_out
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.engine import Engine
from apportion.warehouse.storage import FolderStorage

CLAIMS = 10_000_000
AMOUNT = 123_456_789_012


def _split(engine: Engine, out: Path) -> float:
    started = time.monotonic()
    engine.sql_step("sql/split.sql", beside="apportion.allocate", into="contenders")
    hand_out(engine, "handed_out")
    engine.write_parquet("handed_out", out / "shares.parquet")
    return time.monotonic() - started


def main(claims: int) -> None:
    """Split, compare and tell."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with DuckDBEngine(place, memory_limit="2GB") as duck:
            # The first claim weighs as much as all the others.
            weight = f"CASE WHEN i = 0 THEN CAST({claims} AS BIGINT) * 500 ELSE 1 + hash(i) % 1000 END"
            duck.run(
                f"COPY (SELECT 'pool' AS pool_id, printf('owner-%08d', i) AS owner, CAST({weight} AS BIGINT) AS weight"
                f" FROM range({claims}) AS r(i)) TO '{place}/weights.parquet'"
            )
            duck.run(f"COPY (SELECT 'pool' AS pool_id, {AMOUNT}::BIGINT AS amount_minor) TO '{place}/amounts.parquet'")
            marks = duck.value(f"SELECT COUNT(*) FROM '{place}/weights.parquet' WHERE MD5(owner) LIKE '{MARK}'")
            print(f"{claims:,} claims of one pool, cut at {marks} marks")
            for name in ("duckdb", "spark"):
                choice = EngineChoice(name, "2GB", "local[2]", 0)
                with choice.open(place / name, FolderStorage(place, place)) as engine:
                    engine.use_view("owner_weights_summed", [place / "weights.parquet"])
                    engine.use_view("pool_amounts", [place / "amounts.parquet"])
                    print(f"{name}: {_split(engine, place / f'out-{name}'):.1f} s")
            one, two = (f"(SELECT * FROM read_parquet('{place}/out-{name}/*.parquet'))" for name in ("duckdb", "spark"))
            total = duck.value(f"SELECT CAST(SUM(minor) AS BIGINT) FROM {two}")
            different = duck.value(
                f"SELECT COUNT(*) FROM {one} AS a FULL JOIN {two} AS b ON a.part_key = b.part_key"
                " WHERE a.minor IS DISTINCT FROM b.minor"
            )
            print(f"sum {total:,} of {AMOUNT:,}; {different} shares differ")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CLAIMS)
