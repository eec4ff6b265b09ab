"""Pools: billed money that one rule governs, as records while a run decides what happens to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from apportion.warehouse.engine import Engine

WHOLE = "whole"
USE = "use"
IDLE = "idle"
OWN_IDLE = "own_idle"
UNALLOCATED = "unallocated"
FEED = "pool:"
EVERY_WINDOW = 0
SHARED_VIA = -1
_SHARE_UNITS = 1_000_000_000


@dataclass(frozen=True)
class Pool:
    """One pool of one period.

    Attributes:
        pool_id: Readable and stable: rule, period and a hash of what makes it this pool.
        rule: The rule that owns it; `credits`, `tax`, `estimate` and `spread-unallocated` are policies.
        kind: usage, credit, tax, variance, shortfall or correction.
        status: final, or estimate where no bill has arrived yet.
        amount_minor: In the ledger currency; 0 for a pool that only moves what another one placed.
        pool_owner: The owner that its charges name themselves; empty if usage or a rule must say.
        moved: It only moves what another pool placed, so it adds nothing to the period.
        source: Where a moving pool takes its money from: the owner that another pool placed it with.
        basis: What its weights are, in words.
        windows: From how many spans of days its weights come, one for each charge period among its charges.
        usage: Whether calls of its provider, account and model were found: none, priced,
            unpriced (D8), or other: the rule weighs them by something else than their list price.
    """

    pool_id: str
    rule: str
    version: int
    rule_key: str
    method: str
    kind: str
    status: str
    category: str
    invoice_key: str
    invoice_period: str
    item: str
    provider: str
    billing_account_id: str
    model_key: str
    currency: str
    effective_nano: int
    amount_minor: int
    charges: int = 0
    pool_owner: str = ""
    pool_layer: str = ""
    training: bool = False
    gpu: bool = False
    amortized: bool = False
    usage_basis: str = ""
    basis: str = ""
    moved: bool = False
    source: str = ""
    weight_total: int | None = None
    windows: int = 1
    usage: str = "none"
    fallback: str | None = None
    note: str | None = None

    @property
    def estimate(self) -> bool:
        """Whether its amount is list cost because no bill has arrived."""
        return self.status == "estimate"

    @property
    def direct(self) -> bool:
        """Whether calls of its own provider, account and model weigh it."""
        return self.usage_basis == "list cost"

    def noted(self, text: str) -> Pool:
        """The same pool with one more remark, unless it has it already."""
        if f"; {text};" in f"; {self.note};":
            return self
        return replace(self, note=f"{self.note}; {text}" if self.note else text)


@dataclass
class Recipients:
    """Claims that name an owner and nothing finer: shares, people, fallbacks, what stays unallocated."""

    rows: list[tuple[str, int, str, str, str, int]] = field(default_factory=list)

    def add(self, pool_id: str, window_no: int, owner: str, layer: str, role: str, weight: int) -> None:
        """One claim; its weight in the pool's own unit."""
        self.rows.append((pool_id, window_no, owner, layer, role, weight))

    def register(self, engine: Engine, name: str) -> None:
        """As a table of that name."""
        columns: list[list[Any]] = [list(column) for column in zip(*self.rows, strict=True)] or [[] for _ in range(6)]
        kinds = [pa.string(), pa.int32(), pa.string(), pa.string(), pa.string(), pa.int64()]
        names = ["pool_id", "window_no", "owner", "layer", "role", "weight"]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        engine.register(name, pa.table(dict(zip(names, arrays, strict=True))))


def share_units(share: Decimal) -> int:
    """A written share as an integer weight, exact to nine digits."""
    return int(share * _SHARE_UNITS)


def pool_id(rule: str, period: str, *parts: str) -> str:
    """A name that a person can say and that is the same on every run."""
    digest = hashlib.md5("|".join([rule, *parts]).encode(), usedforsecurity=False).hexdigest()
    return f"{rule}-{period}-{digest[:10]}"


_KINDS = {
    "str": pa.string(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "int | None": pa.int64(),
    "str | None": pa.string(),
}


def register_pools(engine: Engine, name: str, pools: Iterable[Pool]) -> None:
    """Pools as a table that steps can read, with the two answers that a step asks of a pool."""
    rows = list(pools)
    columns = {f.name: pa.array([getattr(p, f.name) for p in rows], _KINDS[str(f.type)]) for f in fields(Pool)}
    columns["direct"] = pa.array([p.direct for p in rows], pa.bool_())
    columns["estimate"] = pa.array([p.estimate for p in rows], pa.bool_())
    columns["by_usage"] = pa.array([bool(p.usage_basis) for p in rows], pa.bool_())
    engine.register(name, pa.table(columns))
