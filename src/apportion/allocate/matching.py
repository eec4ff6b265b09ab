"""Bill meets usage: which calls weigh which pool, and by what (decisions D3 and D8)."""

from __future__ import annotations

from collections.abc import Iterable

from apportion.allocate.pools import Pool, register_pools
from apportion.warehouse.engine import Engine


def match_usage(engine: Engine, pools: Iterable[Pool]) -> None:
    """Write pool_matches and pool_basis for pools whose pool_windows are there.

    Args:
        engine: Holds usage_days and pool_windows.
        pools: Of any kind; those that calls do not weigh are passed over.
    """
    register_pools(engine, "wave_pools", pools)
    engine.sql_step("sql/pool_matches.sql", beside=__package__, into="pool_matches")
    engine.sql_step("sql/pool_basis.sql", beside=__package__, into="pool_basis")
