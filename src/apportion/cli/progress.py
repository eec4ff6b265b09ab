"""A run's stages on a terminal: bars while they work, one quiet line when they are done."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_WIDTH = 20


class Bars:
    """Draws bars on a terminal, and says nothing at all elsewhere.

    Args:
        console: On stderr.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Progress | None = None
        self._name = ""
        self._started = 0.0

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stop()
        self._name = name
        self._started = time.monotonic()
        if self._console.is_terminal:
            self._live = Progress(
                TextColumn("  {task.description:<11}"),
                BarColumn(_WIDTH),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._live.start()
            self._live.add_task(name, total=None, count="")

    def advance(self, done: int, total: int) -> None:
        """So much of it is done."""
        if self._live:
            self._live.update(self._live.task_ids[0], completed=done, total=total, count=f"{done:,} of {total:,}")

    def finish(self, summary: str) -> None:
        """It is done."""
        self._stop()
        if self._console.is_terminal:
            seconds = time.monotonic() - self._started
            self._console.print(f"  {self._name:<11} [teal]{'█' * _WIDTH}[/]  {summary:<44} {seconds:>5.1f} s")

    def _stop(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def stderr() -> Console:
    """Words for people."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)
