"""Every command of the tour runs on Larkspur, in the order of the page, and prints what the page shows."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from tests.docs.pages import TOUR, examples_of
from tests.docs.test_console_blocks import command


def test_the_tour(tmp_path: Path) -> None:
    steps = list(examples_of(TOUR.read_text(encoding="utf-8"), "docs/tour.md"))
    assert len(steps) > 10
    for number, step in enumerate(steps):
        done = command(shlex.split(step.command)[1:], tmp_path / "larkspur" if number else tmp_path)
        assert done.returncode == 0, f"{step}: {done.stdout}{done.stderr}"
        printed = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
        missing = [line for line in step.shown if line.rstrip() not in printed]
        assert missing == [], f"{step}: {missing}"
        if number == 0:
            _files_alone(tmp_path / "larkspur", tmp_path / "files")


def _files_alone(company: Path, into: Path) -> None:
    """The company's files without its settings, as somebody has them who begins."""
    into.mkdir()
    for name in ("bills", "usage", "directory", "meters"):
        shutil.copytree(company / name, into / name)
