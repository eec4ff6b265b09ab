"""The sides that need nothing but this machine: the upstream itself, nginx, and the gateway with everything on."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from loads import Mock, Place
from sessions import Session

_START_SECONDS = 120.0
# What a key asks for and what each call carries; a call has one more tag where its number is asked for.
_GATEWAY = """\
company: Bench
currency: USD
owner: team
gateway:
  listen: 127.0.0.1:0
  callers: keys
  providers:
    openai: {{url: "http://127.0.0.1:{port}", key_from: "file:{secret}"}}
  requires: [team]
  untagged: reject
  limits:
    - {{name: search, for: {{team: search}}, per: month, money: 1000000}}
    - {{name: customers, each: customer, per: day, tokens: 100000000000}}
    - {{name: keys, each: key, per: minute, calls: 10000000}}
usage: [{{name: gateway, path: "usage/gateway/*.jsonl"}}]
dimensions: {{team: [{{tag: team}}], customer: [{{tag: customer}}]}}
"""
_NGINX = """\
daemon off;
{user}worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream provider {{ server 127.0.0.1:{port}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{own} backlog=4096;
    keepalive_requests 100000000;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


class NotHadError(Exception):
    """A side that cannot be had here; the text says why."""


class Pace(NamedTuple):
    """What a side is asked for, so that it is busy and not buried.

    Attributes:
        wrk_seconds: How long wrk calls it.
        at_once: Streams at once.
        calls_a_second: One at a time, for the time that a call takes.
        streams_a_second: For the time to the first byte.
    """

    wrk_seconds: int = 2
    at_once: int = 100
    calls_a_second: int = 30
    streams_a_second: int = 10


class Side(NamedTuple):
    """One way from a caller to the upstream.

    Attributes:
        name: For people and `--only`.
        what: Which program, which version, and what it does.
        session: That serves it.
        place: Where it is called.
        pace: What it is asked for.
    """

    name: str
    what: str
    session: Session
    place: Place
    pace: Pace = Pace()


class Ground(NamedTuple):
    """What sides are set up on.

    Attributes:
        mock: The upstream.
        scratch: A folder that is removed in the end.
        tools: A folder that is kept, for what was installed and compiled.
    """

    mock: Mock
    scratch: Path
    tools: Path

    def folder(self, name: str) -> Path:
        """A new empty folder of a side."""
        made = self.scratch / name
        made.mkdir()
        return made


def direct(ground: Ground) -> Side:
    """The upstream itself."""
    return Side("direct", "the mock upstream itself", ground.mock.session, ground.mock.place)


def nginx(ground: Ground) -> Side:
    """A plain proxy with connections kept alive on both sides, which meters nothing."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NotHadError("there is no nginx on the path (Debian: apt-get install nginx-light)")
    folder, own = ground.folder("nginx"), free_port()
    # Started by root, its workers would become somebody who may not write here.
    user = f"user {_user()};\n" if os.geteuid() == 0 else ""
    settings = folder / "nginx.conf"
    settings.write_text(_NGINX.format(user=user, folder=folder, port=ground.mock.port, own=own), encoding="utf-8")
    session = Session([program, "-p", str(folder), "-c", str(settings)], ground.scratch / "nginx.txt", folder=folder)
    version = (
        subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr.split("/")[-1].split()[0]
    )
    what = f"nginx {version}, 1 worker: passes on, connections kept, no buffering, no metering"
    return Side("nginx", what, answering(ground, session, Place(own)), Place(own))


def apportion(ground: Ground, name: str = "apportion") -> Side:
    """The gateway in front of the upstream: a key, required tags, three limits, meters and a durable log."""
    folder = ground.folder(name)
    program = str(Path(sys.executable).with_name("apportion"))
    secret = folder / "provider.key"
    secret.write_text("sk-bench-upstream", encoding="utf-8")
    settings = _GATEWAY.format(port=ground.mock.port, secret=secret)
    (folder / "apportion.yaml").write_text(settings, encoding="utf-8")
    made = subprocess.run(
        [program, "key", "create", "bench", "--tag", "team=search", "--requires", "customer", "--reject-untagged"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise NotHadError(f"no key could be made: {made.stderr.strip()}")
    session = Session([program, "gateway"], ground.scratch / f"{name}.txt", folder=folder)
    headers = (f"Authorization: Bearer {made.stdout.strip()}", "x-apportion-customer: acme")
    place = Place(_told_port(session), "/openai/v1/chat/completions", headers)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()[-1:]
    what = f"apportion {' '.join(version)}, 1 worker: key, required tags, 3 limits, meters, log on disk"
    return Side(name, what, answering(ground, session, place), place)


def records(folder: Path) -> Iterator[dict[str, object]]:
    """The whole lines of the usage log of a gateway, sealed or not."""
    for segment in sorted((folder / "usage" / "gateway").glob("*")):
        with segment.open("rb") as lines:
            for line in lines:
                if line.endswith(b"}\n"):
                    yield json.loads(line)


def answering(ground: Ground, session: Session, place: Place) -> Session:
    """Wait for the first call that goes through; it ends the session where none does."""
    end = time.monotonic() + _START_SECONDS
    status = 0
    while time.monotonic() < end and not session.ended:
        try:
            status, _ = ground.mock.post(place)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == http.client.OK:
            return session
        time.sleep(0.1)
    said = f"answers {status}" if status else "does not answer"
    session.kill()
    raise NotHadError(f"it {said}; its last words: {session.last_words()[:200]}")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _told_port(session: Session) -> int:
    """The port that the gateway says it is on."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and not session.ended:
        for line in session.said.read_text(encoding="utf-8").splitlines():
            _, found, rest = line.partition("metering on ")
            if found:
                return int(rest.split(",")[0].rpartition(":")[2])
        time.sleep(0.05)
    session.kill()
    raise NotHadError(f"it does not start; its last words: {session.last_words()[:200]}")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
