"""Pools of billed money, and of estimates where no bill has arrived: made from charges, before any claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa

from apportion.allocate.cents import contend, hand_out
from apportion.allocate.ledger import usage_basis
from apportion.allocate.matching import match_usage
from apportion.allocate.pools import EVERY_WINDOW, UNALLOCATED, WHOLE, Pool, Recipients, pool_id, share_units
from apportion.allocate.rules import CREDITS, NO_RULE, PROVIDER_SPLIT, TAX
from apportion.allocate.weights import Shape
from apportion.config.rules import DirectRule, Rule, as_fractions
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.money import half_up_div, nano_per_minor, show, to_minor
from apportion.period import Period
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal, names

ESTIMATE = "estimate@1"
_POLICIES = {CREDITS: "direct", TAX: "direct", NO_RULE: "none", PROVIDER_SPLIT: "direct", ESTIMATE: "direct"}
PICOS_PER_NANO = 1000


class BilledPools:
    """The first pools of a period.

    Args:
        engine: Holds ruled_charges and the other inputs of `allocate`.
        settings: The project's.
        shape: Of a cell.
        period: Which.
        rules: By `rule_key`.
    """

    def __init__(
        self, engine: Engine, settings: Settings, shape: Shape, period: Period, rules: Mapping[str, Rule]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._shape = shape
        self._period = period
        self._rules = rules
        self._unit = nano_per_minor(settings.currency)
        self.recipients = Recipients()

    def build(self, problems: list[Problem]) -> list[Pool]:
        """Every pool of the period with its cents; pool_groups, pool_windows and invoice_sums are left behind."""
        columns = {"dimensions": self._shape.columns}
        for step in ("pool_charges", "pool_sums", "pool_groups"):
            self._engine.sql_step(f"sql/{step}.sql", beside=__package__, columns=columns, into=step)
        self._engine.sql_step("sql/invoices.sql", beside=__package__, into="invoice_sums")
        self._amortise()
        amounts = self._invoice_cents()
        pools = [self._pool(row, amounts[row["pool_id"]]) for row in self._sums() if row["pool_id"] in amounts]
        pools += self._estimates(problems)
        pools = self._cut(pools)
        self._engine.sql_step("sql/pool_windows.sql", beside=__package__, into="pool_windows")
        return pools

    def _sums(self) -> list[dict[str, Any]]:
        return self._engine.records("SELECT * FROM pool_sums ORDER BY pool_id")

    def _pool(self, row: Mapping[str, Any], amount_minor: int) -> Pool:
        key = row["rule"]
        rule = self._rules.get(key)
        name, version = key.rsplit("@", 1)
        plain = key not in {NO_RULE, PROVIDER_SPLIT, CREDITS, TAX}
        return Pool(
            pool_id=row["pool_id"],
            rule=name,
            version=int(version),
            rule_key=key,
            method=rule.method if rule else _POLICIES[key],
            kind=row["kind"],
            status="final",
            category=row["category"],
            invoice_key=row["invoice_key"],
            invoice_period=row["invoice_period"],
            item=row["item"],
            provider=row["provider"],
            billing_account_id=row["billing_account_id"],
            model_key=row["model_key"],
            currency=row["currency"],
            effective_nano=row["effective_nano"],
            amount_minor=amount_minor,
            charges=row["charges"],
            pool_owner=row["pool_owner"],
            pool_layer=row["pool_layer"],
            training=row["training"],
            gpu=row["gpu"],
            amortized=row["amortized"],
            usage_basis=usage_basis(rule, self._settings) if plain else "",
        )

    def _amortise(self) -> None:
        """Keep of each amortised pool this period's part: cumulative cents to its end less those before (D2)."""
        rows = self._engine.fetch(
            """SELECT s.pool_id, s.term_from, s.term_to, CAST(SUM(g.nano) AS BIGINT)
            FROM pool_sums AS s JOIN pool_groups AS g ON g.pool_id = s.pool_id
            WHERE s.amortized GROUP BY ALL ORDER BY 1"""
        )
        self._engine.run(
            "CREATE OR REPLACE TABLE pool_groups_full AS SELECT g.pool_id, g.nano FROM pool_groups AS g"
            " JOIN pool_sums AS s ON s.pool_id = g.pool_id WHERE s.amortized"
        )
        if not rows:
            return
        scaled = [
            (pool, pool, self._month_minor(total, start, end) * self._unit, total)
            for pool, start, end, total in rows
            if total
        ]
        self._rescale(scaled)

    def _month_minor(self, total_nano: int, start: date, end: date) -> int:
        days = (end - start).days

        def cents_until(day: date) -> int:
            elapsed = min(max((day - start).days, 0), days)
            return half_up_div(total_nano * elapsed, days * self._unit)

        return cents_until(self._period.end) - cents_until(self._period.start)

    def _rescale(self, scales: Sequence[tuple[str, str, int, int]]) -> None:
        columns = [list(column) for column in zip(*scales, strict=True)] or [[], [], [], []]
        kinds = (pa.string(), pa.string(), pa.int64(), pa.int64())
        labels = ("pool_id", "as_pool_id", "numerator", "denominator")
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        self._engine.register("pool_scales", pa.table(dict(zip(labels, arrays, strict=True))))
        columns_of = {"dimensions": self._shape.columns}
        self._engine.sql_step("sql/rescale.sql", beside=__package__, columns=columns_of, into="pool_groups_scaled")
        self._engine.run("CREATE OR REPLACE TABLE pool_groups AS SELECT * FROM pool_groups_scaled")

    def _invoice_cents(self) -> dict[str, int]:
        """Every pool's cents: an invoice's converted total over its parts (D5, D10)."""
        self._engine.sql_step("sql/invoice_parts.sql", beside=__package__, into="invoice_parts")
        contend(
            self._engine,
            # What amortisation keeps for later periods lies in the prepaid account until then.
            f"""SELECT p.group_key, p.part_key,
              CAST(p.fine + CASE WHEN p.part_key = 'prepaid' THEN COALESCE(k.kept, 0) ELSE 0 END AS BIGINT) AS fine
            FROM invoice_parts AS p LEFT JOIN ({self._kept_for_later()}) AS k ON k.invoice_key = p.group_key""",
            f"""SELECT invoice_key AS group_key, ledger_minor AS total, CAST({self._unit} AS BIGINT) AS unit
            FROM invoice_sums WHERE ledger_minor IS NOT NULL""",
        )
        hand_out(self._engine, "invoice_cents")
        cents = {
            key.removeprefix("pool:"): minor
            for key, minor in self._engine.fetch(
                "SELECT part_key, minor FROM invoice_cents WHERE part_key LIKE 'pool:%'"
            )
        }
        # Amortised charges of earlier invoices hold whole cents already; their invoice is not of this period.
        for pool, nano in self._engine.fetch(
            """SELECT s.pool_id, CAST(SUM(g.nano) AS BIGINT) FROM pool_sums AS s
            JOIN pool_groups AS g ON g.pool_id = s.pool_id CROSS JOIN ledger AS l
            WHERE s.invoice_period <> l.period GROUP BY ALL"""
        ):
            cents[pool] = half_up_div(nano, self._unit)
        return cents

    def _kept_for_later(self) -> str:
        return """SELECT s.invoice_key, SUM(c.full_nano - g.nano) AS kept
            FROM pool_sums AS s
            JOIN (SELECT pool_id, SUM(nano) AS nano FROM pool_groups GROUP BY pool_id) AS g ON g.pool_id = s.pool_id
            JOIN (SELECT pool_id, SUM(nano) AS full_nano FROM pool_groups_full GROUP BY pool_id) AS c
              ON c.pool_id = s.pool_id
            CROSS JOIN ledger AS l
            WHERE s.amortized AND s.invoice_period = l.period GROUP BY s.invoice_key"""

    def _estimates(self, problems: list[Problem]) -> list[Pool]:
        """Usage of a provider and account that no bill of the period names, at list cost (D4)."""
        rows = self._engine.records(
            """SELECT u.provider, u.account_key, u.model_key, u.training,
              CAST(COALESCE(SUM(u.picos), 0) AS DECIMAL(38, 0)) AS picos,
              CAST(SUM(u.unpriced_calls) AS BIGINT) AS unpriced_calls,
              CAST(SUM(u.unpriced_tokens) AS BIGINT) AS unpriced_tokens
            FROM usage_days AS u CROSS JOIN ledger AS l
            WHERE u.day >= l.period_start AND u.day < l.period_end
              AND NOT EXISTS (
                SELECT 1 FROM charges_all AS c
                WHERE c.period = l.period AND COALESCE(c.charge_category, '') NOT IN ('Credit', 'Tax')
                  AND c.provider_key = u.provider
                  AND (c.account_key = u.account_key OR c.account_key = '' OR u.account_key = ''))
            GROUP BY ALL ORDER BY ALL"""
        )
        pools, parts = [], []
        for row in rows:
            if row["unpriced_calls"]:
                problems.append(_unpriced(row, self._period))
            nano = half_up_div(int(row["picos"]) * self._list_rate()[0], PICOS_PER_NANO * self._list_rate()[1])
            if not nano:
                continue
            key = f"estimate|{row['provider']}|{row['account_key']}|{self._period}"
            item = "/".join([row["provider"], row["account_key"], row["model_key"]])
            category = "training" if row["training"] else "inference"
            account = f"{row['provider']}{row['account_key']}"
            # As in pool_charges.sql: lengths, where a name holds a separator.
            spans = [f"{len(row['provider'])},{len(account)}"] if {"|", "/"} & set(account) else []
            name = pool_id("estimate", str(self._period), key, item, category, *spans)
            parts.append((key, name, nano))
            pools.append(
                Pool(
                    pool_id=name, rule="estimate", version=1, rule_key=ESTIMATE, method="direct", kind="usage",
                    status="estimate", category=category, invoice_key=key, invoice_period=str(self._period), item=item,
                    provider=row["provider"], billing_account_id=row["account_key"], model_key=row["model_key"],
                    currency=self._settings.currency, effective_nano=nano, amount_minor=0,
                    training=row["training"], usage_basis="list cost",
                )
            )  # fmt: skip
        return self._estimated_cents(pools, parts)

    def _list_rate(self) -> tuple[int, int]:
        rows = self._engine.fetch("SELECT fine_num, fine_den FROM list_rate")
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 1)

    def _estimated_cents(self, pools: Sequence[Pool], parts: Sequence[tuple[str, str, int]]) -> list[Pool]:
        if not pools:
            return []
        totals: dict[str, int] = {}
        for key, _, nano in parts:
            totals[key] = totals.get(key, 0) + nano
        columns = [list(column) for column in zip(*parts, strict=True)]
        kinds = (pa.string(), pa.string(), pa.int64())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        self._engine.register("parts", pa.table(dict(zip(("group_key", "part_key", "fine"), arrays, strict=True))))
        self._engine.register(
            "totals",
            pa.table(
                {
                    "group_key": pa.array(list(totals), pa.string()),
                    "total": pa.array([half_up_div(nano, self._unit) for nano in totals.values()], pa.int64()),
                    "unit": pa.array([self._unit] * len(totals), pa.int64()),
                }
            ),
        )
        self._engine.sql_step("sql/apportion.sql", beside=__package__, into="contenders", view=True)
        hand_out(self._engine, "parts_rounded")
        cents = dict(self._engine.fetch("SELECT part_key, minor FROM parts_rounded"))
        for pool in pools:
            self.add_group(pool, pool.effective_nano)
        return [replace(pool, amount_minor=cents[pool.pool_id]) for pool in pools]

    def add_group(self, pool: Pool, nano: int) -> None:
        """The whole of a pool as one group over the period's days, its charges naming no dimension."""
        nothing = ", ".join(
            f"{literal(pool.provider)}, CAST(1 AS TINYINT)" if dim == "provider" and pool.provider
            else "NULL, CAST(0 AS TINYINT)"
            for dim in self._shape.dimensions
        )  # fmt: skip
        columns = names(["pool_id", "window_no", "window_from", "window_to", "category", *self._shape.columns, "nano"])
        self._engine.run(
            f"INSERT INTO pool_groups ({columns}) SELECT {literal(pool.pool_id)}, 1, period_start, period_end,"
            f" {literal(pool.category)}, {nothing}, CAST({nano} AS BIGINT) FROM ledger"
        )

    def _cut(self, pools: Sequence[Pool]) -> list[Pool]:
        """Take the variance or the shortfall of a direct pool apart (D9)."""
        wanted = {pool.pool_id: pool for pool in pools if self._cutter(pool)}
        if not wanted:
            return list(pools)
        metered = self._metered(list(wanted.values()))
        scales: list[tuple[str, str, int, int]] = []
        kept: list[Pool] = []
        for pool in pools:
            rule = self._cutter(pool) if pool.pool_id in wanted else None
            first, second = self._two(pool, rule, metered.get(pool.pool_id)) if rule else (pool, None)
            if second is not None:
                whole = pool.amount_minor * self._unit
                scales.append((pool.pool_id, second.pool_id, second.amount_minor * self._unit, whole))
                if first is not None:
                    scales.append((pool.pool_id, pool.pool_id, first.amount_minor * self._unit, whole))
                kept.append(second)
            if first is not None:
                kept.append(first)
        if scales:
            self._rescale([scale for scale in scales if scale[3]])
        return kept

    def _cutter(self, pool: Pool) -> DirectRule | None:
        rule = self._rules.get(pool.rule_key)
        if not isinstance(rule, DirectRule) or pool.pool_owner or pool.kind != "usage":
            return None
        return rule if rule.minimum or self._variance_owner(rule) else None

    def _variance_owner(self, rule: DirectRule) -> str | None:
        return (rule.variance or self._settings.policies.variance).to

    def _metered(self, pools: Sequence[Pool]) -> dict[str, tuple[int, bool]]:
        """List cost of each pool's calls in minor units of the ledger, and whether all of them have a price."""
        self._engine.sql_step("sql/pool_windows.sql", beside=__package__, into="pool_windows")
        match_usage(self._engine, pools)
        num, den = self._list_rate()
        return {
            pool: (half_up_div(int(picos) * num, PICOS_PER_NANO * den * self._unit), not unpriced)
            for pool, picos, unpriced in self._engine.fetch("SELECT pool_id, picos, unpriced_calls FROM pool_basis")
        }

    def _two(self, pool: Pool, rule: DirectRule, metered: tuple[int, bool] | None) -> tuple[Pool | None, Pool | None]:
        amount, priced = metered or (0, True)
        if rule.minimum:
            return self._shortfall(pool, rule, amount)
        owner = self._variance_owner(rule)
        if not priced:
            return pool.noted("not all calls have a price, so the invoice is scaled and no variance is kept"), None
        if owner is None or not metered or amount == pool.amount_minor or not pool.amount_minor:
            return pool, None
        rest = self._part(pool, "variance", pool.amount_minor - amount, "the invoice less what was metered")
        self.recipients.add(rest.pool_id, EVERY_WINDOW, owner, "shared", WHOLE, 1)
        return replace(pool, amount_minor=amount), rest

    def _shortfall(self, pool: Pool, rule: DirectRule, metered: int) -> tuple[Pool | None, Pool | None]:
        assert rule.minimum is not None  # noqa: S101 - `_two` asked
        if pool.amount_minor > to_minor(rule.minimum.amount, self._settings.currency):
            return pool, None
        used = min(metered, pool.amount_minor)
        if used == pool.amount_minor:
            return pool, None
        rest = self._part(pool, "shortfall", pool.amount_minor - used, "the minimum fee less what was used")
        shares = as_fractions(rule.minimum.shares)
        for owner, share in shares.items():
            self.recipients.add(rest.pool_id, EVERY_WINDOW, owner, "shared", WHOLE, share_units(share))
        if not shares:
            self.recipients.add(rest.pool_id, EVERY_WINDOW, UNALLOCATED, UNALLOCATED, WHOLE, 1)
        return (replace(pool, amount_minor=used) if used else None), rest

    def _part(self, pool: Pool, kind: str, amount_minor: int, note: str) -> Pool:
        currency = self._settings.currency
        text = f"{kind} of {show(amount_minor, currency)} {currency}: {note}"
        return replace(
            pool, pool_id=f"{pool.pool_id}-{kind}", kind=kind, amount_minor=amount_minor, usage_basis="",
            basis="written shares", note=text,
        )  # fmt: skip


def _unpriced(row: Mapping[str, Any], period: Period) -> Problem:
    calls = row["unpriced_calls"]
    model = f" {row['model_key']}" if row["model_key"] else ", model not named,"
    what = (
        f"{calls:,} {'call' if calls == 1 else 'calls'} ({row['unpriced_tokens']:,} tokens) of {row['provider']}{model}"
    )
    return Problem(
        "unpriced-estimate",
        f"{what} in {period} {'has' if calls == 1 else 'have'} no price and no bill, so the estimate leaves"
        f" {'it' if calls == 1 else 'them'} out.",
        amount="unknown: no price",
        cure="Add the price to the overrides file, or load the bill.",
        severity="warning",
    )
