"""A LiteLLM proxy in an environment of its own, made once; its callbacks are those of a configuration."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import ROOT

KEY = "sk-of-the-proxy-itself-0123456789"
_LOCK = Path(__file__).with_name("litellm_proxy.lock")
_PLACE = ROOT / "build" / "litellm"
_START_SECONDS = 90.0


def executable() -> Path:
    """The proxy's command; installed where it is not there, which takes a minute.

    Without a registry of packages the test is skipped and says so.
    """
    _PLACE.parent.mkdir(exist_ok=True)
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    stamp = _PLACE / "made-of"
    with _PLACE.with_suffix(".busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(_PLACE, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(_PLACE)], check=True, capture_output=True)
            pip = [str(_PLACE / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
            done = subprocess.run([*pip, "-q", "-r", str(_LOCK)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"LiteLLM cannot be installed: {done.stderr.strip().splitlines()[-1]}")
            stamp.write_text(wanted)
    return _PLACE / "bin" / "litellm"


class Said(NamedTuple):
    """What the proxy answered.

    Attributes:
        status: Of HTTP.
        body: Of it.
    """

    status: int
    body: bytes


class Proxy(NamedTuple):
    """A running proxy.

    Attributes:
        port: Of it.
        said: The file of what it prints.
    """

    port: int
    said: Path

    def ask(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None, *,
            leave_after: int | None = None) -> Said:  # fmt: skip
        """Ask for something.

        Args:
            path: Such as `/v1/chat/completions`.
            body: Of the request.
            headers: Further ones.
            leave_after: How many bytes of the answer are read before the caller leaves; None for all.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            own = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
            connection.request("POST", path, json.dumps(body), {**own, **(headers or {})})
            answer = connection.getresponse()
            return Said(answer.status, answer.read(leave_after) if leave_after else answer.read())
        finally:
            connection.close()


@contextlib.contextmanager
def running(folder: Path, settings: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Proxy]:
    """Run a proxy.

    Args:
        folder: For its configuration and what it prints; modules beside it can be callbacks.
        settings: Its configuration.
        environment: Further variables.
    """
    command = executable()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))
    own = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT / "src"), "LITELLM_TELEMETRY": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DEFAULT_FLUSH_INTERVAL_SECONDS": "1",
    }  # fmt: skip
    said = folder / "litellm.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [str(command), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)],
            env={**own, **environment}, stdout=out, stderr=out, cwd=folder,
        )  # fmt: skip
    try:
        _wait(process, port, said)
        yield Proxy(port, said)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError(f"LiteLLM does not start: {said.read_text()[-2000:]}")
