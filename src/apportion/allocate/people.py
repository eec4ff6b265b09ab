"""Weights that come from people: the heads of a dated roster, and the seats of a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from apportion.allocate.pools import WHOLE, Pool, Recipients
from apportion.allocate.weights import Shape, seat_claims
from apportion.config.rules import HeadcountRule, Rule, SeatsRule
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.money import show
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal

Ruled = Sequence[tuple[Pool, Rule]]
Heads = tuple[str, str | None, str]


def wanted_heads(engine: Engine, ruled: Ruled) -> list[Heads]:
    """Each pool that heads divide, with its roster and how heads count."""
    found: list[Heads] = []
    for pool, rule in ruled:
        if isinstance(rule, HeadcountRule):
            asked = f"SELECT roster, policy FROM rules WHERE rule = {literal(pool.rule_key)}"
            roster, policy = engine.fetch(asked)[0]
            found.append((pool.pool_id, roster, policy))
    return found


def headcount_claims(engine: Engine, wanted: Sequence[Heads]) -> Recipients:
    """Heads as claims, over the windows that are in `pool_windows`."""
    claims = Recipients()
    if not wanted:
        return claims
    columns = [list(column) for column in zip(*wanted, strict=True)]
    labels = ("pool_id", "roster", "policy")
    arrays = {label: pa.array(column, pa.string()) for label, column in zip(labels, columns, strict=True)}
    engine.register("headcount_pools", pa.table(arrays))
    engine.sql_step("sql/headcount_weights.sql", beside=__package__, into="headcount_weights")
    for pool, window, owner, weight in engine.fetch(
        "SELECT pool_id, window_no, owner, weight FROM headcount_weights ORDER BY ALL"
    ):
        claims.add(pool, window, owner, "shared", WHOLE, weight)
    return claims


def seat_weights(engine: Engine, settings: Settings, shape: Shape, ruled: Ruled, problems: list[Problem]) -> Recipients:
    """Seats as weights in `shared_weights`; idle seats that a named owner keeps are returned as claims."""
    pools = [pool for pool, rule in ruled if isinstance(rule, SeatsRule)]
    if not pools:
        return Recipients()
    listed = ", ".join(f"({literal(p.pool_id)}, {literal(p.rule_key)})" for p in pools)
    engine.run(
        f"""CREATE OR REPLACE TABLE seat_pools AS
        SELECT p.pool_id, r.seats, {settings.policies.active_days} AS active_days,
          EXISTS (SELECT 1 FROM seat_cells AS s WHERE s.tool = r.seats AND s.last_active_at IS NOT NULL)
            AS knows_activity
        FROM (VALUES {listed}) AS p(pool_id, rule) JOIN rules AS r ON r.rule = p.rule"""
    )
    columns = {"dimensions": shape.columns}
    engine.sql_step("sql/seat_days.sql", beside=__package__, columns=columns, into="seat_days")
    by_key: Mapping[str, Rule] = {pool.rule_key: rule for pool, rule in ruled}
    blind = {row[0] for row in engine.fetch("SELECT pool_id FROM seat_pools WHERE NOT knows_activity")}
    for pool in pools:
        rule = by_key[pool.rule_key]
        if pool.pool_id in blind and isinstance(rule, SeatsRule) and rule.weight == "active_users":
            problems.append(_no_activity(pool, settings.currency))
    return seat_claims(engine, shape, pools, by_key)


def _no_activity(pool: Pool, currency: str) -> Problem:
    return Problem(
        "no-activity-data",
        f"Rule {pool.rule} splits by active users, but no seat has a last_active_at, so nobody counts as active.",
        amount=f"{show(pool.amount_minor, currency)} {currency}",
        cure="Give the seats file a last_active_at column, or weigh by seat_price.",
        severity="warning",
    )
