"""The weights of one wave: every method in turn, then the fallbacks for what none of them weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa

from apportion.allocate.basis import basis_of
from apportion.allocate.fallbacks import fallback_heads, fallback_shares, fallback_text
from apportion.allocate.ledger import meters_of
from apportion.allocate.matching import match_usage
from apportion.allocate.notes import negative_weight
from apportion.allocate.people import headcount_claims, seat_weights, wanted_heads
from apportion.allocate.pools import EVERY_WINDOW, UNALLOCATED, USE, WHOLE, Pool, Recipients, share_units
from apportion.allocate.rules import charge_condition
from apportion.allocate.weights import (
    Shape,
    add_shared,
    attributed_cost,
    create_shared,
    floor_of,
    idle_recipients,
    meter_cells_of,
    usage_view,
)
from apportion.config.rules import (
    ATTRIBUTED_COST,
    EvenRule,
    FixedRule,
    ProportionalRule,
    Rule,
    as_fractions,
)
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal, names
from apportion.warehouse.quoting import name as quoted

Resolve = Callable[[str, Sequence[str], Sequence[str], Sequence[str]], str]


class Scales:
    """Weighs waves of pools.

    Args:
        engine: Holds the inputs of `allocate`.
        settings: The project's.
        shape: Of a cell.
        rules: By `rule_key`.
        resolve: Finds every dimension of rows that name only an owner.
    """

    def __init__(
        self, engine: Engine, settings: Settings, shape: Shape, rules: Mapping[str, Rule], resolve: Resolve
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._shape = shape
        self._rules = rules
        self._resolve = resolve

    def weigh(self, pools: Sequence[Pool], given: Recipients, problems: list[Problem]) -> list[Pool]:
        """Leave `weighed_calls`, `weighed_others`, `owner_weights` and `window_totals` in the engine.

        Args:
            pools: The wave.
            given: Claims that were decided with the pools.
            problems: Gets what could not be weighed.

        Returns:
            The pools with their basis, fallback and notes.
        """
        wave = {pool.pool_id: pool for pool in pools}
        self._windows(pools)
        match_usage(self._engine, pools)
        usage_view(self._engine, self._shape, self._conditions(pools))
        create_shared(self._engine, self._shape)
        if self._engine.exists("derived_weights"):
            self._derived(given)
        else:
            self._recipients(given)
        self._measured(wave, problems)
        ruled = self._with_rules(wave)
        self._recipients(headcount_claims(self._engine, wanted_heads(self._engine, ruled)))
        self._recipients(seat_weights(self._engine, self._settings, self._shape, ruled, problems))
        self._written(wave)
        self._attributed(wave)
        self._own(wave)
        self._sum(by_usage=any(pool.usage_basis for pool in pools))
        self._fall_back(wave)
        self._describe(wave)
        return list(wave.values())

    def _windows(self, pools: Sequence[Pool]) -> None:
        self._engine.sql_step("sql/pool_windows.sql", beside=__package__, into="all_windows")
        listed = ", ".join(literal(pool.pool_id) for pool in pools)
        self._engine.run(
            f"CREATE OR REPLACE TABLE pool_windows AS SELECT * FROM all_windows WHERE pool_id IN ({listed})"
        )

    def _conditions(self, pools: Sequence[Pool]) -> dict[str, str]:
        columns = self._engine.describe("usage_cells")
        found = {}
        for key in {pool.rule_key for pool in pools}:
            rule = self._rules.get(key)
            if isinstance(rule, ProportionalRule) and rule.where:
                found[key] = charge_condition(rule.where, columns, self._shape.dimensions, tags="columns")
        return found

    def _recipients(self, claims: Recipients) -> None:
        """Claims that only name an owner become cells whose other dimensions follow from that owner."""
        if not claims.rows:
            return
        claims.register(self._engine, "recipients")
        owner = quoted(f"own_{self._shape.owner}")
        self._engine.run(
            f"""CREATE OR REPLACE TABLE recipient_rows AS
            SELECT r.pool_id, w.window_no, w.window_from AS day, r.owner, r.layer, r.role, r.weight,
              CAST(NULL AS VARCHAR) AS provider, CAST(NULL AS VARCHAR) AS model,
              NULLIF(r.owner, '{UNALLOCATED}') AS {owner},
              CAST(-1 AS TINYINT) AS {quoted(f"own_{self._shape.owner}_via")}
            FROM recipients AS r
            JOIN pool_windows AS w ON w.pool_id = r.pool_id AND r.window_no IN ({EVERY_WINDOW}, w.window_no)
            WHERE r.weight >= 0"""
        )
        keep = ["pool_id", "window_no", "day", "owner", "layer", "role", "weight"]
        add_shared(self._engine, self._shape, self._resolve("recipient_rows", keep, [], [self._shape.owner]))

    def _derived(self, exact: Recipients) -> None:
        """Cells of a credit or tax: what usage cost, scaled to the owners' net where that was worked out."""
        columns = names(["pool_id", "window_no", "day", "owner", "layer", "role", *self._shape.columns])
        exact.register(self._engine, "exact_weights")
        add_shared(
            self._engine,
            self._shape,
            f"""WITH net AS (
              SELECT pool_id, owner, layer, CAST(SUM(weight) AS BIGINT) AS net FROM exact_weights GROUP BY ALL
            ),
            gross AS (
              SELECT *, CAST(SUM(weight) OVER (PARTITION BY pool_id, owner, layer) AS BIGINT) AS gross
              FROM derived_weights
            )
            SELECT {names(["pool_id", "owner", "layer"], of="g")}, 1 AS window_no, g.day, g.role,
              {names(self._shape.columns, of="g")},
              CASE WHEN e.pool_id IS NULL THEN g.weight
                ELSE share_floor(COALESCE(n.net, 0), g.weight, g.gross) END AS weight
            FROM gross AS g
            LEFT JOIN net AS n ON n.pool_id = g.pool_id AND n.owner = g.owner AND n.layer = g.layer
            LEFT JOIN (SELECT DISTINCT pool_id FROM exact_weights) AS e ON e.pool_id = g.pool_id""",
        )
        # Weights are of the invoice as a whole, whatever days the credit's own row names.
        self._engine.run(
            f"""CREATE OR REPLACE TABLE every_weight AS SELECT * FROM shared_weights;
            DELETE FROM shared_weights;
            INSERT INTO shared_weights ({columns}, weight)
            SELECT {columns.replace('"window_no"', 'w."window_no"').replace('"pool_id"', 's."pool_id"')}, s.weight
            FROM every_weight AS s JOIN pool_windows AS w ON w.pool_id = s.pool_id"""
        )
        missing = Recipients()
        for pool_id, owner, layer, weight in self._engine.fetch(
            """SELECT e.pool_id, e.owner, e.layer, CAST(SUM(e.weight) AS BIGINT) FROM exact_weights AS e
            WHERE e.weight > 0 AND NOT EXISTS (
              SELECT 1 FROM derived_weights AS d
              WHERE d.pool_id = e.pool_id AND d.owner = e.owner AND d.layer = e.layer)
            GROUP BY ALL ORDER BY ALL"""
        ):
            missing.add(pool_id, EVERY_WINDOW, owner, layer, USE, weight)
        self._recipients(missing)

    def _measured(self, wave: dict[str, Pool], problems: list[Problem]) -> None:
        ruled = [(p, meters_of(rule, self._settings)) for p, rule in self._with_rules(wave) if not p.usage_basis]
        chosen = [p for p, meters in ruled if meters]
        rows = [(p.pool_id, meter, p.item) for p, meters in ruled for meter in meters]
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._engine.register(
            "metered_pools",
            pa.table({k: pa.array(c, pa.string()) for k, c in zip(("pool_id", "meter", "item"), columns, strict=True)}),
        )
        shape = {"dimensions": self._shape.columns}
        self._engine.sql_step("sql/meter_weights.sql", beside=__package__, columns=shape, into="meter_weights")
        claims = Recipients()
        by_key = {p.rule_key: self._rules[p.rule_key] for p in chosen}
        for several in (False, True):
            group = [p for p, meters in ruled if meters and (len(meters) > 1) is several]
            if group:
                meter_cells_of(self._engine, self._shape, group, by_key)
                self._floored(wave, group, by_key, claims, problems)
                for pool_id in idle_recipients(self._engine, group, by_key, claims):
                    wave[pool_id] = wave[pool_id].noted(
                        "some owner used more than it reserved; its own idle counts as 0"
                    )
        self._recipients(claims)

    def _floored(
        self,
        wave: dict[str, Pool],
        group: Sequence[Pool],
        rules: Mapping[str, Rule],
        claims: Recipients,
        problems: list[Problem],
    ) -> None:
        """Owners that weigh nothing are named; a negative weight without a floor makes its pool unweighable."""
        by_id = {pool.pool_id: pool for pool in group}
        for pool_id, window, owner, used in self._engine.fetch(
            "SELECT pool_id, window_no, owner, used FROM metered_owners ORDER BY ALL"
        ):
            pool, floor = by_id[pool_id], floor_of(rules[by_id[pool_id].rule_key])
            measured = f"{Decimal(used).scaleb(-6).normalize():f}"
            if floor is not None:
                layer = UNALLOCATED if owner == UNALLOCATED else "shared"
                claims.add(pool_id, window, owner, layer, USE, max(used, floor, 0))
            elif used < 0:
                problems.append(negative_weight(pool, owner, measured, self._settings.currency))
                self._engine.run(f"DELETE FROM shared_weights WHERE pool_id = {literal(pool_id)}")
            # A row that only says the capacity names nobody, and nobody weighs 0 is no news.
            if used <= 0 and max(floor or 0, 0) == 0 and (used or owner != UNALLOCATED):
                wave[pool_id] = wave[pool_id].noted(f"{owner} weighs 0 (measured {measured})")

    def _written(self, wave: Mapping[str, Pool]) -> None:
        claims = Recipients()
        for pool, rule in self._with_rules(wave):
            if isinstance(rule, FixedRule):
                for owner, share in as_fractions(rule.shares).items():
                    claims.add(pool.pool_id, EVERY_WINDOW, owner, "shared", WHOLE, share_units(share))
            elif isinstance(rule, EvenRule):
                for owner in rule.among:
                    claims.add(pool.pool_id, EVERY_WINDOW, owner, "shared", WHOLE, 1)
        self._recipients(claims)

    def _attributed(self, wave: Mapping[str, Pool]) -> None:
        claims = Recipients()
        for pool, rule in self._with_rules(wave):
            if isinstance(rule, ProportionalRule) and rule.meter == (ATTRIBUTED_COST,):
                for owner, weight in attributed_cost(self._engine):
                    claims.add(pool.pool_id, EVERY_WINDOW, owner, "shared", USE, weight)
        self._recipients(claims)

    def _with_rules(self, wave: Mapping[str, Pool]) -> list[tuple[Pool, Rule]]:
        return [
            (pool, self._rules[pool.rule_key])
            for pool in wave.values()
            if pool.rule_key in self._rules and pool.kind in _OWN_METHOD
        ]

    def _own(self, wave: Mapping[str, Pool]) -> None:
        """Charges that name their owner and have no usage of that owner: one claim, the whole of it."""
        claims = Recipients()
        owned = [pool for pool in wave.values() if pool.pool_owner]
        if not owned:
            return
        weighed = set()
        if any(pool.usage_basis for pool in owned):
            listed = ", ".join(literal(pool.pool_id) for pool in owned)
            weighed = set(
                self._engine.fetch(
                    "SELECT pool_id, window_no FROM usage_weights"
                    f" WHERE pool_id IN ({listed}) AND weight > 0 GROUP BY ALL"
                )
            )
        for pool_id, window in self._engine.fetch("SELECT pool_id, window_no FROM pool_windows ORDER BY ALL"):
            pool = wave[pool_id]
            if pool.pool_owner and (pool_id, window) not in weighed:
                claims.add(pool_id, window, pool.pool_owner, pool.pool_layer, WHOLE, 1)
        self._recipients(claims)

    def _sum(self, *, by_usage: bool) -> None:
        # Where no call weighs, none is read.
        calls = "SELECT * FROM usage_weights WHERE weight > 0"
        none = "SELECT CAST(NULL AS INTEGER) AS match_no, * FROM shared_weights WHERE FALSE"
        self._engine.run(f"CREATE OR REPLACE VIEW weighed_calls AS {calls if by_usage else none}")
        # A pool whose charges name their owner is posted in the layer of that evidence, whatever weighs its cells.
        self._engine.run(
            f"""CREATE OR REPLACE VIEW weighed_others AS
            SELECT w.pool_id, w.window_no, w.day, w.owner,
              CASE WHEN p.pool_owner <> '' THEN p.pool_layer ELSE w.layer END AS layer, w.role,
              {names(self._shape.columns, of="w")}, w.weight
            FROM shared_weights AS w JOIN wave_pools AS p ON p.pool_id = w.pool_id"""
        )
        self._engine.sql_step("sql/owner_weights.sql", beside=__package__, into="owner_weights")
        if self._engine.exists("exact_weights"):
            self._exact()
        self._window_totals()

    def _exact(self) -> None:
        """Owners whose weights were worked out to the cent keep those, whatever their cells were cut to."""
        self._engine.run(
            """CREATE OR REPLACE TABLE owner_weights AS
            SELECT * FROM owner_weights WHERE pool_id NOT IN (SELECT pool_id FROM exact_weights)
            UNION ALL
            SELECT e.pool_id, w.window_no, e.owner, e.layer, e.role, e.weight
            FROM exact_weights AS e JOIN pool_windows AS w ON w.pool_id = e.pool_id"""
        )
        self._engine.drop("exact_weights")

    def _fall_back(self, wave: dict[str, Pool]) -> None:
        empty = self._engine.fetch("SELECT pool_id, window_no FROM window_totals WHERE total = 0 ORDER BY ALL")
        if not empty:
            return
        claims, heads = Recipients(), []
        for pool_id, window in empty:
            pool = wave[pool_id]
            rule = self._rules.get(pool.rule_key)
            fallback = rule.fallback if rule and pool.kind in _OWN_METHOD else None
            if fallback and fallback.headcount:
                roster, policy = fallback_heads(fallback, self._settings)
                heads.append((pool_id, roster, policy))
            elif fallback:
                for owner, weight in fallback_shares(fallback):
                    claims.add(pool_id, window, owner, "shared", WHOLE, weight)
            else:
                claims.add(pool_id, window, UNALLOCATED, UNALLOCATED, WHOLE, 1)
            wave[pool_id] = replace(pool, fallback=fallback_text(fallback) if fallback else None)
        before = self._engine.value("SELECT COUNT(*) FROM shared_weights")
        self._recipients(claims)
        self._only_empty_windows(sorted(set(heads)))
        if before != self._engine.value("SELECT COUNT(*) FROM shared_weights"):
            self._add_to_sums()
        still = self._engine.fetch("SELECT pool_id, window_no FROM window_totals WHERE total = 0 ORDER BY ALL")
        if still:
            last = Recipients()
            for pool_id, window in still:
                last.add(pool_id, window, UNALLOCATED, UNALLOCATED, WHOLE, 1)
            self._recipients(last)
            self._add_to_sums()

    def _only_empty_windows(self, heads: Sequence[tuple[str, str | None, str]]) -> None:
        if not heads:
            return
        self._engine.run("CREATE OR REPLACE TABLE every_window AS SELECT * FROM pool_windows")
        self._engine.run(
            """CREATE OR REPLACE TABLE pool_windows AS SELECT w.* FROM every_window AS w
            JOIN window_totals AS t ON t.pool_id = w.pool_id AND t.window_no = w.window_no WHERE t.total = 0"""
        )
        self._recipients(headcount_claims(self._engine, heads))
        self._engine.run("CREATE OR REPLACE TABLE pool_windows AS SELECT * FROM every_window")

    def _add_to_sums(self) -> None:
        """Sum again, without reading the calls a second time: only windows that had no weight can have changed."""
        self._engine.run(
            """CREATE OR REPLACE TABLE owner_weights AS
            SELECT * FROM owner_weights
            UNION ALL
            SELECT s.pool_id, s.window_no, s.owner, s.layer, s.role, CAST(SUM(s.weight) AS BIGINT) AS weight
            FROM shared_weights AS s
            JOIN window_totals AS t ON t.pool_id = s.pool_id AND t.window_no = s.window_no
            WHERE t.total = 0 AND s.weight > 0 GROUP BY ALL"""
        )
        self._window_totals()

    def _window_totals(self) -> None:
        self._engine.sql_step("sql/window_totals.sql", beside=__package__, into="window_totals")
        self._engine.bring("window_totals")

    def _describe(self, wave: dict[str, Pool]) -> None:
        basis = {
            row[0]: row[1:]
            for row in self._engine.fetch("SELECT pool_id, basis, unpriced_calls, scale FROM pool_basis")
        }
        totals = {
            row[0]: row[1:]
            for row in self._engine.fetch(
                "SELECT pool_id, CAST(SUM(total) AS BIGINT), MAX(windows) FROM window_totals GROUP BY pool_id"
            )
        }
        for key, pool in wave.items():
            text, unpriced, scale = basis.get(key, ("none", 0, 1))
            said = pool.basis or basis_of(pool, self._rules.get(pool.rule_key), text, self._settings.policies.headcount)
            said += " in nano-units" if said == text and scale != 1 else ""
            total, windows = totals.get(key, (None, 1))
            found = "none" if text == "none" else "unpriced" if unpriced else "priced" if pool.direct else "other"
            changed = replace(pool, basis=said, weight_total=total, windows=windows, usage=found)
            if unpriced and text == "tokens" and pool.usage_basis == "list cost":
                changed = changed.noted(f"{unpriced:,} calls have no price, so the whole pool is weighed by tokens")
            wave[key] = changed


_OWN_METHOD = frozenset({"usage", "correction", "credit"})
