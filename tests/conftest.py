"""What every test shares: no network, an odd time zone, the same random companies, the real command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import disable_socket, enable_socket, socket_allow_hosts

ROOT = Path(__file__).resolve().parent.parent

# Stored days and periods are UTC. A zone that is ahead of it by five and a half hours moves a local midnight
# into another day, so code that reads the local clock fails here and not first in Mumbai.
os.environ["TZ"] = "Asia/Kolkata"
if hasattr(time, "tzset"):
    time.tzset()

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, print_blob=True, suppress_health_check=_QUIET
)
settings.register_profile("deep", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# The discard port: a proxy nobody answers, so that a child process has no network either.
_NOWHERE = "http://127.0.0.1:9"


class Answer(NamedTuple):
    """What a command said."""

    code: int
    stdout: str
    stderr: str


# Spark's own processes speak to each other on loopback; its tests run where it is installed, on their own.
_ENGINES = ROOT / "tests" / "engines"
# The gateway is sockets: its tests have the loopback and nothing else.
_GATEWAY = ROOT / "tests" / "gateway"
_LOOPBACK = ["127.0.0.1", "localhost", "::1"]
collect_ignore = [] if os.environ.get("APPORTION_TEST_ENGINE") else [str(_ENGINES)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Block the network; Unix sockets stay, event loops need them."""
    if item.path.is_relative_to(_ENGINES) or item.path.is_relative_to(_GATEWAY):
        enable_socket()
        socket_allow_hosts(_LOOPBACK, allow_unix_socket=True)
    else:
        disable_socket(allow_unix_socket=True)


def shared_folder() -> Path | None:
    """The folder of real data, if it is there: `APPORTION_SHARED`, else `shared` beside the checkout."""
    named = os.environ.get("APPORTION_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `data` of real bills and traces; without it a test over it is skipped and says why."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("no real data: set APPORTION_SHARED to a folder that holds data/, or put it at ../shared")
    return folder / "data"


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Answer]:
    """The real command line in a process of its own, started in a temporary folder.

    Called with the command's words; `cwd=` starts it elsewhere and `env=` adds variables. It answers with the
    exit code and both streams as text.
    """

    def run(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Answer:
        proxies = {f"{kind}_proxy": _NOWHERE for kind in ("http", "https", "all")}
        done = subprocess.run(
            [sys.executable, "-m", "apportion.cli", *map(str, words)],
            cwd=cwd or tmp_path,
            env={
                **os.environ,
                **proxies,
                "PYTHONIOENCODING": "utf-8",
                "COLUMNS": "140",
                "NO_COLOR": "1",
                "TERM": "dumb",
                **(env or {}),
            },
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            timeout=300,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run
