"""The peers: installed on first use from the public registries, newest releases of at least a week, and started.

What is installed stays in `build/bench-gateway/`; remove a folder there to have it made anew. Each of them does other
things besides what is measured here, and none of them is at fault for that. Facts of their settings were read in their
own code and documentation on 2026-11-27.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loads import MODEL, Place
from sessions import Session
from sides import Ground, NotHadError, Pace, Side, answering, free_port

_AGE_DAYS = 7
# The first that takes an age in days for --uploaded-prior-to.
_PIP = "pip==26.1"
_INSTALL_SECONDS = 1200
_MASTER_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
_LITELLM = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-bench-upstream}}
general_settings: {{master_key: "{master}"}}
litellm_settings: {{set_verbose: false}}
"""
_BURNLENS = """\
db_path: {folder}/burnlens.db
wal_path: {folder}/wal.jsonl
dlq_path: {folder}/refused.jsonl
log_level: warning
"""
# Its setting for the provider's address is not read (1.27.0), so the address is put in its place.
_BURNLENS_START = """\
from burnlens.cli import app
from burnlens.providers.openai import OpenAIProvider

OpenAIProvider.resolve_upstream_url = lambda self, path, headers: "http://127.0.0.1:{port}" + path
app()
"""
# With the newest of these two every stream of 1.15.2 ends in HTTP 500; these work.
_PORTKEY = '{"private": true, "overrides": {"hono": "4.9.7", "@hono/node-server": "1.3.3"}}'
# It listens on every interface and has no setting for that.
_LOOPBACK = """\
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (place, ...more) {
  const port = typeof place === "object" ? place.port : place;
  const called = more.find((each) => typeof each === "function");
  return listen.call(this, { port, host: "127.0.0.1" }, called);
};
"""


def portkey(ground: Ground) -> list[Side]:
    """Portkey's gateway, told by headers where to go; it keeps no account of a call."""
    for need in ("node", "npm"):
        if shutil.which(need) is None:
            raise NotHadError(f"there is no {need} on the path (Debian: apt-get install nodejs npm)")
    home = _node_peer("portkey", "@portkey-ai/gateway", _PORTKEY, ground.tools)
    module = home / "node_modules" / "@portkey-ai" / "gateway"
    folder, own = ground.folder("portkey"), free_port()
    (folder / "loopback.js").write_text(_LOOPBACK, encoding="utf-8")
    session = Session(
        ["node", "-r", "./loopback.js", str(module / "build" / "start-server.js"), f"--port={own}", "--headless"],
        ground.scratch / "portkey.txt",
        environment={"NODE_ENV": "production"},
        folder=folder,
    )
    upstream = f"x-portkey-custom-host: http://127.0.0.1:{ground.mock.port}/v1"
    place = Place(own, headers=("x-portkey-provider: openai", upstream, "Authorization: Bearer sk-bench"))
    version = json.loads((module / "package.json").read_text(encoding="utf-8"))["version"]
    what = f"Portkey gateway {version}, 1 process: routes by header, keeps no account"
    return [Side("Portkey", what, answering(ground, session, place), place, Pace(wrk_seconds=3, at_once=32))]


def litellm(ground: Ground) -> list[Side]:
    """LiteLLM's proxy without a database, by both of its routes: the one passes on, the other translates."""
    home = _python_peer("litellm", "litellm[proxy]", ground.tools)
    folder, own = ground.folder("litellm"), free_port()
    settings = folder / "config.yaml"
    settings.write_text(_LITELLM.format(model=MODEL, port=ground.mock.port, master=_MASTER_KEY), encoding="utf-8")
    serve = ["--host", "127.0.0.1", "--port", str(own), "--num_workers", "1", "--telemetry", "False"]
    session = Session(
        [str(home / "bin" / "litellm"), "--config", str(settings), *serve],
        ground.scratch / "litellm.txt",
        environment={
            "OPENAI_API_BASE": f"http://127.0.0.1:{ground.mock.port}",
            "OPENAI_API_KEY": "sk-bench-upstream",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        folder=folder,
    )
    headers = (f"Authorization: Bearer {_MASTER_KEY}",)
    passes = Place(own, "/openai_passthrough/v1/chat/completions", headers)
    translates = Place(own, "/v1/chat/completions", headers)
    answering(ground, session, passes)
    answering(ground, session, translates)
    what = f"LiteLLM {_version(home, 'litellm')}, 1 worker, no database:"
    slow = Pace(wrk_seconds=4, at_once=16, calls_a_second=20)
    slower = Pace(wrk_seconds=4, at_once=4, calls_a_second=15, streams_a_second=3)
    return [
        Side("LiteLLM pass", f"{what} its pass-through route", session, passes, slow),
        Side("LiteLLM chat", f"{what} its chat route", session, translates, slower),
    ]


def burnlens(ground: Ground) -> list[Side]:
    """BurnLens with a virtual key that has a budget, on a database of its own."""
    home = _python_peer("burnlens", "burnlens", ground.tools)
    folder, own = ground.folder("burnlens"), free_port()
    settings, start = folder / "burnlens.yaml", folder / "start.py"
    settings.write_text(_BURNLENS.format(folder=folder), encoding="utf-8")
    start.write_text(_BURNLENS_START.format(port=ground.mock.port), encoding="utf-8")
    python = str(home / "bin" / "python")
    environment = {"OPENAI_API_KEY": "sk-bench-upstream", "HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    issue = ["vkey", "issue", "--label", "bench", "--team", "search", "--provider", "openai", "--budget", "1000000"]
    made = Session(
        [python, str(start), *issue, "--upstream-env", "OPENAI_API_KEY", "-c", str(settings)],
        ground.scratch / "burnlens-key.txt",
        environment=environment,
        folder=folder,
    )
    made.process.wait(60)
    made.kill()
    key = re.search(r"bl-sk-[\w-]+", made.said.read_text(encoding="utf-8"))
    if key is None:
        raise NotHadError(f"it made no key: {made.last_words()[:200]}")
    session = Session(
        [python, str(start), "start", "-c", str(settings), "--host", "127.0.0.1", "-p", str(own), "--no-env"],
        ground.scratch / "burnlens.txt",
        environment=environment,
        folder=folder,
    )
    place = Place(own, "/proxy/openai/v1/chat/completions", (f"Authorization: Bearer {key[0]}",))
    what = f"BurnLens {_version(home, 'burnlens')}: virtual key, budget, log, database"
    slow = Pace(wrk_seconds=4, at_once=2, calls_a_second=5, streams_a_second=1)
    return [Side("BurnLens", what, answering(ground, session, place), place, slow)]


def _python_peer(name: str, package: str, tools: Path) -> Path:
    """A Python environment of its own with a package in it."""

    def make(home: Path) -> None:
        _run([sys.executable, "-m", "venv", str(home)], home)
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        _run([*pip, _PIP], home)
        _run([*pip, "--uploaded-prior-to", f"P{_AGE_DAYS}D", package], home)

    return _made(name, tools, make)


def _node_peer(name: str, package: str, settings: str, tools: Path) -> Path:
    """A folder of Node's with a package in it, none of whose install scripts were run."""

    def make(home: Path) -> None:
        (home / "package.json").write_text(settings, encoding="utf-8")
        before = (datetime.now(UTC) - timedelta(days=_AGE_DAYS)).isoformat()
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run(["npm", "install", *quiet, "--before", before, package], home)

    return _made(name, tools, make)


def _made(name: str, tools: Path, make: Callable[[Path], None]) -> Path:
    """The folder of a peer, made unless it is there as a whole.

    Raises:
        NotHadError: It cannot be made.
    """
    home = tools / name
    whole = home / ".whole"
    if not whole.is_file():
        print(f"installing {name} (once)", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        make(home)
        whole.touch()
    return home


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = next((line for line in reversed(lines) if "rror" in line), "it gave no reason")
        raise NotHadError(f"{Path(command[0]).name} cannot install it: {why.strip()[:200]}")


def _version(home: Path, package: str) -> str:
    python = str(home / "bin" / "python")
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
