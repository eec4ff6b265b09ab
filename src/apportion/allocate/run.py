"""One period allocated: pools from charges, then wave after wave of claims and splits.

A wave is a set of pools whose weights are known: first the billed pools, then those weighed by attributed
cost, then the pools that others feed, then credits, then tax, and last what nobody owns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from apportion.allocate import derived, notes
from apportion.allocate.billed import BilledPools
from apportion.allocate.ledger import rule_key
from apportion.allocate.pools import Pool, Recipients, register_pools
from apportion.allocate.rules import CREDITS, TAX
from apportion.allocate.settle import Settlement
from apportion.allocate.weigh import Scales
from apportion.allocate.weights import Shape
from apportion.config.rules import ATTRIBUTED_COST, ProportionalRule, Rule
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.period import Period
from apportion.warehouse.engine import Engine

Resolve = Callable[[str, Sequence[str], Sequence[str], Sequence[str]], str]
Write = Callable[[str, str], str]


@dataclass
class Allocated:
    """What a period's allocation left in the engine's tables `pools`, `claims`, `invoices`.

    Attributes:
        pools: Every pool, in the order in which they were settled.
        problems: What a user should know, with its money.
    """

    pools: list[Pool] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def allocate(
    engine: Engine, settings: Settings, period: Period, shape: Shape, *, resolve: Resolve, write: Write
) -> Allocated:
    """Allocate one period.

    Args:
        engine: Holds ruled_charges, charges_all, invoice_rates, usage_cells, usage_days, meter_cells,
            roster_owners, seat_cells, calendar and the tables of `ledger.py`.
        settings: The project's.
        period: Which.
        shape: The columns of a cell.
        resolve: Makes the query that finds every dimension of a relation, given what it keeps, which
            evidence columns it has and which dimensions it presets.
        write: Writes a query as a file of allocated_charges and returns a query that reads it back.

    Returns:
        Its pools and problems; `claims` and `allocated_so_far` are left in the engine.
    """
    rules = {rule_key(rule): rule for rule in settings.allocate}
    done = Allocated()
    scales = Scales(engine, settings, shape, rules, resolve)
    settlement = Settlement(engine, shape, period, write)
    billed = BilledPools(engine, settings, shape, period, rules)

    def settle(pools: Sequence[Pool], given: Recipients | None = None) -> None:
        if pools:
            weighed = scales.weigh(pools, given or Recipients(), done.problems)
            done.pools += settlement.settle(weighed)
            register_pools(engine, "done_pools", done.pools)

    first = billed.build(done.problems)
    later = [pool for pool in first if _is_late(pool, rules)]
    policies = [pool for pool in first if pool.rule_key in {CREDITS, TAX} and not pool.pool_owner]
    settle([pool for pool in first if pool not in later and pool not in policies], billed.recipients)
    settle(later)
    for key in _feeding_order(rules, [rule.rule_id for rule in settings.approved if rule.kind == "split"]):
        settle(derived.fed_pools(engine, settings, settlement, rules[key], period))
    derived.policy_pools(engine, settings, shape, settlement, policies, "credit", settle)
    derived.policy_pools(engine, settings, shape, settlement, policies, "tax", settle)
    if settings.unallocated.spread_by == ATTRIBUTED_COST:
        settle(*derived.spread_unallocated(engine, settlement, period, settings.currency))
    settlement.finish(done.pools)
    done.problems += notes.remarks(engine, settings, period, done.pools, rules)
    return done


def _is_late(pool: Pool, rules: Mapping[str, Rule]) -> bool:
    rule = rules.get(pool.rule_key)
    return isinstance(rule, ProportionalRule) and rule.meter == (ATTRIBUTED_COST,)


def _feeding_order(rules: Mapping[str, Rule], splits: Sequence[str]) -> list[str]:
    """The rules that others feed, each after those that feed it (decision D6); usage feeds approved splits."""
    by_name: dict[str, list[str]] = {}
    for key, rule in rules.items():
        by_name.setdefault(rule.name, []).append(key)
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(splits, ()))
    fed = set(splits)
    for rule in rules.values():
        for target in rule.feeds:
            sorter.add(target, rule.name)
            fed.add(target)
    return [by_name[name][-1] for name in sorter.static_order() if name in fed and name in by_name]
