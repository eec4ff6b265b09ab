"""Whole runs beside a bare GROUP BY over the same calls, in CPU seconds.

    python bench/bench.py                            two million calls
    python bench/bench.py --calls 2000000 20000000   several sizes in one table
    python bench/bench.py --engines                  Spark, and scripts for Polars and for pandas, as well
    python bench/bench.py --reports                  one restated day, and what reports ask of the ledger

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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
THREADS = 2
_MARK = "<!-- measured -->"
_ENGINES_MARK = "<!-- engines -->"
_REPORTS_MARK = "<!-- reports -->"
_NAMES = {
    "bare": "bare GROUP BY",
    "whole": "whole run",
    "spark": "whole run on Spark",
    "polars": "script for Polars",
    "pandas": "script for pandas",
    "again": "the same run again",
    "restated": "run after one restated day",
    "reports": "reports",
}
_PLAIN: tuple[str, ...] = ("bare", "whole")
_ENGINES = ("bare", "whole", "spark", "polars", "pandas")
_REPORTS = ("bare", "whole", "again", "restated")
_PANDAS_BYTES = 16 * 2**30
_SAMPLE_SECONDS = 0.1
# What reports said of themselves, a line each.
_ASKED: list[dict[str, Any]] = []
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
        cells: Rows that it made; None where it did not finish.
    """

    cpu: float
    wall: float
    peak: float
    cells: int | None


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
    """Rows of the cells of usage that the project's latest period points to."""
    from apportion.project import Project

    with Project.open(folder).view(None) as view:
        return int(view.engine.value("SELECT COUNT(*) FROM usage_cells"))


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


def pandas(folder: Path) -> int:
    """The job as a script for pandas, which may not take all the memory of the machine."""
    from pandas_script import run

    resource.setrlimit(resource.RLIMIT_AS, (_PANDAS_BYTES, _PANDAS_BYTES))
    return run(folder)


def again(folder: Path) -> int:
    """A run over calls that are as they were."""
    from apportion.pipeline import run
    from apportion.project import Project

    run(Project.open(folder))
    return _cells(folder)


def restated(folder: Path) -> int:
    """A run after one day's calls came again without every hundredth."""
    day = sorted((folder / "usage").glob("*.parquet"))[14]
    kept = day.with_suffix(".kept")
    day.rename(kept)
    try:
        con = duckdb.connect()
        con.execute(f"COPY (SELECT * FROM read_parquet('{kept}') WHERE hash(\"timestamp\") % 100 <> 0) TO '{day}'")
        return again(folder)
    finally:
        kept.replace(day)


def reports(folder: Path) -> int:
    """What reports ask of the ledger, each twice; the second is told, as in a server that has the files open."""
    from apportion.project import Project
    from apportion.report.coverage import coverage
    from apportion.report.cross_tables import cross_table
    from apportion.report.statements import statement

    with Project.open(folder).view(None) as view:
        con, context, period = view.engine.connection, view.context, view.period
        user = con.execute('SELECT MIN("user") FROM allocated_charges WHERE "user" <> \'unallocated\'').fetchall()[0][0]
        asked: dict[str, Callable[[], object]] = {
            "statements by team": lambda: statement(con, context, period),
            "statements by customer": lambda: statement(con, context, period, by="customer"),
            "statements by product": lambda: statement(con, context, period, by="product"),
            "statement of one team": lambda: statement(con, context, period, "team-00"),
            "statement of one user": lambda: statement(con, context, period, user, by="user"),
            "coverage by team": lambda: coverage(con, context, period),
            "team by model": lambda: cross_table(con, context, period, "team", "model"),
            "cost of one day": lambda: con.execute(
                "SELECT owner, SUM(cost_nano) FROM allocated_charges WHERE day = DATE '2026-11-15' GROUP BY owner"
            ).fetchall(),
        }
        rows = int(con.execute("SELECT COUNT(*) FROM allocated_charges").fetchall()[0][0])
        for name, ask in asked.items():
            ask()
            started = time.monotonic()
            ask()
            print(json.dumps({"report": name, "seconds": time.monotonic() - started, "rows": rows}))
    return rows


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
    if child.returncode and what == "pandas":
        return Measured(sum(used.values()), time.monotonic() - started, peak, None)
    if child.returncode:
        raise SystemExit(f"{what} ended with {child.returncode}")
    *more, last = said.splitlines()
    told = json.loads(last)
    _ASKED.extend(json.loads(line) for line in more)
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
                f" | {'out of memory' if found.cells is None else f'{found.cells:,}'} |"
            )
    return "\n".join(lines)


def asked_table() -> str:
    """What reports took, as a Markdown table."""
    lines = ["| Report | Ledger rows | Seconds |", "| --- | ---: | ---: |"]
    return "\n".join([*lines, *(f"| {one['report']} | {one['rows']:,} | {one['seconds']:.2f} |" for one in _ASKED)])


def keep(text: str, mark: str) -> None:
    """Put a table into `bench/README.md`, in place of the last one of its kind."""
    readme = HERE / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition(mark)
    after = rest.find("<!--")
    rest = f"\n{rest[after:]}" if after >= 0 else ""
    readme.write_text(
        f"{head}{mark}\n\nMeasured {datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{text}\n{rest}", encoding="utf-8"
    )


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
    parser.add_argument("--engines", action="store_true", help="Spark, and scripts for Polars and pandas, as well")
    parser.add_argument("--reports", action="store_true", help="one restated day, and what reports ask of the ledger")
    parser.add_argument("--only", choices=list(_NAMES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        _two_cores()
        sides = (bare, whole, spark, polars, pandas, again, restated, reports)
        _tell({side.__name__: side for side in sides}[asked.only](asked.folder))
        return
    mark, names = _MARK, _PLAIN
    if asked.engines:
        mark, names = _ENGINES_MARK, _ENGINES
    if asked.reports:
        mark, names = _REPORTS_MARK, _REPORTS
    rows = []
    for calls in asked.calls:
        print(f"{calls:,} calls: making them, unless they are there", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / "generate.py"), str(calls), str(DATA)], check=True)
        folder = DATA / f"calls-{calls}"
        found: dict[str, Measured] = {}
        for side in names:
            found[side] = measure(side, folder)
            times = found[side].cpu / found["bare"].cpu
            print(f"  {_NAMES[side]:<27} {found[side].cpu:7.1f} CPU s, {times:.1f} times", file=sys.stderr)
        if asked.reports:
            measure("reports", folder)
        rows.append((calls, found))
    text = "\n\n".join([table(rows), *([asked_table()] if asked.reports else [])])
    print(text)
    keep(text, mark)


if __name__ == "__main__":
    main()
