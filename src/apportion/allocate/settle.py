"""A wave settled: weights become cents, cents become claims, and every cell gets its share of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from apportion.allocate.cents import contend, hand_out
from apportion.allocate.pools import FEED, SHARED_VIA, UNALLOCATED, Pool, register_pools
from apportion.allocate.weights import Shape
from apportion.errors import InvariantError
from apportion.period import Period
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal, names
from apportion.warehouse.quoting import name as quoted

Write = Callable[[str, str], str]

_CLAIM_COLUMNS = "pool_id, owner, layer, role, weight, amount_minor"


class Settlement:
    """Posts nothing; leaves `claims`, `allocated_so_far`, `pools` and `invoices` for those who do.

    Args:
        engine: Holds what a `Scales` left behind.
        shape: Of a cell.
        period: Which.
        write: Writes a query as a file of allocated_charges and returns a query that reads it back.
    """

    def __init__(self, engine: Engine, shape: Shape, period: Period, write: Write) -> None:
        self._engine = engine
        self._shape = shape
        self._period = period
        self._write = write
        self._files: list[str] = []
        engine.run(
            "CREATE OR REPLACE TABLE claims (pool_id VARCHAR, owner VARCHAR, layer VARCHAR, role VARCHAR,"
            " weight BIGINT, amount_minor BIGINT)"
        )
        engine.run("CREATE OR REPLACE TABLE tax_account (invoice_key VARCHAR, amount_minor BIGINT)")
        register_pools(engine, "done_pools", [])
        self._show_files()

    def settle(self, pools: Sequence[Pool]) -> list[Pool]:
        """Split every pool of a weighed wave.

        Raises:
            InvariantError: L1 or L5, before anything is kept.
        """
        register_pools(self._engine, "wave_pools", pools)
        self._engine.sql_step("sql/owner_parts.sql", beside=__package__, into="owner_parts")
        self._cents(pools)
        self._claims()
        self._cells(pools)
        self._check(pools)
        self._take_back([pool for pool in pools if pool.moved])
        return list(pools)

    def _cents(self, pools: Sequence[Pool]) -> None:
        self._engine.register(
            "pool_amounts",
            pa.table(
                {
                    "pool_id": pa.array([pool.pool_id for pool in pools], pa.string()),
                    "amount_minor": pa.array([pool.amount_minor for pool in pools], pa.int64()),
                }
            ),
        )
        self._engine.run(
            """CREATE OR REPLACE VIEW owner_weights_summed AS
            SELECT pool_id, owner, CAST(SUM(weight) AS BIGINT) AS weight FROM owner_parts
            WHERE windows = 1 GROUP BY pool_id, owner"""
        )
        self._engine.sql_step("sql/split.sql", beside=__package__, into="split_contenders", view=True)
        contend(
            self._engine,
            """SELECT pool_id AS group_key, owner AS part_key, CAST(SUM(fine) AS BIGINT) AS fine FROM owner_parts
            WHERE windows > 1 GROUP BY pool_id, owner""",
            """SELECT a.pool_id AS group_key, a.amount_minor AS total, l.nano_per_minor AS unit
            FROM pool_amounts AS a CROSS JOIN ledger AS l""",
        )
        self._engine.run(
            """CREATE OR REPLACE TABLE owner_contenders AS
            SELECT * FROM split_contenders UNION ALL SELECT * FROM contenders"""
        )
        self._engine.run("CREATE OR REPLACE VIEW contenders AS SELECT * FROM owner_contenders")
        hand_out(self._engine, "owners_handed_out", view=True)
        self._engine.run(
            """CREATE OR REPLACE TABLE owner_shares AS
            SELECT group_key AS pool_id, part_key AS owner, minor FROM owners_handed_out"""
        )

    def _claims(self) -> None:
        """An owner's cents over the layers and roles in which it has them."""
        both = "CONCAT(pool_id, CHR(31), owner)"
        contend(
            self._engine,
            f"SELECT {both} AS group_key, CONCAT(layer, CHR(31), role) AS part_key, fine FROM owner_parts",
            f"""SELECT {both} AS group_key, s.minor AS total, l.nano_per_minor AS unit
            FROM owner_shares AS s CROSS JOIN ledger AS l""",
        )
        self._engine.run("CREATE OR REPLACE TABLE claim_contenders AS SELECT * FROM contenders")
        self._engine.run("CREATE OR REPLACE VIEW contenders AS SELECT * FROM claim_contenders")
        hand_out(self._engine, "claims_handed_out", view=True)
        self._engine.run(
            f"""INSERT INTO claims ({_CLAIM_COLUMNS})
            SELECT o.pool_id, o.owner, o.layer, o.role, o.weight, r.minor
            FROM owner_parts AS o JOIN claims_handed_out AS r
              ON r.group_key = CONCAT(o.pool_id, CHR(31), o.owner) AND r.part_key = CONCAT(o.layer, CHR(31), o.role)"""
        )

    def _cells(self, pools: Sequence[Pool]) -> None:
        self._weighted_groups()
        columns = {"dimensions": self._shape.columns, "values": list(self._shape.dimensions)}
        self._engine.sql_step(
            "sql/allocated.sql", beside=__package__, columns=columns, into="allocated_cells", view=True
        )
        read = self._write("allocated_cells", f"{len(self._files)}-cells")
        self._engine.run(f"CREATE OR REPLACE VIEW allocated_wave AS {read}")
        self._keep(read)
        self._engine.sql_step("sql/left_over.sql", beside=__package__, columns=columns, into="left_over")
        if self._engine.value("SELECT COUNT(*) FROM left_over"):
            self._keep(self._write("left_over", f"{len(self._files)}-rounding"))
        if not pools:
            raise InvariantError("L1", "pools of a wave", "at least one", 0)

    def _weighted_groups(self) -> None:
        """Leave `weighted_groups`: every weight with the money of its window, and the values that the charges name."""
        own = []
        for dim in self._shape.dimensions:
            value = f"g.{quoted(dim)}"
            if dim in self._shape.follows_owner:
                value = f"CASE WHEN p.method IN ('direct', 'none') THEN {value} END"
            own.append(f"{value} AS {quoted(dim)}, g.{quoted(dim + '_via')}")
        self._engine.run(
            f"""CREATE OR REPLACE TABLE window_groups AS
            SELECT m.match_no, g.pool_id, g.window_no, t.total, g.nano, g.category, {", ".join(own)}
            FROM pool_groups AS g
            JOIN window_totals AS t ON t.pool_id = g.pool_id AND t.window_no = g.window_no
            JOIN wave_pools AS p ON p.pool_id = g.pool_id
            LEFT JOIN (SELECT DISTINCT match_no, pool_id, window_no FROM usage_matches) AS m
              ON m.pool_id = g.pool_id AND m.window_no = g.window_no
            WHERE t.total > 0"""
        )
        counts = ", ".join(f"COUNT({quoted(dim)})" for dim in self._shape.dimensions)
        named = dict(
            zip(self._shape.dimensions, self._engine.fetch(f"SELECT {counts} FROM window_groups")[0], strict=True)
        )
        parts = []
        for dim in self._shape.dimensions:
            own_value, via, theirs = f"g.{quoted(dim)}", quoted(f"{dim}_via"), f"w.{quoted(dim)}"
            # What a shared claim brings with it is shared too, however plainly the owner's own data says it (D7).
            shared = (
                f"CASE WHEN w.layer = 'shared' AND w.{via} <> 0 THEN CAST({SHARED_VIA} AS TINYINT) ELSE w.{via} END"
            )
            if named[dim]:
                wins = f"{own_value} IS NOT NULL"
                parts.append(f"CASE WHEN {wins} THEN {own_value} ELSE {theirs} END AS {quoted(dim)}")
                parts.append(f"CASE WHEN {wins} THEN g.{via} ELSE {shared} END AS {via}")
            else:
                parts += [f"{theirs} AS {quoted(dim)}", f"{shared} AS {via}"]
        columns = (
            f"g.pool_id, w.day, w.owner, w.layer, w.role, w.weight, g.total, g.nano, g.category, {', '.join(parts)}"
        )
        self._engine.run(
            f"""CREATE OR REPLACE VIEW weighted_groups AS
            SELECT {columns} FROM weighed_calls AS w JOIN window_groups AS g ON g.match_no = w.match_no
            UNION ALL
            SELECT {columns} FROM weighed_others AS w
            JOIN window_groups AS g ON g.pool_id = w.pool_id AND g.window_no = w.window_no"""
        )

    def _check(self, pools: Sequence[Pool]) -> None:
        """Claims and cells of the wave add up to its pools (L1, L5)."""
        expected = {pool.pool_id: pool.amount_minor for pool in pools}
        listed = ", ".join(literal(key) for key in expected)
        found = dict(
            self._engine.fetch(
                "SELECT pool_id, CAST(SUM(amount_minor) AS BIGINT) FROM claims"
                f" WHERE pool_id IN ({listed}) GROUP BY pool_id"
            )
        )
        for key, amount in expected.items():
            if found.get(key) != amount:
                raise InvariantError("L1", f"claims of pool {key}", amount, found.get(key))
        wrong = self._engine.fetch(
            f"""SELECT a.pool_id, a.owner, CAST(SUM(a.cost_nano) AS BIGINT), MAX(s.minor * l.nano_per_minor)
            FROM allocated_so_far AS a JOIN owner_shares AS s ON s.pool_id = a.pool_id AND s.owner = a.owner
            CROSS JOIN ledger AS l WHERE a.pool_id IN ({listed})
            GROUP BY a.pool_id, a.owner HAVING SUM(a.cost_nano) <> MAX(s.minor * l.nano_per_minor) LIMIT 1"""
        )
        if wrong:
            raise InvariantError("L5", f"cells of {wrong[0][1]} in pool {wrong[0][0]}", wrong[0][3], wrong[0][2])

    def _take_back(self, pools: Sequence[Pool]) -> None:
        """A pool that only moves money takes it from where another pool placed it."""
        if not pools:
            return
        rows = []
        for pool in pools:
            source = pool.source
            layer = UNALLOCATED if source == UNALLOCATED else "shared"
            self._engine.run(
                f"""INSERT INTO claims ({_CLAIM_COLUMNS}) VALUES ({literal(pool.pool_id)}, {literal(source)},
                {literal(layer)}, 'moved', 0, {-pool.amount_minor})"""
            )
            cells = ", ".join(self._moved_value(dim, source) for dim in self._shape.dimensions)
            rows.append(
                f"""SELECT period, period_start AS day, {literal(pool.pool_id)} AS pool_id, {literal(source)} AS owner,
                {literal(pool.category)} AS category, {cells}, {literal(layer)} AS layer, 'moved' AS role,
                CAST({-pool.amount_minor} * nano_per_minor AS BIGINT) AS cost_nano FROM ledger"""
            )
        self._keep(self._write(" UNION ALL ".join(rows), f"{len(self._files)}-moved"))

    def _moved_value(self, dim: str, source: str) -> str:
        """Money is taken from an owner, whatever else is known of it, so no other dimension changes."""
        is_owner = dim == self._shape.owner
        value = source if is_owner else self._shape.missing(dim)
        via = SHARED_VIA if is_owner and source != UNALLOCATED else 0
        return f"{literal(value)} AS {quoted(dim)}, CAST({via} AS TINYINT) AS {quoted(dim + '_via')}"

    def _keep(self, read: str) -> None:
        self._files.append(read)
        self._show_files()

    def _show_files(self) -> None:
        columns = names(
            [
                "period",
                "day",
                "pool_id",
                "owner",
                "category",
                *self._shape.columns,
                "layer",
                "role",
                "cost_nano",
            ]
        )
        typed = ", ".join(
            f"NULL::VARCHAR AS {quoted(d)}, NULL::TINYINT AS {quoted(d + '_via')}" for d in self._shape.dimensions
        )
        empty = (
            "SELECT NULL::VARCHAR AS period, NULL::DATE AS day, NULL::VARCHAR AS pool_id, NULL::VARCHAR AS owner,"
            f" NULL::VARCHAR AS category, {typed}, NULL::VARCHAR AS layer, NULL::VARCHAR AS role,"
            " NULL::BIGINT AS cost_nano WHERE FALSE"
        )
        query = " UNION ALL ".join(f"SELECT {columns} FROM ({read})" for read in self._files) or empty
        self._engine.run(f"CREATE OR REPLACE VIEW allocated_so_far AS {query}")

    def placed_in(self, rule: str) -> list[tuple[str, int]]:
        """What earlier pools fed into a rule's pools: (invoice, minor units), one per source invoice (D6)."""
        return [
            (str(key), int(minor))
            for key, minor in self._engine.fetch(
                f"""SELECT p.invoice_key, CAST(SUM(c.amount_minor) AS BIGINT) FROM claims AS c
                JOIN done_pools AS p ON p.pool_id = c.pool_id
                WHERE c.owner = {literal(FEED + rule)}
                GROUP BY p.invoice_key HAVING SUM(c.amount_minor) <> 0 ORDER BY 1"""
            )
        ]

    def unallocated(self) -> list[tuple[str, int]]:
        """What no owner has so far, per invoice, in minor units."""
        return [
            (str(key), int(minor))
            for key, minor in self._engine.fetch(
                f"""SELECT p.invoice_key, CAST(SUM(c.amount_minor) AS BIGINT) FROM claims AS c
                JOIN done_pools AS p ON p.pool_id = c.pool_id
                WHERE c.owner = '{UNALLOCATED}' GROUP BY p.invoice_key HAVING SUM(c.amount_minor) <> 0 ORDER BY 1"""
            )
        ]

    def keep_tax(self, pools: Sequence[Pool]) -> None:
        """Tax that stays in an account of finance is nobody's cost; its invoice names it."""
        for pool in pools:
            self._engine.run(f"INSERT INTO tax_account VALUES ({literal(pool.invoice_key)}, {pool.amount_minor})")

    def finish(self, pools: Sequence[Pool]) -> None:
        """Leave the tables `pools` and `invoices` as reports and the books read them."""
        register_pools(self._engine, "done_pools", pools)
        self._engine.sql_step("sql/pools_table.sql", beside=__package__, into="pools")
        self._engine.sql_step("sql/invoices_table.sql", beside=__package__, into="invoices")
