"""What a run works in, and what a killed one leaves behind: folders and files that nothing points to."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apportion.books.processes import alive
from apportion.books.store import Books
from apportion.errors import writing
from apportion.warehouse.storage import Storage

_PREFIX = "staging-"


@contextmanager
def staging(state: Path) -> Iterator[Path]:
    """A folder for what a run needs only while it works; gone afterwards, with `state` where nothing else is in it."""
    with writing(str(state)):
        state.mkdir(parents=True, exist_ok=True)
        # The name says whose it is, so that another run can tell whether it is still in use.
        name = f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-"
        folder = Path(tempfile.mkdtemp(prefix=name, dir=state))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            state.rmdir()


def sweep(
    state: Path,
    storage: Storage,
    books: Books,
    now: datetime,
    keep: timedelta | None = None,
    *,
    during: str | None = None,
) -> None:
    """Remove the folders of runs that are dead, and the files that they wrote and never published.

    Args:
        state: Where the folders are.
        storage: Where the files are.
        books: Know which files are published; those stay.
        now: With a time zone.
        keep: How long the files of a run stay that no period points to any more; None for ever.
        during: The run that sweeps.
    """
    if keep is not None:
        books.expire(now - keep, now, during=during)
    for folder in state.glob(f"{_PREFIX}*-*-*"):
        host, process, _ = folder.name.removeprefix(_PREFIX).rsplit("-", 2)
        with contextlib.suppress(OSError):
            since = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if process.isdecimal() and not alive(host, int(process), since, now):
                shutil.rmtree(folder, ignore_errors=True)
    for address in books.orphans(storage.files(), now):
        storage.remove(address)
