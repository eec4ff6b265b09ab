"""Where the weights of claims come from: the only thing in which the methods differ.

Every method ends in one of two relations, one row per pool, window, day, owner and cell, with an integer weight:
`weighed_calls` is a view over the calls, which stay in the warehouse; `weighed_others` is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apportion.allocate.pools import IDLE, OWN_IDLE, UNALLOCATED, USE, Pool, Recipients
from apportion.config.rules import ProportionalRule, Rule, SeatsRule
from apportion.money import split
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal, names
from apportion.warehouse.quoting import name as quoted

PPB = 1_000_000_000
_MICRO = 1_000_000
# A short decimal becomes a BIGINT many times faster than a long one does.
_SHORT = 10**18


@dataclass(frozen=True)
class Shape:
    """What the columns of a cell are.

    Attributes:
        owner: The dimension that is charged.
        dimensions: Every dimension, in order.
        layers: The owner dimension's via numbers with their layers (decision D7).
        follows_owner: The owner dimension, and those whose evidence reads it, such as the cost centre.
    """

    owner: str
    dimensions: tuple[str, ...]
    layers: Mapping[int, str]
    follows_owner: frozenset[str]

    def missing(self, dimension: str) -> str:
        """The value of a dimension where nothing is known."""
        return "unclassified" if dimension in {"model_family", "model_tier"} else UNALLOCATED

    @property
    def columns(self) -> list[str]:
        """Value and via of every dimension."""
        return [column for dim in self.dimensions for column in (dim, f"{dim}_via")]

    def layer_sql(self, relation: str) -> str:
        """The layer of a row's owner by the way it was found."""
        via = f"{relation}.{quoted(self.owner + '_via')}"
        branches = " ".join(f"WHEN {number} THEN {literal(layer)}" for number, layer in self.layers.items())
        return f"CASE {via} WHEN 0 THEN '{UNALLOCATED}' {branches} ELSE 'shared' END"

    def shared_sql(self, relation: str) -> str:
        """The layer of a row that a shared method placed."""
        owner = f"{relation}.{quoted(self.owner)}"
        return f"CASE WHEN {owner} = '{UNALLOCATED}' THEN '{UNALLOCATED}' ELSE 'shared' END"


_HEAD = ("pool_id", "window_no", "day", "owner", "layer", "role")


def usage_view(engine: Engine, shape: Shape, conditions: Mapping[str, str]) -> None:
    """The view `usage_weights`: folded calls of every pool that calls weigh.

    Args:
        engine: Holds usage_cells, pool_matches, pool_basis and wave_pools.
        shape: Of a cell.
        conditions: By rule, which calls count at all (`where:`), as SQL over a cell named `c`.
    """
    owner = f"c.{quoted(shape.owner)}"
    only = " ".join(f"WHEN {literal(rule)} THEN {sql}" for rule, sql in conditions.items())
    where = f"AND CASE m.rule {only} ELSE TRUE END" if only else ""
    # All that is asked of a pool stands in one small table, so that calls are joined once, by one number from then on.
    engine.run(
        """CREATE OR REPLACE TABLE usage_matches AS
        SELECT CAST(DENSE_RANK() OVER (ORDER BY m.pool_id, m.window_no) AS INTEGER) AS match_no, m.*, p.pool_layer,
          b.basis, b.scale
        FROM pool_matches AS m
        JOIN pool_basis AS b ON b.pool_id = m.pool_id
        JOIN wave_pools AS p ON p.pool_id = m.pool_id
        WHERE b.basis <> 'none'"""
    )
    engine.run(
        f"""CREATE OR REPLACE VIEW usage_weights AS
        SELECT m.match_no, m.pool_id, m.window_no, c.day, {owner} AS owner,
          CASE WHEN m.pool_owner <> '' THEN m.pool_layer
            WHEN m.direct THEN {shape.layer_sql("c")} ELSE {shape.shared_sql("c")} END AS layer,
          '{USE}' AS role, {names(shape.columns, of="c")},
          CASE m.basis
            WHEN 'list cost' THEN
              CASE WHEN m.scale <> 1 THEN half_up_div(c.list_cost_picos, m.scale)
                WHEN c.list_cost_picos < {_SHORT} THEN CAST(CAST(c.list_cost_picos AS DECIMAL(18, 0)) AS BIGINT)
                ELSE CAST(c.list_cost_picos AS BIGINT) END
            WHEN 'tokens' THEN c.tokens
            ELSE c.calls
          END AS weight
        FROM usage_cells AS c
        JOIN usage_matches AS m
          ON m.provider = c.provider AND m.account_key = c.billing_account_id AND m.model_key = c.model_key
          AND m.training = c.training AND c.day >= m.window_from AND c.day < m.window_to
        WHERE (m.pool_owner = '' OR {owner} = m.pool_owner) {where}"""
    )


def create_shared(engine: Engine, shape: Shape) -> None:
    """The empty table `shared_weights`, in the columns of a cell."""
    typed = ", ".join(f"{quoted(dim)} VARCHAR, {quoted(dim + '_via')} TINYINT" for dim in shape.dimensions)
    engine.run(
        "CREATE OR REPLACE TABLE shared_weights (pool_id VARCHAR, window_no INTEGER, day DATE, owner VARCHAR,"
        f" layer VARCHAR, role VARCHAR, {typed}, weight BIGINT)"
    )


def add_shared(engine: Engine, shape: Shape, query: str) -> None:
    """Rows of a query that has the columns of a cell, in any order."""
    columns = names([*_HEAD, *shape.columns, "weight"])
    engine.run(f"INSERT INTO shared_weights ({columns}) SELECT {columns} FROM ({query})")


def meter_cells_of(engine: Engine, shape: Shape, pools: Sequence[Pool], rules: Mapping[str, Rule]) -> None:
    """Weights of pools that one measured meter divides, or the larger share of several."""
    by_rule = {pool.pool_id: rules[pool.rule_key] for pool in pools}
    for kind in ("single", "larger_share"):
        chosen = [
            p
            for p, r in by_rule.items()
            if isinstance(r, ProportionalRule) and (len(r.meter) > 1) == (kind != "single")
        ]
        if not chosen:
            continue
        listed = ", ".join(literal(p) for p in chosen)
        engine.run(f"CREATE OR REPLACE VIEW chosen_meters AS SELECT * FROM meter_weights WHERE pool_id IN ({listed})")
        if kind == "single":
            engine.run("CREATE OR REPLACE VIEW measured AS SELECT * EXCLUDE (meter) FROM chosen_meters")
        else:
            _larger_share(engine, shape)
        _add_measured(engine, shape, by_rule, chosen)


def _larger_share(engine: Engine, shape: Shape) -> None:
    """The larger of a claim's shares of several meters, in parts per billion of the capacity (or of the use)."""
    cells = names(shape.columns)
    engine.run(
        f"""CREATE OR REPLACE TABLE measured AS
        WITH per_meter AS (
          SELECT pool_id, window_no, meter, item, MIN(day) AS day, {cells},
            CAST(SUM(quantity_micro) AS BIGINT) AS quantity
          FROM chosen_meters GROUP BY pool_id, window_no, meter, item, {cells}
        ),
        caps AS (
          SELECT pool_id, window_no, meter, item, CAST(SUM(capacity) AS BIGINT) AS capacity FROM (
            SELECT pool_id, window_no, meter, item, day, MAX(capacity_micro) AS capacity
            FROM chosen_meters GROUP BY pool_id, window_no, meter, item, day)
          GROUP BY pool_id, window_no, meter, item
        ),
        shares AS (
          SELECT p.*, share_floor(p.quantity, {PPB}, GREATEST(COALESCE(c.capacity,
            CAST(SUM(p.quantity) OVER (PARTITION BY p.pool_id, p.window_no, p.meter, p.item) AS BIGINT)), 1)) AS share,
            c.capacity
          FROM per_meter AS p
          JOIN caps AS c
            ON c.pool_id = p.pool_id AND c.window_no = p.window_no AND c.meter = p.meter AND c.item = p.item
        )
        SELECT pool_id, window_no, item, MIN(day) AS day, {cells}, MAX(share) AS quantity_micro,
          CASE WHEN COUNT(capacity) = COUNT(*) THEN CAST({PPB} AS BIGINT) END AS capacity_micro,
          CAST(NULL AS BIGINT) AS reservation_micro
        FROM shares GROUP BY pool_id, window_no, item, {cells}"""
    )


def _add_measured(engine: Engine, shape: Shape, rules: Mapping[str, Rule], chosen: Sequence[str]) -> None:
    owner = quoted(shape.owner)
    reserved = [p for p in chosen if _idle_policy(rules[p]) == "by_reservation"]
    listed = ", ".join(literal(p) for p in reserved) or "''"
    # Where a rule sets a floor, it is an owner's sum that counts: those pools are weighed by owner alone.
    floored = ", ".join(literal(p) for p in chosen if floor_of(rules[p]) is not None) or "''"
    add_shared(
        engine,
        shape,
        f"""SELECT pool_id, window_no, MIN(day) AS day, {owner} AS owner, {shape.shared_sql("m")} AS layer,
          '{USE}' AS role, {names(shape.columns, of="m")}, CAST(SUM(quantity_micro) AS BIGINT) AS weight
        FROM measured AS m WHERE pool_id NOT IN ({floored})
        GROUP BY pool_id, window_no, {names(shape.columns, of="m")}
        -- A row that only says the capacity names nobody.
        HAVING {owner} <> '{UNALLOCATED}' OR SUM(quantity_micro) <> 0""",
    )
    engine.run(
        f"""CREATE OR REPLACE TABLE metered_owners AS
        SELECT pool_id, window_no, MIN(day) AS day, {owner} AS owner, CAST(SUM(quantity_micro) AS BIGINT) AS used,
          CAST(SUM(reserved) AS BIGINT) AS reserved
        FROM (
          SELECT pool_id, window_no, item, day, {owner}, SUM(quantity_micro) AS quantity_micro,
            MAX(COALESCE(reservation_micro, 0)) AS reserved
          FROM measured GROUP BY pool_id, window_no, item, day, {owner})
        GROUP BY pool_id, window_no, {owner}"""
    )
    engine.run(
        """CREATE OR REPLACE TABLE metered_windows AS
        SELECT pool_id, window_no, MIN(day) AS day, CAST(SUM(used) AS BIGINT) AS used,
          CASE WHEN COUNT(capacity) = 0 THEN NULL ELSE CAST(SUM(capacity) AS BIGINT) END AS capacity
        FROM (
          SELECT pool_id, window_no, item, day, SUM(quantity_micro) AS used, MAX(capacity_micro) AS capacity
          FROM measured GROUP BY pool_id, window_no, item, day)
        GROUP BY pool_id, window_no"""
    )
    engine.run(
        f"""CREATE OR REPLACE TABLE own_idle AS
        SELECT pool_id, window_no, owner, GREATEST(reserved - used, 0) AS weight FROM metered_owners
        WHERE pool_id IN ({listed}) AND reserved > used"""
    )


def idle_recipients(engine: Engine, pools: Sequence[Pool], rules: Mapping[str, Rule], claims: Recipients) -> list[str]:
    """Idle capacity as claims: apart, spread, or to those who reserved it (decision D12).

    Returns:
        Pools in which some owner used more than it reserved.
    """
    by_id = {pool.pool_id: rules[pool.rule_key] for pool in pools}
    own: dict[tuple[str, int], int] = {}
    for pool, window, owner, weight in engine.fetch("SELECT pool_id, window_no, owner, weight FROM own_idle"):
        claims.add(pool, window, owner, "shared" if owner != UNALLOCATED else UNALLOCATED, OWN_IDLE, weight)
        own[pool, window] = own.get((pool, window), 0) + weight
    for pool, window, used, capacity in engine.fetch(
        "SELECT pool_id, window_no, used, capacity FROM metered_windows WHERE capacity IS NOT NULL ORDER BY ALL"
    ):
        rule = by_id.get(pool)
        if not isinstance(rule, ProportionalRule) or _idle_policy(rule) == "spread":
            continue
        idle = max(0, capacity - used - own.get((pool, window), 0))
        keeper = (rule.idle.to if rule.idle else None) or UNALLOCATED
        if idle:
            claims.add(pool, window, keeper, UNALLOCATED if keeper == UNALLOCATED else "shared", IDLE, idle)
    return [
        row[0]
        for row in engine.fetch(
            "SELECT DISTINCT pool_id FROM metered_owners WHERE reserved > 0 AND used > reserved ORDER BY 1"
        )
    ]


def seat_claims(engine: Engine, shape: Shape, pools: Sequence[Pool], rules: Mapping[str, Rule]) -> Recipients:
    """Seats as weights: seat-days at the seat's price, or one for each active user.

    An idle seat is one that nobody holds, or whose holder was not active; where no activity is known at
    all, only unassigned seats are idle.

    Returns:
        Claims of idle seats that a named owner keeps.
    """
    claims = Recipients()
    cells = names(shape.columns)
    for pool in pools:
        rule = rules[pool.rule_key]
        if not isinstance(rule, SeatsRule):
            continue
        mine = f"(SELECT * FROM seat_days WHERE pool_id = {literal(pool.pool_id)})"
        if rule.weight == "active_users":
            add_shared(
                engine,
                shape,
                f"""SELECT pool_id, window_no, day, {quoted(shape.owner)} AS owner, {shape.shared_sql("s")} AS layer,
                  '{USE}' AS role, {cells}, CAST(1 AS BIGINT) AS weight
                FROM (
                  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_no, assigned_to ORDER BY day DESC, seat_id) AS turn
                  FROM {mine} WHERE used
                ) AS s WHERE turn = 1""",
            )
            continue
        idle = "(s.assigned_to IS NULL)" if rule.idle.policy == "owner" else "(s.assigned_to IS NULL OR s.used = FALSE)"
        add_shared(
            engine,
            shape,
            f"""SELECT pool_id, window_no, MIN(day) AS day, {quoted(shape.owner)} AS owner,
              {shape.layer_sql("s")} AS layer,
              '{USE}' AS role, {names(shape.columns, of="s")}, CAST(SUM(price_micro) AS BIGINT) AS weight
            FROM {mine} AS s WHERE NOT {idle}
            GROUP BY pool_id, window_no, {names(shape.columns, of="s")}""",
        )
        if rule.idle.policy == "spread":
            _spread_seats(engine, pool, mine, idle, claims)
            continue
        keeper = f"COALESCE({literal(rule.idle.to)}, s.{quoted(shape.owner)})"
        for window, owner, weight in engine.fetch(
            f"SELECT window_no, {keeper}, CAST(SUM(price_micro) AS BIGINT) FROM {mine} AS s WHERE {idle} GROUP BY ALL"
        ):
            claims.add(pool.pool_id, window, owner, UNALLOCATED if owner == UNALLOCATED else "shared", IDLE, weight)
    return claims


def _idle_policy(rule: Rule) -> str:
    return rule.idle.policy if isinstance(rule, ProportionalRule) and rule.idle else "separate"


def attributed_cost(engine: Engine) -> list[tuple[str, int]]:
    """What each owner has by direct evidence and rules so far, in minor units; only what is above zero."""
    if not engine.exists("claims"):
        return []
    return [
        (str(owner), int(minor))
        for owner, minor in engine.fetch(
            f"""SELECT owner, CAST(SUM(amount_minor) AS BIGINT) AS minor FROM claims
            WHERE layer IN ('direct', 'rule', 'default') AND owner <> '{UNALLOCATED}'
            GROUP BY owner HAVING SUM(amount_minor) > 0 ORDER BY owner"""
        )
    ]


def floor_of(rule: Rule) -> int | None:
    """The least that an owner's sum weighs under a rule, in millionths of the meter's unit."""
    if not isinstance(rule, ProportionalRule) or rule.floor is None:
        return None
    return int(rule.floor * _MICRO)


def _spread_seats(engine: Engine, pool: Pool, days: str, idle: str, claims: Recipients) -> None:
    """Idle seats over everyone by their used seats: the same shares, but shared cost and shown as idle (D7)."""
    for window, weight in engine.fetch(
        f"SELECT window_no, CAST(SUM(price_micro) AS BIGINT) FROM {days} AS s WHERE {idle} GROUP BY ALL ORDER BY ALL"
    ):
        used = engine.fetch(
            f"""SELECT owner, CAST(SUM(weight) AS BIGINT) FROM shared_weights
            WHERE pool_id = {literal(pool.pool_id)} AND window_no = {window} GROUP BY owner ORDER BY owner"""
        )
        if not sum(row[1] for row in used):
            continue
        parts = split(weight, [row[1] for row in used], [row[0] for row in used])
        for (owner, _), part in zip(used, parts, strict=True):
            layer = UNALLOCATED if owner == UNALLOCATED else "shared"
            claims.add(pool.pool_id, window, owner, layer, IDLE, part)
