"""Every console block of the documentation runs on the worked example and prints what the page shows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Example, examples, examples_of


def command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "apportion.cli", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "140", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the worked example after one run."""
    folder = tmp_path_factory.mktemp("docs") / "acme"
    shutil.copytree(ROOT / "examples" / "acme", folder, ignore=shutil.ignore_patterns(".apportion"))
    done = command(["run"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("example", examples(), ids=str)
def test_the_block_prints_what_the_page_shows(example: Example, ran: Path) -> None:
    done = command(shlex.split(example.command, comments=True)[1:], ran)
    assert done.returncode == example.exit_code, done.stdout + done.stderr
    printed = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    at = 0
    for line in (line.rstrip() for line in example.shown):
        if not line or "…" in line:
            continue
        assert line in printed[at:], f"{example}: not printed, or not in this order: {line!r}\n" + "\n".join(printed)
        at = printed.index(line, at) + 1


def test_a_block_is_read_command_by_command() -> None:
    page = "x\n```console exit=3\n$ apportion check\nerror\n$ apportion run  # again\n```\n"
    assert [(e.line, e.command, e.shown, e.exit_code) for e in examples_of(page, "p")] == [
        (3, "apportion check", ("error",), 3),
        (5, "apportion run  # again", (), 3),
    ]
