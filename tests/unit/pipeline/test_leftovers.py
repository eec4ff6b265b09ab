"""A run cleans up behind itself, and behind those that were killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apportion.books.store import Books
from apportion.pipeline.leftovers import staging, sweep
from apportion.warehouse.storage import FolderStorage

NOW = datetime.now(UTC)


def test_the_folder_is_gone_afterwards_and_the_state_where_it_is_empty(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with staging(state) as folder:
        (folder / "part").touch()
    assert not state.exists()
    (state / "warehouse").mkdir(parents=True)
    with pytest.raises(KeyError), staging(state) as folder:
        raise KeyError
    assert [path.name for path in state.iterdir()] == ["warehouse"]


def test_what_dead_runs_left_is_removed_and_what_others_use_stays(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    here = socket.gethostname()
    state = tmp_path / "state"
    names = {
        "dead": f"staging-{here}-{int(ended.stdout)}-a1_",
        "at work": f"staging-{here}-{os.getpid()}-b2",
        "elsewhere, now": "staging-an-other-host-1-c3",
        "elsewhere, long ago": "staging-an-other-host-1-d4",
        "not ours": "staging-area-of-mine",
    }
    for name in names.values():
        (state / name / "tmp").mkdir(parents=True)
    old = (NOW - timedelta(days=2)).timestamp()
    os.utime(state / names["elsewhere, long ago"], (old, old))
    for name, changed in (("orphan", old), ("fresh", NOW.timestamp())):
        file = state / "warehouse" / name / "part.parquet"
        file.parent.mkdir(parents=True)
        file.touch()
        os.utime(file, (changed, changed))
    with Books.open(state / "books.db") as books:
        sweep(state, FolderStorage(tmp_path, state / "warehouse"), books, NOW)
    left = {path.name for path in state.glob("staging-*")}
    assert left == {names["at work"], names["elsewhere, now"], names["not ours"]}
    assert [path.name for path in (state / "warehouse").iterdir()] == ["fresh"]
