"""A tiny company, table by table: two invoices, five pools, and whatever a test adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from apportion.money import nano_per_minor
from apportion.period import Period
from apportion.report.context import Context

PERIOD = Period(2026, 11)
DIMENSIONS = ("team", "customer", "user", "feature", "model_tier", "environment", "model")
CENT = 10**7

_DIMS = ", ".join(f'"{d}" VARCHAR NOT NULL, "{d}_via" TINYINT NOT NULL' for d in DIMENSIONS)
_TOKENS = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "tool_prompt_tokens",
    "output_tokens",
)
_CONTEXT = ("operation", "service_tier", "processing", "region", "speed", "price_id")
_TABLES = f"""
CREATE TABLE pools (pool_id VARCHAR, period VARCHAR, rule VARCHAR, rule_version INTEGER, method VARCHAR,
  kind VARCHAR,
  status VARCHAR, category VARCHAR, invoice_key VARCHAR, item VARCHAR, provider VARCHAR,
  billing_account_id VARCHAR,
  model VARCHAR, currency VARCHAR, effective_nano BIGINT, amount_minor BIGINT, basis VARCHAR,
  weight_total BIGINT,
  fallback VARCHAR, note VARCHAR, windows INTEGER DEFAULT 1, usage VARCHAR DEFAULT 'priced');
CREATE TABLE claims (pool_id VARCHAR, owner VARCHAR, layer VARCHAR, role VARCHAR, weight BIGINT,
  evidence VARCHAR,
  amount_minor BIGINT);
CREATE TABLE allocated_charges (period VARCHAR, day DATE, pool_id VARCHAR, owner VARCHAR, category VARCHAR,
  {_DIMS},
  layer VARCHAR, role VARCHAR, cost_nano BIGINT);
CREATE TABLE usage_cells (day DATE, provider VARCHAR, billing_account_id VARCHAR, {_DIMS}, calls BIGINT,
  {", ".join(f"{t} BIGINT" for t in _TOKENS)}, list_cost_picos DECIMAL(38,0), price_state VARCHAR,
  training BOOLEAN DEFAULT FALSE, source VARCHAR DEFAULT 'calls', model_key VARCHAR,
  {", ".join(f"{name} VARCHAR" for name in _CONTEXT)}, context_bracket TINYINT);
CREATE TABLE dimension_ways (dimension VARCHAR, via TINYINT, layer VARCHAR, evidence VARCHAR);
CREATE TABLE invoices (invoice_key VARCHAR, period VARCHAR, issuer VARCHAR, invoice_id VARCHAR,
  billing_account_id VARCHAR, currency VARCHAR, rate DECIMAL(18,9), billed_minor BIGINT,
  ledger_minor BIGINT,
  ai_minor BIGINT, out_of_scope_minor BIGINT, prepaid_minor BIGINT, tax_account_minor BIGINT,
  printed_minor BIGINT,
  rounding_minor BIGINT, status VARCHAR);
CREATE TABLE meter_rows (meter VARCHAR, item VARCHAR, day DATE, quantity_micro BIGINT,
  capacity_micro BIGINT,
  reservation_micro BIGINT, unit VARCHAR, source_file VARCHAR, source_row BIGINT, tags MAP(VARCHAR,
  VARCHAR));
CREATE TABLE seat_rows (tool VARCHAR, seat_id VARCHAR, assigned_to VARCHAR, team VARCHAR,
  price DECIMAL(38,18),
  valid_from DATE, valid_to DATE, last_active_at TIMESTAMP);
CREATE TABLE quarantine (table_name VARCHAR, source VARCHAR, source_file VARCHAR, source_row BIGINT,
  reason VARCHAR,
  detail VARCHAR, amount VARCHAR, currency VARCHAR, excerpt VARCHAR);
CREATE TABLE allocation_steps (pool_id VARCHAR, source_file VARCHAR, source_row BIGINT);
INSERT INTO dimension_ways SELECT d, w.via, w.layer, w.layer FROM (SELECT UNNEST({list(DIMENSIONS)}) AS d)
  CROSS JOIN (VALUES (1, 'direct'), (2, 'rule'), (3, 'default')) AS w(via, layer);
UPDATE dimension_ways SET evidence = 'tag team' WHERE dimension = 'team' AND via = 1;
UPDATE dimension_ways SET evidence = 'keys: team by api_key_id' WHERE dimension = 'team' AND via = 2;
"""


def context(**settings: object) -> Context:
    """The company's settings, some of them changed."""
    usual: dict[str, object] = {"currency": "USD", "owner": "team", "dimensions": DIMENSIONS}
    usual |= {"company": "Larkspur", "salt": "s", "run": "run-1"}
    return Context(**{**usual, **settings})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Claim:
    """One claim, and the cells inside it as {(customer, way, user): nano}; nobody's where none are given."""

    owner: str
    minor: int
    layer: str = "direct"
    weight: int = 1
    role: str = "use"
    evidence: str | None = None
    cells: Mapping[tuple[str, int, str], int] = field(default_factory=dict)


_VIAS = {"direct": 1, "rule": 2, "default": 3, "shared": -1, "unallocated": 0}


class Company:
    """Tables of the contract in memory, and the few ways to fill them."""

    def __init__(self, currency: str = "USD") -> None:
        self.con = duckdb.connect()
        self.con.execute(_TABLES)
        self.unit = nano_per_minor(currency)

    def insert(self, table: str, **values: object) -> None:
        columns = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" for _ in values)
        self.con.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values.values()))

    def pool(self, pool_id: str, claims: Iterable[Claim], period: Period = PERIOD, **facts: Any) -> None:
        """A pool with its claims and cells; its amount is the sum of the claims."""
        claims = list(claims)
        usual: dict[str, object] = {"rule": pool_id, "rule_version": 1, "method": "direct", "kind": "usage"}
        usual |= {"status": "final", "category": "inference", "currency": "USD", "basis": "list cost"}
        usual |= {"weight_total": sum(claim.weight for claim in claims)}
        given = {**usual, **facts}
        amount = sum(claim.minor for claim in claims)
        self.insert("pools", pool_id=pool_id, period=str(period), amount_minor=amount, **given)
        for claim in claims:
            self.insert(
                "claims",
                pool_id=pool_id,
                owner=claim.owner,
                layer=claim.layer,
                role=claim.role,
                weight=claim.weight,
                evidence=claim.evidence,
                amount_minor=claim.minor,
            )
            cells = dict(claim.cells) or {("unallocated", 0, "unallocated"): claim.minor * self.unit}
            for (customer, via, user), nano in cells.items():
                dims = {f"{d}": "unallocated" for d in DIMENSIONS} | {f"{d}_via": 0 for d in DIMENSIONS}
                dims |= {"team": claim.owner, "team_via": _VIAS[claim.layer]}
                dims |= {"customer": customer, "customer_via": via}
                dims |= {"user": user, "user_via": 0 if user == "unallocated" else 1}
                self.insert(
                    "allocated_charges",
                    period=str(period),
                    day=period.start,
                    pool_id=pool_id,
                    owner=claim.owner,
                    category=given["category"],
                    **dims,
                    layer=claim.layer,
                    role=claim.role,
                    cost_nano=nano,
                )

    def usage(self, team: str, **facts: object) -> None:
        """Calls of a team on the first day of the period, priced unless said otherwise."""
        dims: dict[str, object] = dict.fromkeys(DIMENSIONS, "unallocated") | {f"{d}_via": 0 for d in DIMENSIONS}
        dims |= {"team": team, "team_via": 1, "day": PERIOD.start, "price_state": "priced", "calls": 1}
        self.insert("usage_cells", **{**dims, **facts})

    def invoice(self, key: str, *, period: Period = PERIOD, **facts: object) -> None:
        """An invoice in the ledger currency whose accounts are 0 unless given."""
        usual: dict[str, object] = dict.fromkeys(
            ("out_of_scope_minor", "prepaid_minor", "tax_account_minor", "rounding_minor"), 0
        )
        issuer, number = key.split("|")
        usual |= {
            "issuer": issuer,
            "invoice_id": number,
            "currency": "USD",
            "rate": Decimal(1),
            "status": "final",
        }
        usual |= {"billed_minor": facts["ledger_minor"]}
        self.insert("invoices", invoice_key=key, period=str(period), **{**usual, **facts})

    def meter(self, meter: str, item: str, quantity: str, unit: str, **facts: object) -> None:
        """A row of a meter on the first day of the period; quantities as people write them."""
        micro = int(Decimal(quantity).scaleb(6))
        usual: dict[str, object] = {"day": PERIOD.start, "source_file": "m.csv", "source_row": 2, "tags": {}}
        self.insert("meter_rows", meter=meter, item=item, quantity_micro=micro, unit=unit, **{**usual, **facts})


OPENAI, AWS = "OpenAI|INV-1", "AWS|8842"


def larkspur() -> Company:
    """Two invoices and five pools of November, one pool of October."""
    made = Company()
    made.invoice(OPENAI, ledger_minor=58_000, ai_minor=58_000, printed_minor=58_000)
    made.invoice(AWS, ledger_minor=200_000, ai_minor=50_000, out_of_scope_minor=140_000, prepaid_minor=10_000)
    openai: dict[str, Any] = {"invoice_key": OPENAI, "provider": "openai", "billing_account_id": "acct"}
    acme = {
        ("acme", 1, "ann"): 30_000 * CENT,
        ("birch", 1, "bob"): 9_999 * CENT + 4,
        ("birch", 2, "ann"): CENT - 4,
    }
    made.pool(
        "inference",
        [
            Claim("support", 40_000, evidence="tag team", weight=400 * 10**12, cells=acme),
            Claim("search", 15_000, "rule", evidence="key k-7f", weight=150 * 10**12),
            Claim("unallocated", 5_000, "unallocated", weight=50 * 10**12),
        ],
        model="gpt-x",
        item="openai/acct/gpt-x",
        **openai,
    )
    credit = [Claim("support", -3_000, weight=3), Claim("search", -1_000, weight=1)]
    made.pool("credit", credit, kind="credit", basis="net", **openai)
    tax = [Claim("support", 1_334, weight=2), Claim("search", 666)]
    made.pool("tax", tax, kind="tax", basis="net", **openai)
    aws: dict[str, Any] = {
        "invoice_key": AWS,
        "provider": "aws",
        "billing_account_id": "a1",
        "category": "overhead",
    }
    third = {("acme", 1, "unallocated"): 13_333 * CENT + 3_333_333}
    third |= {("cedar", -1, "unallocated"): 13_333 * CENT + 6_666_667}
    made.pool(
        "gpu",
        [
            Claim("support", 26_667, "shared", 1_612_400_000, cells=third),
            Claim("search", 13_333, "shared", 806_200_000),
        ],
        method="proportional",
        basis="gpu_hours",
        item="h100-a",
        **aws,
    )
    made.pool(
        "fee",
        [
            Claim("support", 3_334, "shared", 300),
            Claim("search", 3_333, "shared", 300),
            Claim("platform", 3_333, "shared", 300),
            Claim("drift", 0, "shared", 0),
        ],
        method="headcount",
        basis="person-days",
        note="headcount, day-weighted",
        **aws,
    )
    made.pool("october", [Claim("support", 50_000), Claim("growth", 1_000)], PERIOD.previous)
    usage = {"provider": "openai", "billing_account_id": "acct", "model": "gpt-x", "model_via": 1}
    made.usage(
        "support",
        calls=800,
        uncached_input_tokens=3_000_000,
        cache_read_tokens=1_000_000,
        output_tokens=500_000,
        list_cost_picos=Decimal(400 * 10**12),
        customer="acme",
        customer_via=1,
        **usage,
    )
    made.usage(
        "search",
        calls=200,
        output_tokens=100_000,
        list_cost_picos=Decimal(190 * 10**12),
        **{**usage, "team_via": 2},
    )
    for row in (2, 3, 4, 9):
        made.insert("allocation_steps", pool_id="gpu", source_file="bills/aws.csv", source_row=row)
    return made


def seat(made: Company, seat_id: str, who: str | None, since: date, until: date, **facts: object) -> None:
    """One span of one seat of the tool `assistant` at 39.00."""
    usual: dict[str, object] = {"tool": "assistant", "price": Decimal(39)}
    made.insert("seat_rows", seat_id=seat_id, assigned_to=who, valid_from=since, valid_to=until, **{**usual, **facts})
