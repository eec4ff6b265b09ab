"""A small company on disk, runs of it in processes of their own, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.errors.folder import CALLS, Said, bill, call, charge, make, say, settings, usage

TEAMS = ("ads", "growth", "search", "support")
STARTED = """
import resource, sys
from apportion.cli import main
limit = int(sys.argv.pop(1))
if limit >= 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


def company(folder: Path) -> Path:
    """Two months of bills and calls, published once; then a bill that the next run finds."""
    months = ("2026-10", "2026-11")
    files = {
        "apportion.yaml": settings(CALLS),
        **{
            f"bills/{month}.csv": bill(
                *(charge(f"{n}37.11", day=f"{month}-01", invoice=month, team=t) for n, t in enumerate(TEAMS, start=1))
            )
            for month in months
        },
        **{
            f"usage/{month}.csv": usage(
                *(call(f"{n}000", at=f"{month}-03T10:00:00Z", team=t) for n, t in enumerate(TEAMS))
            )
            for month in months
        },
    }
    make(folder, files)
    (folder / "bills" / "a.csv").unlink()
    assert say(folder, "run").code == 0
    return folder


def add_late_bill(folder: Path) -> None:
    """A bill that changes what November's statement says."""
    (folder / "bills" / "late.csv").write_text(bill(charge("1000.03", invoice="L-1", team="search")))


def seen(folder: Path) -> dict[str, str]:
    """What a reader sees of both months, and that November's certificate holds; each text comes from one look."""
    texts = {}
    looks = [("statement", "2026-10"), ("statement", "2026-11"), ("export", "charges", "2026-11")]
    for *words, period in looks:
        said = say(folder, *words, "--period", period, "--format", "csv")
        assert said.code == 0, said.err
        texts[f"{words} {period}"] = said.out
    certificate = json.loads(say(folder, "verify", "--period", "2026-11", "--format", "json").out)
    assert certificate["ok"] is True
    return texts


def start(folder: Path, *words: str, file_limit: int = -1) -> subprocess.Popen[str]:
    """Start `apportion run` in a process of its own.

    Args:
        folder: The project.
        words: Further words of the command.
        file_limit: No file may become larger, in bytes; -1 sets no limit.
    """
    return subprocess.Popen(
        [sys.executable, "-c", STARTED, str(file_limit), "run", "-p", str(folder), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "TERM": "dumb"},
    )


def ended(child: subprocess.Popen[str]) -> Said:
    """Wait for a run; whatever happened, it shows no traceback."""
    out, err = child.communicate(timeout=300)
    assert "Traceback" not in err, err
    return Said(child.returncode, out, err)


def kill_when(child: subprocess.Popen[str], reached: Callable[[], bool]) -> int:
    """Kill a run without warning as soon as a point is reached; its exit status, negative for a signal."""
    deadline = time.monotonic() + 240
    while child.poll() is None and not reached():
        assert time.monotonic() < deadline, "the run never came to the point"
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode
