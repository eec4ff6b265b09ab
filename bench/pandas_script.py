"""The benchmark's job as one would write it by hand for pandas: `polars_script.py` in another library, no more."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pandas as pd
from generate import MODELS

KEYS = ["day", "provider", "account", "model", "team", "feature", "customer", "environment", "user"]
COLUMNS = {
    "timestamp": "day",
    "gen_ai.provider.name": "provider",
    "billing_account_id": "account",
    "gen_ai.response.model": "model",
    "team": "team",
    "feature": "feature",
    "customer": "customer",
    "env": "environment",
    "user_id": "user",
    "uncached_input_tokens": "fresh",
    "gen_ai.usage.cache_read.input_tokens": "read",
    "gen_ai.usage.output_tokens": "out",
}
_NANO_PER_CENT = 10_000_000


def run(folder: Path) -> int:
    """Work the month out; how many cells it has."""
    cells = _folded(folder)
    bills = pd.read_csv(folder / "bills/focus.csv", dtype=str)
    bills = bills[bills["x_Model"].notna()]
    nano = {
        model: int(Decimal(cost) * 10**9) for model, cost in zip(bills["x_Model"], bills["BilledCost"], strict=True)
    }
    totals = cells.groupby("model")["picos"].sum().to_dict()
    # Amount times weight needs 128 bits, which pandas does not have: whole numbers of Python do it one by one.
    cells["cost_nano"] = [
        nano[model] * int(picos) // int(totals[model])
        for model, picos in zip(cells["model"], cells["picos"], strict=True)
    ]
    owners = cells.groupby(["model", "team"], as_index=False)["cost_nano"].sum()
    owners["cents"] = owners["cost_nano"] // _NANO_PER_CENT
    owners["rest"] = owners["cost_nano"] % _NANO_PER_CENT
    owners = owners.sort_values(["model", "rest", "team"], ascending=[True, False, True])
    owners["turn"] = owners.groupby("model").cumcount()
    due = owners["model"].map(
        {model: (amount + _NANO_PER_CENT // 2) // _NANO_PER_CENT for model, amount in nano.items()}
    )
    short = due - owners.groupby("model")["cents"].transform("sum")
    owners["cents"] += (owners["turn"] < short).astype("int64")
    out = folder / ".pandas"
    out.mkdir(exist_ok=True)
    cells.to_parquet(out / "cells.parquet", compression="zstd")
    owners[["model", "team", "cents"]].to_parquet(out / "owners.parquet")
    return len(cells)


def _folded(folder: Path) -> pd.DataFrame:
    calls = pd.read_parquet(folder / "usage", columns=list(COLUMNS)).rename(columns=COLUMNS)
    calls["day"] = calls["day"].dt.normalize()
    tokens = ["fresh", "read", "out"]
    cells = calls.groupby(KEYS, dropna=False, sort=False)[tokens].sum()
    cells["calls"] = calls.groupby(KEYS, dropna=False, sort=False).size()
    cells = cells.reset_index()
    people = pd.read_csv(folder / "directory/people.csv").set_index("person")["team"]
    teams = pd.read_csv(folder / "directory/teams.csv").set_index("team")["cost_center"]
    products = pd.read_csv(folder / "directory/features.csv").set_index("feature")["product"]
    cells["team"] = cells["team"].fillna(cells["user"].map(people)).fillna("unallocated")
    cells["center"] = cells["team"].map(teams).fillna("unallocated")
    cells["product"] = cells["feature"].map(products).fillna("unallocated")
    named = ["feature", "customer", "environment", "user"]
    cells[named] = cells[named].fillna("unallocated")
    rates = {model: (fresh, read, out) for _, _, model, fresh, read, out in MODELS}
    cells["picos"] = sum(
        cells[count] * cells["model"].map({model: rate[place] for model, rate in rates.items()})
        for place, count in enumerate(tokens)
    )
    return cells
