"""The benchmark's job as one would write it by hand for Polars: this month, these files, these eight models, no more.

It reads every call, finds each one's team, product and cost centre, prices it, divides each model's bill over the
cells by list cost in nano-dollars, gives each team whole cents by largest remainder, and writes the cells with their
cost. It has no checks, no layers, no books, no other period, and its rules are in its code.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from generate import MODELS

KEYS = ["day", "provider", "account", "model", "team", "feature", "customer", "environment", "user"]
CELL = [*KEYS, "product", "center"]
_NANO_PER_CENT = 10_000_000


def run(folder: Path) -> int:
    """Work the month out; how many cells it has."""
    people = pl.read_csv(folder / "directory/people.csv").select("person", pl.col("team").alias("home"))
    teams = pl.read_csv(folder / "directory/teams.csv").select("team", pl.col("cost_center").alias("center"))
    features = pl.read_csv(folder / "directory/features.csv")
    rates = pl.DataFrame(
        [(model, fresh, read, out) for _, _, model, fresh, read, out in MODELS],
        schema=["model", "fresh_rate", "read_rate", "out_rate"],
        orient="row",
    )
    calls = pl.scan_parquet(folder / "usage/*.parquet").select(
        pl.col("timestamp").dt.date().alias("day"),
        pl.col("gen_ai.provider.name").alias("provider"),
        pl.col("billing_account_id").alias("account"),
        pl.col("gen_ai.response.model").alias("model"),
        "team", "feature", "customer", pl.col("env").alias("environment"), pl.col("user_id").alias("user"),
        pl.col("uncached_input_tokens").alias("fresh"),
        pl.col("gen_ai.usage.cache_read.input_tokens").alias("read"),
        pl.col("gen_ai.usage.output_tokens").alias("out"),
    )  # fmt: skip
    cells = (
        calls.group_by(KEYS)
        .agg(pl.len().alias("calls"), pl.col("fresh", "read", "out").sum())
        .join(people.lazy(), left_on="user", right_on="person", how="left")
        .with_columns(pl.coalesce("team", "home", pl.lit("unallocated")).alias("team"))
        .join(teams.lazy(), on="team", how="left")
        .join(features.lazy(), on="feature", how="left")
        .with_columns(
            pl.col("feature", "customer", "environment", "user", "product", "center").fill_null("unallocated")
        )
        .join(rates.lazy(), on="model")
        .with_columns(
            (
                pl.col("fresh") * pl.col("fresh_rate")
                + pl.col("read") * pl.col("read_rate")
                + pl.col("out") * pl.col("out_rate")
            ).alias("picos")
        )
        .select([*CELL, "calls", "fresh", "read", "out", "picos"])
        .collect()
    )
    bills = (
        pl.read_csv(folder / "bills/focus.csv", infer_schema=False)
        .filter(pl.col("x_Model") != "")
        .select(pl.col("x_Model").alias("model"), (pl.col("BilledCost").cast(pl.Decimal(38, 12)) * 10**9).alias("nano"))
        .with_columns(pl.col("nano").cast(pl.Int64))
    )
    totals = cells.group_by("model").agg(pl.col("picos").sum().alias("total"))
    parts = (
        cells.join(bills, on="model")
        .join(totals, on="model")
        .with_columns(
            (pl.col("nano").cast(pl.Int128) * pl.col("picos").cast(pl.Int128) // pl.col("total").cast(pl.Int128))
            .cast(pl.Int64)
            .alias("cost_nano")
        )
    )
    owners = parts.group_by("model", "team").agg(pl.col("cost_nano").sum())
    owners = owners.with_columns(
        (pl.col("cost_nano") // _NANO_PER_CENT).alias("cents"), (pl.col("cost_nano") % _NANO_PER_CENT).alias("rest")
    )
    due = bills.select("model", ((pl.col("nano") + _NANO_PER_CENT // 2) // _NANO_PER_CENT).alias("due"))
    owners = (
        owners.join(due, on="model")
        .sort("model", "rest", "team", descending=[False, True, False])
        .with_columns(pl.int_range(pl.len()).over("model").alias("turn"))
        .with_columns((pl.col("due") - pl.col("cents").sum().over("model")).alias("short"))
        .with_columns((pl.col("cents") + (pl.col("turn") < pl.col("short")).cast(pl.Int64)).alias("cents"))
    )
    out = folder / ".polars"
    out.mkdir(exist_ok=True)
    parts.drop("nano", "total").write_parquet(out / "cells.parquet", compression="zstd")
    owners.select("model", "team", "cents").write_parquet(out / "owners.parquet")
    return len(cells)
