"""Whatever breaks, every attempt leaves exactly one record, and nobody takes half an answer for a whole one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from apportion.gateway.keys import Key
from apportion.gateway.usage_log import UsageLog, read_segment, recover
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, chunk, head_of_stream, says, streams, whole
from tests.gateway.stage import SECRET, Caller, Heard, Play, Stage, playing, request

STREAM = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":["word word"]}'


def only(stage: Stage) -> dict[str, Any]:
    """The one record."""
    (record,) = stage.records()
    time.sleep(0.05)
    assert len(stage.records()) == 1
    return record


# --- the caller leaves


def test_a_caller_that_leaves_a_stream_has_its_usage_measured(tmp_path: Path) -> None:
    with playing(streams([*PIECES, LAST, DONE], pause=0.03), tmp_path) as stage:
        caller = Caller(stage).send(request(body=STREAM))
        caller.exactly(len(PIECES[0]))
        caller.close()
        record = only(stage)
        assert (record["outcome"], record["state"], record["output_tokens"]) == ("caller_gone", "measured", 7)


def test_beyond_the_limit_the_rest_is_estimated(tmp_path: Path) -> None:
    with playing(streams(PIECES * 100, pause=0.05), tmp_path, drain_seconds=0.3) as stage:
        caller = Caller(stage).send(request(body=STREAM))
        caller.exactly(len(PIECES[0]))
        caller.close()
        record = only(stage)
        assert (record["outcome"], record["state"]) == ("caller_gone", "estimated")
        assert record["output_tokens"] >= 1
        assert "cut off" in record["why"]


def test_a_caller_that_leaves_before_it_has_asked_leaves_nothing(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage:
        Caller(stage).send(request()[:-5]).close()
        time.sleep(0.1)
        assert (stage.heard, list(tmp_path.iterdir())) == ([], [])


def test_a_caller_that_has_closed_its_half_still_gets_its_answer(tmp_path: Path) -> None:
    with playing(says(0.1, whole()), tmp_path) as stage, Caller(stage) as caller:
        caller.send(request()).socket.shutdown(socket.SHUT_WR)
        assert caller.answer()[2] == CHAT
        assert only(stage)["outcome"] == "ok"


def test_a_slow_caller_holds_the_upstream_back_and_not_the_memory(tmp_path: Path) -> None:
    sent = 0

    async def flood(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 104857600\r\n\r\n")
        for _n in range(1600):
            writer.write(bytes(1 << 16))
            await writer.drain()
            sent += 1 << 16

    with playing(flood, tmp_path) as stage, Caller(stage) as caller:
        caller.send(request("/up/v1/files/f/content", method="GET"))
        time.sleep(0.5)
        # What lies between is in the buffers of sockets and not in the gateway's.
        assert sent < 40 << 20
        assert len(caller.answer()[2]) == 104857600
        assert only(stage)["outcome"] == "ok"


# --- the upstream breaks


@pytest.mark.parametrize(
    ("play", "state"),
    [
        (says(head_of_stream() + chunk(PIECES[0]) + chunk(PIECES[1]), close=True), "estimated"),
        (says(head_of_stream() + chunk(PIECES[0]) + chunk(LAST), close=True), "measured"),
        (says(head_of_stream() + chunk(PIECES[0]) + b"zz\r\n"), "estimated"),
        (says(whole()[:-20], close=True), "estimated"),
        (says(head_of_stream() + b"fffffffff\r\n" + PIECES[0], close=True), "estimated"),
    ],
    ids=["between events", "behind the usage", "no chunk", "a document", "an endless chunk"],
)
def test_an_answer_that_breaks_off_breaks_off_for_the_caller_too(tmp_path: Path, play: Play, state: str) -> None:
    with playing(play, tmp_path) as stage, Caller(stage) as caller:
        caller.send(request(body=STREAM))
        with pytest.raises((EOFError, ConnectionError)):
            caller.answer()
        record = only(stage)
        assert (record["outcome"], record["state"]) == ("cut", state)


@pytest.mark.parametrize(
    "play",
    [
        says(b"", close=True),
        says(b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
        says(b"SSH-2.0-OpenSSH\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (80 << 10)),
    ],
    ids=["nothing", "half a head", "another protocol", "two lengths", "an endless head"],
)
def test_what_is_no_answer_is_told_in_the_provider_s_form(tmp_path: Path, play: Play) -> None:
    with playing(play, tmp_path) as stage, Caller(stage) as caller:
        status, headers, body = caller.send(request(body=STREAM)).answer()
        assert (status, headers["x-apportion-refused"]) == (502, "upstream-broke-off")
        assert json.loads(body)["error"]["code"] == "upstream-broke-off"
        record = only(stage)
        assert (record["outcome"], record["state"], "status" in record) == ("cut", "missing", False)


def test_an_upstream_that_is_not_there(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        dead = socket.create_server(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        dead.close()
        terms = stage.worker.terms
        from dataclasses import replace

        gone = replace(terms.upstreams["up"], port=port)
        stage.call(lambda: setattr(stage.worker, "terms", replace(terms, upstreams={"up": gone})))
        status, headers, _ = caller.send(request()).answer()
        assert (status, headers["x-apportion-refused"]) == (502, "upstream-unreachable")
        assert only(stage)["outcome"] == "refused_by_network"


@pytest.mark.parametrize(
    ("play", "status"), [(says(30.0), 504), (says(head_of_stream() + chunk(PIECES[0]), 30.0), 200)]
)
def test_an_upstream_that_stalls_is_left(tmp_path: Path, play: Play, status: int) -> None:
    with playing(play, tmp_path, first_byte_seconds=0.3, idle_seconds=0.3) as stage, Caller(stage) as caller:
        caller.send(request(body=STREAM))
        found, _ = caller.head()
        assert found == status
        record = only(stage)
        assert record["outcome"] == "timed_out"
        assert record["state"] == ("missing" if status == 504 else "estimated")


def test_a_connection_that_was_closed_while_idle_costs_no_call(tmp_path: Path) -> None:
    turns = iter([says(whole(), close=True), says(whole())])

    async def play(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(turns)(heard, reader, writer)

    with playing(play, tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(request()).answer()[0] == 200
        time.sleep(0.1)
        assert caller.send(request()).answer()[0] == 200
        assert stage.connections == 2
        assert {record["outcome"] for record in stage.records(2)} <= {"ok", "sent_again"}


def test_an_answer_behind_an_answer_in_chunks_breaks_it_off(tmp_path: Path) -> None:
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    with playing(says(head_of_stream(), 0.05, chunk(DONE) + b"0\r\n\r\n" + smuggled), tmp_path) as stage:
        caller = Caller(stage).send(request(body=STREAM))
        assert caller.head()[0] == 200
        with pytest.raises((EOFError, ConnectionError)):
            caller.exactly(100)
        caller.close()


def test_an_answer_behind_the_answer_is_nobody_s(tmp_path: Path) -> None:
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    with playing(says(whole() + smuggled), tmp_path) as stage:
        with Caller(stage) as caller:
            assert caller.send(request()).answer()[2] == CHAT
        with Caller(stage) as caller:
            assert caller.send(request()).answer()[2] == CHAT
        assert stage.connections == 2


def test_an_answer_of_a_hundred_megabytes_is_passed_on_and_not_looked_into(tmp_path: Path) -> None:
    body = b'{"x":"' + b"a" * (100 << 20) + b'"}'
    with playing(says(whole(body)), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(request()).answer()[2] == body
        record = only(stage)
        assert (record["outcome"], record["state"]) == ("ok", "estimated")
        assert "larger than 32 MiB" in record["why"]


# --- requests that nobody should send


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("/up/../x"), 400),
        (request("/up/%2e%2e/x"), 400),
        (request("//up/v1"), 400),
        (b"GET http://evil.example/up/v1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (request(headers=("Content-Length: 5",)), 400),
        (request(headers=("Transfer-Encoding: chunked",)), 400),
        (request(headers=("Transfer-Encoding: identity, chunked",)), 400),
        (request(headers=("Transfer-Encoding : chunked",)), 400),
        (request(headers=(" folded: x",)), 400),
        (request(headers=("X: a\x00b",)), 400),
        (request(headers=("Host: other",)), 400),
        (request(headers=("Upgrade: websocket", "Connection: Upgrade")), 400),
        (request(headers=("X: " + "y" * (70 << 10),)), 431),
        (request(headers=tuple(f"X-{n}: y" for n in range(250))), 431),
        (request("/up/" + "y" * 9000), 414),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (request("/nowhere/v1"), 404),
        (request("/up"), 404),
        (request(secret=None), 401),
        (request(secret="apk-wrong"), 401),  # noqa: S106 - wrong on purpose
        (request(secret="sk-mine"), 401),  # noqa: S106 - as above
    ],
)
def test_odd_requests_reach_no_provider(tmp_path: Path, raw: bytes, status: int) -> None:
    played = says(whole(b'{"error":{}}', status="404 Not Found"))
    with playing(played, tmp_path) as stage, Caller(stage) as caller:
        caller.socket.settimeout(5)
        assert caller.send(raw).head()[0] == status
        if raw.startswith(b"POST /up "):
            return
        assert stage.heard == []
        assert list(tmp_path.iterdir()) == []


def test_a_smuggled_request_is_never_another_caller_s(tmp_path: Path) -> None:
    hidden = request("/up/v1/files", b"x" * 10)
    with playing(says(whole()), tmp_path) as stage:
        with Caller(stage) as caller:
            caller.send(request(body=b'{"model":"m"}') + hidden)
            assert caller.answer()[2] == CHAT
            assert caller.rest() == b""
        assert len(stage.heard) == 1


def test_keys_that_are_no_more(tmp_path: Path) -> None:
    for key, why in (
        (Key("ak", revoked=True), "revoked"),
        (Key("ak", expires_at=1.0), "expired"),
        (Key("ak", upstreams=frozenset({"other"})), "may not call"),
    ):
        with playing(says(whole()), tmp_path / why, key=key) as stage, Caller(stage) as caller:
            status, _, body = caller.send(request()).answer()
            assert status in {401, 403}
            assert why in json.loads(body)["error"]["message"]
            assert stage.heard == []


@pytest.mark.parametrize(
    ("provider", "path", "key"),
    [
        ("anthropic", "/up/v1/messages", "error"),
        ("gcp.gemini", "/up/v1beta/models/m:generateContent", "error"),
        ("aws.bedrock", "/up/model/m/converse", "message"),
    ],
)
def test_refusals_are_in_the_form_of_the_provider(tmp_path: Path, provider: str, path: str, key: str) -> None:
    with playing(says(whole()), tmp_path, provider=provider) as stage, Caller(stage) as caller:
        status, headers, body = caller.send(request(path, secret=None)).answer()
        assert (status, key in json.loads(body)) == (401, True)
        assert ("x-amzn-errortype" in headers) == (provider == "aws.bedrock")


def test_after_a_refusal_the_connection_goes_on(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(request("/nowhere", method="GET")).answer()[0] == 404
        assert caller.send(request()).answer()[0] == 200
        assert caller.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").answer()[2] == b"ok\n"


# --- the log and the process


@pytest.mark.parametrize("refuses", [False, True])
def test_a_full_disk_follows_the_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    real = os.write
    full = True

    def write(at: int, data: bytes) -> int:
        if full and b'"record_id"' in data:
            raise OSError(28, "No space left on device")
        return real(at, data)

    with playing(says(whole()), tmp_path, refuse_when_full=refuses) as stage, Caller(stage) as caller:
        monkeypatch.setattr(os, "write", write)
        assert caller.send(request()).answer()[0] == 200
        second = caller.send(request()).answer()
        assert second[0] == (503 if refuses else 200)
        ready = caller.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").answer()[0]
        assert ready == (503 if refuses else 200)
        full = False
        found = stage.records(1 if refuses else 2)
        assert {record["state"] for record in found} == {"measured"}
        assert stage.worker.metrics.of("records_lost") == 0
        assert caller.send(request()).answer()[0] == 200


def test_strictly_the_last_byte_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    real = os.fdatasync

    def sync(at: int) -> None:
        gate.wait(10)
        real(at)

    with playing(says(whole()), tmp_path, strict=True) as stage, Caller(stage) as caller:
        monkeypatch.setattr(os, "fdatasync", sync)
        assert caller.send(request()).head()[0] == 200
        caller.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.exactly(len(CHAT))
        gate.set()
        caller.socket.settimeout(10)
        assert caller.exactly(len(CHAT)) == CHAT


def test_shutting_down_writes_down_what_was_at_work(tmp_path: Path) -> None:
    with playing(streams([*PIECES, LAST, DONE], pause=0.5), tmp_path) as stage:
        caller = Caller(stage).send(request(body=STREAM))
        caller.exactly(len(PIECES[0]))
    (record,) = [record for path in tmp_path.glob("*.jsonl") for record in read_segment(path)]
    assert record is not None
    assert (record["outcome"], record["state"]) == ("shut_down", "estimated")
    caller.close()


GATEWAY = """
import asyncio, sys
from pathlib import Path
from apportion.gateway.inbound import Inbound
from apportion.gateway.keys import Key, KeyTable, digest
from apportion.gateway.upstream import Terms, Upstream
from apportion.gateway.usage_log import UsageLog
from apportion.gateway.worker import Worker

async def main():
    loop = asyncio.get_running_loop()
    up = Upstream.of("up", "openai", sys.argv[1], "bearer", "sk")
    log = UsageLog(Path(sys.argv[2]), "killed", seal_bytes=60_000)
    worker = Worker(Terms(upstreams={"up": up}), KeyTable({digest(sys.argv[3]): Key("ak")}), log, loop)
    server = await loop.create_server(lambda: Inbound(worker), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [40, 90, 170])
def test_killed_under_load_no_answer_is_without_its_record(tmp_path: Path, after: int) -> None:
    numbers = iter(range(10**6))

    async def numbered(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"id": f"c-{next(numbers)}", "choices": [], "usage": {"prompt_tokens": 1}}).encode()
        writer.write(whole(body))

    with playing(numbered, tmp_path / "stage") as stage:
        port = stage.call(lambda: stage.worker.terms.upstreams["up"].port)
        folder = tmp_path / "log"
        process = subprocess.Popen(
            [sys.executable, "-c", GATEWAY, f"http://127.0.0.1:{port}", str(folder), SECRET],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        stage.port = int(process.stdout.readline())
        got: list[str] = []

        def load() -> None:
            caller = Caller(stage)
            try:
                while True:
                    got.append(json.loads(caller.send(request()).answer()[2])["id"])
            except (EOFError, OSError):
                caller.close()

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(got) < after:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for thread in threads:
            thread.join(10)
    recover(folder)
    written = {record["call_id"] for path in folder.glob("*.jsonl") for record in read_segment(path) if record}
    assert len(got) >= after
    assert set(got) - written == set()


def test_the_log_of_another_process_is_left_alone(tmp_path: Path) -> None:
    other = UsageLog(tmp_path, "other")
    other.append([{"n": 1}])
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(request()).answer()[0] == 200
        assert recover(tmp_path) == []
    other.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
