"""These tests are sockets, and have the loopback and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

from apportion.capturing import watch
from apportion.gateway.usage_log import read_segment

Records = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    enable_socket()
    socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    yield
    disable_socket(allow_unix_socket=True)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What was told because something of ours did not work; nothing, unless a test is about that."""
    found: set[str] = set()
    monkeypatch.setattr(watch, "_TOLD", found)
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The folder of the usage log."""
    return tmp_path / "log"


@pytest.fixture
def records(log: Path) -> Records:
    """The records in the log, in the order in which they were written."""

    def read() -> list[dict[str, Any]]:
        paths = sorted(log.iterdir(), key=lambda path: path.stat().st_mtime_ns) if log.exists() else []
        found = [record for path in paths for record in read_segment(path)]
        assert None not in found
        return [record for record in found if record is not None]

    return read
