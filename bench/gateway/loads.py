"""What is asked of every side, and by whom: an upstream that costs nothing, wrk, and callers who look at each byte."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from sessions import Session

HERE = Path(__file__).resolve().parent
MODEL = "gpt-4o-mini"
CONNECTIONS = 32
# A call a client would send: about a thousand bytes with its headers.
_PROMPT = "Summarise the ticket below in three sentences for the team that owns the component. " * 6
_LONGEST_WAIT = 300


class Load(NamedTuple):
    """How callers fared.

    Attributes:
        calls: Answers that came.
        seconds: That they were called for.
        failed: Answers with an error, and connections that were cut.
        other_bytes: Answers whose body is not the upstream's; None where nobody looked.
        median_us: Microseconds to the last byte.
        first_us: Microseconds to the first byte of the body; None where nobody looked.
    """

    calls: int
    seconds: float
    failed: int
    other_bytes: int | None
    median_us: int
    first_us: int | None


class Place(NamedTuple):
    """Where a side is called.

    Attributes:
        port: On 127.0.0.1.
        path: Of the call.
        headers: That it needs.
    """

    port: int
    path: str = "/v1/chat/completions"
    headers: tuple[str, ...] = ("Authorization: Bearer sk-bench",)


class Mock:
    """The upstream, and the two bodies that are posted.

    Args:
        tools: Where the compiled programs go.
        scratch: Where bodies and what was said go.
    """

    def __init__(self, tools: Path, scratch: Path) -> None:
        self._callers = compiled("callers", tools)
        self._scratch = scratch
        program = compiled("mock_upstream", tools)
        self.session = Session([str(program)], scratch / "mock.txt", folder=scratch)
        while not (said := self.session.said.read_text(encoding="utf-8")).endswith("\n"):
            if self.session.ended:
                raise SystemExit(f"the mock upstream ended: {self.session.last_words()}")
        self.port = int(said)
        self.place = Place(self.port)
        body: dict[str, Any] = {
            "model": MODEL,
            "messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": _PROMPT}],
            "temperature": 0.2,
            "max_tokens": 400,
        }
        self._write("json", body)
        self._write("stream", {**body, "stream": True, "stream_options": {"include_usage": True}})

    def counts(self) -> tuple[int, int]:
        """How many calls and streams it was asked for so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/counts")
        told = json.loads(connection.getresponse().read())
        connection.close()
        return int(told["calls"]), int(told["streams"])

    def post(self, place: Place, kind: str = "json") -> tuple[int, bytes]:
        """Make one call; its status and its body.

        Raises:
            OSError: The place cannot be reached.
            http.client.HTTPException: It does not speak HTTP.
        """
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
        headers = dict(header.split(": ", 1) for header in place.headers)
        connection.request(
            "POST", place.path, self._body(kind).read_bytes(), {"Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def wrk(self, place: Place, seconds: int) -> Load:
        """Calls on `CONNECTIONS` connections as fast as they are answered."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "60s", "-s", str(HERE / "post.lua")]
        told = _told(
            [*command, f"http://127.0.0.1:{place.port}{place.path}"],
            {"BENCH_BODY": str(self._body("json")), "BENCH_HEADERS": "\n".join(place.headers)},
        )
        return Load(told["calls"], told["seconds"], told["bad_status"] + told["cut"], None, told["median_us"], None)

    def calls(
        self,
        place: Place,
        kind: str,
        *,
        seconds: float,
        connections: int,
        rate: float = 0,
        ids: Path | None = None,
    ) -> Load:
        """Calls whose answers are compared, byte by byte, with the upstream's own; streams come at a model's pace.

        Args:
            place: Where.
            kind: `json` or `stream`.
            seconds: How long new calls are begun; those at work are waited for.
            connections: At most so many at once.
            rate: Calls a second; 0 for each as soon as the last has ended.
            ids: Takes the numbers of the calls whose answers came whole.
        """
        command = [str(self._callers), "-p", str(place.port), "-u", place.path, "-b", str(self._body(kind))]
        command += ["-e", str(self._expected(kind)), "-c", str(connections), "-t", str(seconds), "-r", str(rate)]
        command += ["-i", str(ids)] if ids else []
        told = _told([*command, *(part for header in place.headers for part in ("-H", header))], {})
        failed = told["bad_status"] + (0 if ids else told["cut"])
        return Load(told["calls"], seconds, failed, told["other_bytes"], told["median_us"], told["first_median_us"])

    def _write(self, kind: str, body: dict[str, Any]) -> None:
        self._body(kind).write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
        self._expected(kind).write_bytes(self.post(self.place, kind)[1])

    def _body(self, kind: str) -> Path:
        return self._scratch / f"{kind}.request"

    def _expected(self, kind: str) -> Path:
        return self._scratch / f"{kind}.answer"


def compiled(name: str, tools: Path) -> Path:
    """A program of this folder, compiled unless that was done since it was last changed."""
    source, program = HERE / f"{name}.c", tools / name
    if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = os.environ.get("CC") or shutil.which("cc") or "cc"
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    return program


def _told(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a generator of load and read what it says: the last line, in JSON."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=_LONGEST_WAIT, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found
