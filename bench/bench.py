"""Whole runs beside a bare GROUP BY over the same calls, in CPU seconds.

    python bench/bench.py                            two million calls
    python bench/bench.py --calls 2000000 20000000   several sizes in one table
    python bench/bench.py --engines                  Spark and a script for Polars as well

The bare query groups the same Parquet files by the ledger's own grain, sums tokens and writes nothing. Each side
runs in a process of its own with two threads, Spark with two executors of one core each; CPU seconds are user and
system time of that process and of all that it started, as the operating system counted them, so that other programs
on the machine disturb them less than they disturb the wall clock. The newest tables are kept in `bench/README.md`.
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
_ENGINES_MARK = "<!-- engines -->"
_NAMES = {"bare": "bare GROUP BY", "whole": "whole run", "spark": "whole run on Spark", "polars": "script for Polars"}
_SAMPLE_SECONDS = 0.1
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
    return _cells(folder)


def _cells(folder: Path) -> int:
    cells = str(folder / ".apportion" / "warehouse" / "usage_cells" / "*" / "*.parquet")
    return int(duckdb.connect().execute("SELECT COUNT(*) FROM read_parquet($1)", [cells]).fetchall()[0][0])


def spark(folder: Path) -> int:
    """The whole pipeline on Spark: a driver and two executors of one core each, in processes of their own."""
    from apportion.pipeline import run
    from apportion.project import Project
    from apportion.warehouse.choice import EngineChoice

    os.environ["PYSPARK_PYTHON"] = sys.executable
    shutil.rmtree(folder / ".apportion", ignore_errors=True)
    run(Project.open(folder), on=EngineChoice("spark", master=f"local-cluster[{THREADS},1,2048]"))
    return _cells(folder)


def polars(folder: Path) -> int:
    """The job as a script for Polars."""
    from polars_script import run

    return run(folder)


def measure(what: str, folder: Path) -> Measured:
    """Run one side in a process of its own, and count what that and its children used."""
    command = [sys.executable, str(Path(__file__).resolve()), "--only", what, "--folder", str(folder)]
    started = time.monotonic()
    used: dict[int, float] = {}
    peak = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        while child.poll() is None:
            now, held = _session(child.pid)
            used |= now
            peak = max(peak, held)
            time.sleep(_SAMPLE_SECONDS)
        said = child.stdout.read() if child.stdout else ""
    if child.returncode:
        raise SystemExit(f"{what} ended with {child.returncode}")
    told = json.loads(said.splitlines()[-1])
    # The kernel's own account is exact, but has only this process; of its children the last sample counts.
    others = sum(seconds for process, seconds in used.items() if process != child.pid)
    return Measured(told["cpu"] + others, time.monotonic() - started, max(peak, told["peak"]), told["cells"])


def _session(leader: int) -> tuple[dict[int, float], float]:
    """CPU seconds of each process of a session, and the MiB that all of them hold; nothing where there is no /proc."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)
    seconds: dict[int, float] = {}
    held = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        # Numbered from the state on: session 3, user and system time 11 and 12, resident pages 21.
        if int(fields[3]) == leader:
            seconds[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / ticks
            held += int(fields[21]) * page
    return seconds, held


def _two_cores() -> None:
    """The engine takes a thread per core that the process may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def _tell(cells: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts the peak in KiB, macOS in bytes.
    peak = used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak": peak, "cells": cells}))


def table(rows: list[tuple[int, dict[str, Measured]]]) -> str:
    """The measurements as a Markdown table."""
    lines = [
        "| Calls | What | CPU s | times the bare query | Wall s | Peak MiB | Cells |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for calls, sides in rows:
        for name, found in sides.items():
            ratio = found.cpu / sides["bare"].cpu
            lines.append(
                f"| {calls:,} | {_NAMES[name]} | {found.cpu:.1f} | {ratio:.1f} | {found.wall:.1f} | {found.peak:,.0f}"
                f" | {found.cells:,} |"
            )
    return "\n".join(lines)


def keep(text: str, *, engines: bool) -> None:
    """Put the table into `bench/README.md`, in place of the last one of its kind."""
    readme = HERE / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition(_MARK)
    plain, _, both = rest.partition(_ENGINES_MARK)
    fresh = f"\n\nMeasured {datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{text}\n"
    plain, both = (plain, fresh) if engines else (f"{fresh}\n", both)
    readme.write_text(f"{head}{_MARK}{plain}{_ENGINES_MARK}{both}", encoding="utf-8")


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
    parser.add_argument("--engines", action="store_true", help="Spark and a script for Polars as well")
    parser.add_argument("--only", choices=list(_NAMES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        _two_cores()
        sides = {"bare": bare, "whole": whole, "spark": spark, "polars": polars}
        _tell(sides[asked.only](asked.folder))
        return
    rows = []
    for calls in asked.calls:
        print(f"{calls:,} calls: making them, unless they are there", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / "generate.py"), str(calls), str(DATA)], check=True)
        folder = DATA / f"calls-{calls}"
        found: dict[str, Measured] = {}
        for side in _NAMES if asked.engines else ("bare", "whole"):
            found[side] = measure(side, folder)
            times = found[side].cpu / found["bare"].cpu
            print(f"  {_NAMES[side]:<19} {found[side].cpu:7.1f} CPU s, {times:.1f} times", file=sys.stderr)
        rows.append((calls, found))
    text = table(rows)
    print(text)
    keep(text, engines=asked.engines)


if __name__ == "__main__":
    main()
