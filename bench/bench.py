"""Whole runs beside a bare GROUP BY over the same calls, in CPU seconds.

    python bench/bench.py                            two million calls
    python bench/bench.py --calls 2000000 20000000   several sizes in one table

The bare query groups the same Parquet files by the ledger's own grain, sums tokens and writes nothing. Each of the
two runs in a process of its own with two threads; CPU seconds are user and system time of that process as the
operating system counted them, so that other programs on the machine disturb them less than they disturb the wall
clock. The newest table is kept in `bench/README.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
THREADS = 2
_MARK = "<!-- measured -->"
_ENGINE = "duckdb"

# The ledger's own grain: everything a cell of the ledger can differ in.
_BARE = """
SELECT COUNT(*) AS cells, SUM(calls) AS calls, SUM(fresh), SUM(cached), SUM(written) FROM (
  SELECT CAST("timestamp" AS DATE) AS day, "gen_ai.provider.name", billing_account_id, "gen_ai.response.model",
    team, feature, customer, env, user_id,
    COUNT(*) AS calls, SUM(uncached_input_tokens) AS fresh,
    SUM("gen_ai.usage.cache_read.input_tokens") AS cached, SUM("gen_ai.usage.output_tokens") AS written
  FROM read_parquet($files)
  GROUP BY ALL
)
"""


@dataclass(frozen=True)
class Measured:
    """One process.

    Attributes:
        cpu: User and system seconds.
        wall: Seconds.
        peak: The most memory it held, in MiB.
        cells: Rows that it made.
    """

    cpu: float
    wall: float
    peak: float
    cells: int


def bare(folder: Path) -> int:
    """The bare GROUP BY; says how many groups there are."""
    con = duckdb.connect(config={"threads": str(THREADS), "preserve_insertion_order": "false"})
    con.execute("SET enable_progress_bar = false")
    files = [str(path) for path in sorted((folder / "usage").glob("*.parquet"))]
    return int(con.execute(_BARE, {"files": files}).fetchall()[0][0])


def whole(folder: Path) -> int:
    """The whole pipeline, from files to a published month; says how many cells of usage it made."""
    from apportion.pipeline import run
    from apportion.project import Project

    shutil.rmtree(folder / ".apportion", ignore_errors=True)
    outcome = run(Project.open(folder))
    errors = [problem for problem in outcome.problems if problem.severity == "error"]
    if errors:
        raise SystemExit(f"the run has problems: {errors[0].message}")
    cells = str(folder / ".apportion" / "warehouse" / "usage_cells" / "*" / "*.parquet")
    return int(duckdb.connect().execute("SELECT COUNT(*) FROM read_parquet($1)", [cells]).fetchall()[0][0])


def measure(what: str, folder: Path) -> Measured:
    """Run one of the two in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--only", what, "--folder", str(folder)]
    started = time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall = time.monotonic() - started
    told = json.loads(done.stdout.splitlines()[-1])
    return Measured(told["cpu"], wall, told["peak"], told["cells"])


def _two_cores() -> None:
    """The engine takes a thread per core that the process may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def _tell(cells: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts the peak in KiB, macOS in bytes.
    peak = used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": peak, "cells": cells}))


def table(rows: list[tuple[int, Measured, Measured]]) -> str:
    """The measurements as a Markdown table."""
    lines = [
        "| Calls | What | CPU s | times the bare query | Wall s | Peak MiB | Cells |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for calls, query, product in rows:
        for name, found in (("bare GROUP BY", query), ("whole run", product)):
            ratio = found.cpu / query.cpu
            lines.append(
                f"| {calls:,} | {name} | {found.cpu:.1f} | {ratio:.1f} | {found.wall:.1f} | {found.peak:,.0f}"
                f" | {found.cells:,} |"
            )
    return "\n".join(lines)


def keep(text: str) -> None:
    """Put the table into `bench/README.md`, in place of the last one."""
    readme = HERE / "README.md"
    head = readme.read_text(encoding="utf-8").split(_MARK)[0]
    when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    readme.write_text(f"{head}{_MARK}\n\nMeasured {when}.\n\n{text}\n", encoding="utf-8")


def machine() -> str:
    """What the table was measured on."""
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores (load {load:.0f}),"
        f" Python {platform.python_version()}, {_ENGINE} {duckdb.__version__}, {THREADS} threads"
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="Whole runs beside a bare GROUP BY.")
    parser.add_argument("--calls", type=int, nargs="+", default=[2_000_000], help="how many calls (several: a table)")
    parser.add_argument("--only", choices=["bare", "whole"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        _two_cores()
        _tell(bare(asked.folder) if asked.only == "bare" else whole(asked.folder))
        return
    rows = []
    for calls in asked.calls:
        print(f"{calls:,} calls: making them, unless they are there", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / "generate.py"), str(calls), str(DATA)], check=True)
        folder = DATA / f"calls-{calls}"
        query = measure("bare", folder)
        print(f"  bare GROUP BY  {query.cpu:7.1f} CPU s", file=sys.stderr)
        product = measure("whole", folder)
        print(f"  whole run      {product.cpu:7.1f} CPU s, {product.cpu / query.cpu:.1f} times", file=sys.stderr)
        rows.append((calls, query, product))
    text = table(rows)
    print(text)
    keep(text)


if __name__ == "__main__":
    main()
