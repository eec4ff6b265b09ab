"""Pools that other pools make: fed pools, credits, tax, and the second pass over what nobody owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from apportion.allocate.ledger import usage_basis
from apportion.allocate.pools import EVERY_WINDOW, FEED, UNALLOCATED, USE, WHOLE, Pool, Recipients, pool_id
from apportion.allocate.settle import Settlement
from apportion.allocate.weights import Shape, attributed_cost
from apportion.config.rules import Rule
from apportion.config.settings import Settings
from apportion.money import NoWeightError, nano_per_minor, split
from apportion.period import Period
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal, names

Settle = Callable[..., None]


def fed_pools(engine: Engine, settings: Settings, settlement: Settlement, rule: Rule, period: Period) -> list[Pool]:
    """One sub-pool of a rule for each invoice whose cents other rules sent into it (decision D6)."""
    pools, currency = [], settings.currency
    for invoice_key, minor in settlement.placed_in(rule.name):
        pools.append(
            _moving(
                rule.name, rule.version, f"{rule.name}@{rule.version}", rule.method, invoice_key, FEED + rule.name,
                minor, period, currency, usage_basis(rule, settings) if rule.method != "direct" else "",
            )
        )  # fmt: skip
        _whole_group(engine, pools[-1], currency)
    return pools


def spread_unallocated(
    engine: Engine, settlement: Settlement, period: Period, currency: str
) -> tuple[list[Pool], Recipients]:
    """The second pass: what nobody owns, by what each owner has by evidence and rules."""
    weights = attributed_cost(engine)
    pools, claims = [], Recipients()
    if weights:
        for invoice_key, minor in settlement.unallocated():
            pool = _moving(
                "spread-unallocated", 1, "spread-unallocated@1", "proportional", invoice_key, UNALLOCATED, minor,
                period, currency, "",
            )  # fmt: skip
            pools.append(replace(pool, basis="attributed cost"))
            _whole_group(engine, pool, currency)
            for owner, weight in weights:
                claims.add(pool.pool_id, EVERY_WINDOW, owner, "shared", WHOLE, weight)
    return pools, claims


def policy_pools(
    engine: Engine,
    settings: Settings,
    shape: Shape,
    settlement: Settlement,
    pools: Sequence[Pool],
    kind: str,
    settle: Settle,
) -> None:
    """Credits pro rata or to their bank; tax on each owner's net (decision D13), or to its account."""
    chosen = [pool for pool in pools if pool.kind == kind]
    if not chosen:
        return
    if kind == "tax" and settings.policies.tax.account:
        settlement.keep_tax(chosen)
        return
    bank = settings.policies.credits.bank if kind == "credit" else None
    if bank:
        claims = Recipients()
        for pool in chosen:
            claims.add(pool.pool_id, EVERY_WINDOW, bank, "shared", WHOLE, 1)
        settle([replace(pool, basis="written shares") for pool in chosen], claims)
        return
    _derive(engine, shape, chosen)
    claims = _net_claims(engine, chosen, settings.currency) if kind == "tax" else Recipients()
    basis = "net cost in the invoice" if kind == "tax" else "cost in the invoice"
    settle([replace(pool, basis=basis) for pool in chosen], claims)
    engine.drop("derived_weights")


def _derive(engine: Engine, shape: Shape, pools: Sequence[Pool]) -> None:
    """Leave in `derived_weights` what the cells of each pool's invoice cost; by provider where it has none."""
    keys = {row[0] for row in engine.fetch("SELECT DISTINCT invoice_key FROM done_pools WHERE kind = 'usage'")}
    engine.register(
        "derived_pools",
        pa.table(
            {
                "pool_id": pa.array([pool.pool_id for pool in pools], pa.string()),
                "basis_key": pa.array(
                    [pool.invoice_key if pool.invoice_key in keys else pool.provider for pool in pools],
                    pa.string(),
                ),
            }
        ),
    )
    engine.sql_step(
        "sql/derived_weights.sql",
        beside=__package__,
        columns={"dimensions": shape.columns},
        into="derived_weights",
    )


def _net_claims(engine: Engine, pools: Sequence[Pool], currency: str) -> Recipients:
    """Owners by what they pay net of credits, never below zero; by gross where all is zero."""
    claims = Recipients()
    for pool in pools:
        where = f"(p.invoice_key = {literal(pool.invoice_key)})"
        nets = dict(
            engine.fetch(
                f"""SELECT c.owner, CAST(SUM(c.amount_minor) AS BIGINT) FROM claims AS c
                JOIN done_pools AS p ON p.pool_id = c.pool_id
                WHERE {where} AND p.kind <> 'tax' GROUP BY c.owner"""
            )
        )
        unit = nano_per_minor(currency)
        owned = {owner: minor for owner, minor in nets.items() if not owner.startswith(FEED)}
        # An invoice that is a refund as a whole is the mirror of its charge.
        side = -1 if sum(owned.values()) < 0 else 1
        net = {owner: max(side * minor, 0) * unit for owner, minor in owned.items()}
        if not any(net.values()):
            continue
        gross: dict[str, dict[str, int]] = {}
        for owner, layer, nano in engine.fetch(
            f"""SELECT owner, layer, CAST(SUM(weight) AS BIGINT) FROM derived_weights
            WHERE pool_id = {literal(pool.pool_id)} GROUP BY ALL ORDER BY ALL"""
        ):
            gross.setdefault(owner, {})[layer] = nano
        for owner, amount in net.items():
            layers = gross.get(owner, {"direct": 1})
            try:
                parts = split(amount, list(layers.values()), list(layers))
            except NoWeightError:
                continue
            for layer, part in zip(layers, parts, strict=True):
                claims.add(pool.pool_id, EVERY_WINDOW, owner, layer, USE, part)
    return claims


def _moving(
    rule: str, version: int, key: str, method: str, invoice_key: str, source: str, minor: int, period: Period,
    currency: str, basis: str,
) -> Pool:  # fmt: skip
    return Pool(
        pool_id=pool_id(rule, str(period), invoice_key, source), rule=rule, version=version, rule_key=key,
        method=method, kind="usage", status="final", category="mixed", invoice_key=invoice_key,
        invoice_period=str(period), item="", source=source, provider="", billing_account_id="", model_key="",
        currency=currency, effective_nano=minor * nano_per_minor(currency), amount_minor=minor, moved=True,
        usage_basis=basis,
    )  # fmt: skip


def _whole_group(engine: Engine, pool: Pool, currency: str) -> None:
    columns = names(["pool_id", "window_no", "window_from", "window_to", "category", "nano"])
    nano = pool.amount_minor * nano_per_minor(currency)
    engine.run(
        f"INSERT INTO pool_groups ({columns}) SELECT {literal(pool.pool_id)}, 1, period_start, period_end,"
        f" {literal(pool.category)}, CAST({nano} AS BIGINT) FROM ledger"
    )
