"""Usage cells: calls folded by everything that can decide a price or an owner, then given their dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from apportion.attribute.categories import usage_category_sql
from apportion.attribute.dimensions import Resolver
from apportion.attribute.models import write_model_values
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.quoting import name as quoted

BUCKETS = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "tool_prompt_tokens",
    "output_tokens",
)
_KEPT = (
    "source", "period", "billing_account_id", "model_key", "training", "operation", "service_tier", "processing",
    "region", "speed", "context_bracket", "calls", "tokens", *BUCKETS, "reasoning_tokens", "list_cost_picos",
    "price_state", "price_id", "price_reason",
)  # fmt: skip


def evidence_columns(tag_keys: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns of a cell that hold evidence as it was received."""
    return [*(f"tag_{key}" for key in tag_keys), *(f"raw_{column}" for column in columns)]


def fold(
    engine: DuckDBEngine, query: str, tag_columns: Mapping[str, str], columns: Sequence[str]
) -> list[tuple[str, int]]:
    """Fold one slice of calls into the table `folded`.

    Args:
        engine: Where.
        query: Yields the canonical usage columns of the slice.
        tag_columns: The query's column of each tag key.
        columns: The query's further evidence columns.

    Returns:
        Faults with the number of rows they keep out; the rows themselves are left to the caller.
    """
    parts = [f"{quoted(column)} AS {quoted(f'tag_{key}')}" for key, column in tag_columns.items()]
    parts += [f"CAST({quoted(column)} AS VARCHAR) AS {quoted(f'raw_{column}')}" for column in columns]
    extra = ", " + ", ".join(parts) if parts else ""
    engine.run(
        f"""CREATE OR REPLACE VIEW usage_slice AS
        SELECT source, day, provider, billing_account_id, model, operation, service_tier, processing, region, speed,
          context_bracket, fault, calls, {", ".join(BUCKETS)}, reasoning_tokens{extra}
        FROM ({query})"""
    )
    evidence = evidence_columns(list(tag_columns), columns)
    engine.sql_step("fold.sql", beside=__package__, columns={"evidence": evidence}, into="folded")
    faults = engine.fetch(
        "SELECT fault, CAST(SUM(source_rows) AS BIGINT) FROM folded"
        " WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault"
    )
    if faults:
        engine.run("DELETE FROM folded WHERE fault IS NOT NULL")
    return [(str(fault), int(rows)) for fault, rows in faults]


def cells_query(engine: DuckDBEngine, resolver: Resolver, evidence: Sequence[str], priced: str) -> str:
    """The query that gives priced cells their keys and every dimension.

    Args:
        engine: Holds the priced cells, dimension_maps and directory_values.
        resolver: Of the project.
        evidence: The evidence columns of the cells.
        priced: A query of cells with their list cost.
    """
    write_model_values(engine.connection, "folded")
    category = usage_category_sql(exp.column("operation", table="c")).sql(dialect="duckdb")
    tokens = " + ".join(f"c.{bucket}" for bucket in BUCKETS)
    engine.run(
        f"""CREATE OR REPLACE VIEW cells_to_resolve AS
        SELECT c.*, strftime(c.day, '%Y-%m') AS period, COALESCE(k.canonical_model, '') AS model_key,
          {category} = 'training' AS training, {tokens} AS tokens
        FROM ({priced}) AS c
        LEFT JOIN model_values AS k ON k.model = c.model AND c.day >= k.valid_from AND c.day < k.valid_to"""
    )
    keep = ["day", *_KEPT, *evidence]
    query = resolver.query("cells_to_resolve", keep=keep, evidence=evidence)
    return f"SELECT * FROM ({query})"


def empty_cells(resolver: Resolver, evidence: Sequence[str]) -> dict[str, str]:
    """The columns of usage_cells with their types, for a period without any usage."""
    texts = (
        "source",
        "period",
        "billing_account_id",
        "model_key",
        "operation",
        "service_tier",
        "processing",
        "region",
        "speed",
    )
    columns = dict.fromkeys(("day",), "DATE") | dict.fromkeys(texts, "VARCHAR")
    columns |= {"training": "BOOLEAN", "context_bracket": "TINYINT"}
    columns |= dict.fromkeys(("calls", "tokens", *BUCKETS, "reasoning_tokens"), "BIGINT")
    columns |= {"list_cost_picos": "DECIMAL(38, 0)"}
    columns |= dict.fromkeys(("price_state", "price_id", "price_reason", *evidence), "VARCHAR")
    for dim in resolver.dimensions:
        columns |= {dim: "VARCHAR", f"{dim}_via": "TINYINT"}
    return columns
