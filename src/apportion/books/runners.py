"""Who is at work: no two runs work on the same period at once, and the one that is there can be named."""

from __future__ import annotations

import getpass
import os
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from apportion.books.processes import alive
from apportion.errors import ApportionError

EVERY_PERIOD = "*"


def meet(one: str | None, other: str | None) -> bool:
    """Whether two runs work on the same period."""
    return bool(one and other) and (one == other or EVERY_PERIOD in {one, other})


def at_work(row: sa.Row[Any], now: str) -> ApportionError:
    """The error of a run that meets another one.

    Args:
        row: The other one, as the books have it.
        now: ISO 8601, UTC.
    """
    what = "every period" if row.scope == EVERY_PERIOD else row.scope
    minutes = int((datetime.fromisoformat(now) - datetime.fromisoformat(row.started_at)).total_seconds() // 60)
    age = "less than a minute ago" if minutes < 1 else f"{minutes:,} {'minute' if minutes == 1 else 'minutes'} ago"
    return ApportionError(
        "run-at-work",
        f"Another run is at work on {what}: begun {age} by {row.holder or 'somebody'} on {row.host}"
        f" (process {row.process}, run {row.run_id}).",
        cure="Wait until it has ended; if its process is killed, the next run takes its place at once.",
        retry=True,
    )


def person() -> str:
    """Who runs this, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_alive(row: sa.Row[Any], now: str) -> bool:
    """Whether the process of a run lives, as far as this machine can tell."""
    return alive(row.host, row.process, datetime.fromisoformat(row.started_at), datetime.fromisoformat(now))
