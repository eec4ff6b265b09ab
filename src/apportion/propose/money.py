"""The money of calls that nobody owns: each pool's unallocated cents over the calls that weigh it."""

from __future__ import annotations

from collections import defaultdict

from duckdb import DuckDBPyConnection

from apportion.money import split
from apportion.period import Period
from apportion.report.context import UNALLOCATED
from apportion.report.weights import LIST_COSTS

_OF_CALLS = frozenset({*LIST_COSTS, "tokens", "requests"})
_POOLS = """
    SELECT p.basis, p.category, p.provider, p.billing_account_id, p.model, SUM(c.amount_minor)::BIGINT
    FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id AND p.period = $period
    WHERE c.owner = $owner AND NOT p.moved GROUP BY ALL HAVING SUM(c.amount_minor) <> 0 ORDER BY ALL"""
_WEIGHTS = """
    SELECT rule_no, SUM(picos)::HUGEINT, SUM(tokens)::HUGEINT, SUM(calls)::HUGEINT FROM asked_calls
    WHERE unowned AND training = $training AND ($provider = '' OR provider = $provider)
      AND ($account = '' OR account IN ('', $account)) AND ($model = '' OR model_key = $model)
    GROUP BY rule_no ORDER BY rule_no"""


class Unowned:
    """What nobody owns in a period, by the proposal that would move it.

    Args:
        con: Has pools, claims and `asked_calls`, whose `rule_no` says which proposal has a call; 0 for none.
        period: Which.
    """

    def __init__(self, con: DuckDBPyConnection, period: Period) -> None:
        self.of: dict[int, int] = defaultdict(int)
        self.total = 0
        asked = {"period": str(period), "owner": UNALLOCATED}
        for basis, category, provider, account, model, minor in con.execute(_POOLS, asked).fetchall():
            self.total += minor
            if basis not in _OF_CALLS:
                continue
            pool = {
                "training": category == "training",
                "provider": provider or "",
                "account": account or "",
                "model": model or "",
            }
            rows = con.execute(_WEIGHTS, pool).fetchall()
            at = {"tokens": 2, "requests": 3}.get(basis, 1)
            weights = [int(row[at]) for row in rows]
            if sum(weights) > 0:
                for row, part in zip(rows, split(minor, weights), strict=True):
                    self.of[row[0]] += part
