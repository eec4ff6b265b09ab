"""Usage cells: calls folded by everything that can decide a price or an owner, then given their dimensions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlglot import exp

from apportion.attribute.categories import usage_category_sql
from apportion.attribute.dimensions import Resolver
from apportion.attribute.early import PREFIX, CellEvidence, early_sql
from apportion.attribute.models import add_model_values
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal
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
# How many of the calls and tokens are estimated, and how many calls tell no usage at all.
DOUBTS = ("estimated_calls", "estimated_tokens", "missing_calls")
_COUNTS = ("calls", *BUCKETS, "reasoning_tokens", *DOUBTS)
_GRAIN = (
    "source", "day", "provider", "billing_account_id", "model", "operation", "service_tier", "processing", "region",
    "speed", "context_bracket", "fault",
)  # fmt: skip
_KEPT = (
    "source", "period", "billing_account_id", "model_key", "training", "operation", "service_tier", "processing",
    "region", "speed", "context_bracket", "calls", "tokens", *BUCKETS, "reasoning_tokens", *DOUBTS,
    "list_cost_picos", "price_state", "price_id", "price_reason",
)  # fmt: skip


def fold(
    engine: Engine,
    source: str,
    query: str,
    tag_columns: Mapping[str, str],
    evidence: CellEvidence,
    missing: Collection[str] = (),
) -> list[tuple[str, int]]:
    """Fold one slice of calls into `folded`, a view over the table `folded_calls`.

    Args:
        engine: Where.
        source: The name of the usage source.
        query: Yields the canonical usage columns of the slice.
        tag_columns: The query's column of each tag key.
        evidence: What the cells keep; the query has every column that it reads.
        missing: Columns of the query that are NULL in every row, or counts that are 0.

    Returns:
        Faults with the number of rows they keep out; the rows themselves are left to the caller.
    """
    taken = {**{name: quoted(name) for name in _GRAIN}, "billing_account_id": "COALESCE(billing_account_id, '')"}
    taken |= {f"tag_{key}": quoted(column) for key, column in tag_columns.items()}
    taken |= {f"raw_{column}": f"CAST({quoted(column)} AS VARCHAR)" for column in evidence.columns}
    taken |= {name: early_sql(condition, tag_columns) for name, condition in evidence.early.items()}
    origin = {name: name for name in _GRAIN}
    origin |= {f"tag_{key}": column for key, column in tag_columns.items()}
    origin |= {f"raw_{column}": column for column in evidence.columns}
    keys = [name for name in taken if origin.get(name) not in missing and name != "source"]
    parts = ", ".join(f"{taken[name]} AS {quoted(name)}" for name in keys)
    counts = [name for name in _COUNTS if name not in missing]
    engine.view_calls("usage_slice", f"SELECT {parts}, {', '.join(counts)} FROM ({query})")
    # The last slice's cells must not be held beside this one's.
    engine.run("DROP TABLE IF EXISTS folded_calls")
    engine.sql_step("fold.sql", beside=__package__, columns={"keys": keys, "counts": counts}, into="folded_calls")
    # What is the same in every row is neither grouped by, summed nor stored.
    same = dict.fromkeys(taken, "NULL::VARCHAR") | {"billing_account_id": "''", "source": literal(source)}
    shown = ", ".join(quoted(name) if name in keys else f"{same[name]} AS {quoted(name)}" for name in taken)
    sums = ", ".join(name if name in counts else f"0::BIGINT AS {name}" for name in _COUNTS)
    engine.run(f"CREATE OR REPLACE VIEW folded AS SELECT {shown}, source_rows, {sums} FROM folded_calls")
    if "fault" not in keys:
        return []
    faults = engine.fetch(
        "SELECT fault, CAST(SUM(source_rows) AS BIGINT) FROM folded_calls"
        " WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault"
    )
    if faults:
        engine.run("DELETE FROM folded_calls WHERE fault IS NOT NULL")
    return [(str(fault), int(rows)) for fault, rows in faults]


def cells_query(engine: Engine, resolver: Resolver, evidence: Sequence[str], priced: str) -> str:
    """The query that gives priced cells their keys and every dimension.

    Args:
        engine: Holds the priced cells, dimension_maps and directory_values.
        resolver: Of the project.
        evidence: The evidence columns of the cells.
        priced: A query of cells with their list cost.
    """
    add_model_values(engine, "folded")
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
    columns |= dict.fromkeys(("calls", "tokens", *BUCKETS, "reasoning_tokens", *DOUBTS), "BIGINT")
    columns |= {"list_cost_picos": "DECIMAL(38, 0)"}
    columns |= dict.fromkeys(("price_state", "price_id", "price_reason", *evidence), "VARCHAR")
    columns |= {name: "BOOLEAN" for name in evidence if name.startswith(PREFIX)}
    for dim in resolver.dimensions:
        columns |= {dim: "VARCHAR", f"{dim}_via": "TINYINT"}
    return columns
