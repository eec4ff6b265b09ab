"""The callback for LiteLLM, without LiteLLM: what it tells, and what it does while nobody takes it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from apportion import litellm_callback
from apportion.gateway.usage_log import read_segment
from apportion.litellm_callback import Callback, outbox
from apportion.litellm_callback.outbox import Outbox
from apportion.litellm_callback.telling import answered, told
from apportion.litellm_callback.ways import ComeAgainError, FolderWay, GatewayWay
from tests.conftest import ROOT
from tests.gateway.answers import says
from tests.gateway.stage import SECRET, playing
from tests.unit.gateway.receivers.test_litellm import payload

WORDS = "secret words"


class Server:
    """A server that answers what it is told to, in turn; the last answer for ever."""

    def __init__(self, *answers: int) -> None:
        self.bodies: list[list[dict[str, Any]]] = []
        self.headers: list[Mapping[str, str]] = []
        waiting = list(answers)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                if status == 0:
                    self.connection.close()
                    self.close_connection = True
                    return
                owner.headers.append(dict(self.headers))
                if status == 200:
                    owner.bodies.append([json.loads(line) for line in content.splitlines()])
                said = b'{"rejected": 1, "errors": ["no row"], "detail": "why"}' if status != 200 else b"{}"
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        """What was taken, in its order."""
        return [each["id"] for body in self.bodies for each in body]


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(*answers: int) -> Server:
        made.append(Server(*answers))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def several(number: int) -> list[dict[str, Any]]:
    return [{"id": str(place)} for place in range(number)]


@pytest.mark.parametrize("answers", [(200,), (503, 500, 200), (401, 404, 429, 200), (0, 0, 0, 200)])
def test_what_is_not_taken_is_sent_again(server: Callable[..., Server], answers: tuple[int, ...]) -> None:
    there = server(*answers)
    box = Outbox(GatewayWay(there.url, "apk-1"), pause=0.01)
    for each in several(3):
        box.put(each)
    until(lambda: box.sent == 3)
    assert (there.ids, box.waiting, box.lost) == (["0", "1", "2"], 0, 0)
    assert {each["x-apportion-key"] for each in there.headers} == {"apk-1"}
    box.close()


def test_a_gateway_that_is_not_there_yet(server: Callable[..., Server]) -> None:
    gone = server(200)
    gone.server.server_close()
    box = Outbox(GatewayWay(gone.url, ""), pause=0.01)
    box.put({"id": "0"})
    time.sleep(0.5)
    assert (box.sent, box.waiting) == (0, 1)
    there = server(200)
    box._way = GatewayWay(there.url, "")
    until(lambda: box.sent == 1)
    assert there.ids == ["0"]
    box.close()


@pytest.mark.parametrize("status", [400, 415, 422])
def test_what_will_never_be_taken_is_told_and_let_go(
    server: Callable[..., Server], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    there = server(status, 200)
    box = Outbox(GatewayWay(there.url, ""), pause=0.01)
    box.put({"id": "0"})
    until(lambda: box.waiting == 0)
    box.put({"id": "1"})
    until(lambda: there.ids == ["1"])
    box.close()
    assert any(str(status) in each.message or "no row" in each.message for each in caplog.records)


def test_a_body_that_is_too_large_is_halved(server: Callable[..., Server]) -> None:
    there = server(413, 413, 200)
    way = GatewayWay(there.url, "")
    way.take(several(4))
    way.close()
    assert there.ids == ["0", "1", "2", "3"]
    assert [len(body) for body in there.bodies] == [1, 1, 2]


def test_more_than_can_wait_is_counted(server: Callable[..., Server], caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(outbox, "MOST_WAITING", 2):
        box = Outbox(GatewayWay(server(503).url, ""), pause=0.01)
        for each in several(5):
            box.put(each)
        assert (box.waiting, box.lost) == (2, 3)
        box.close(5)
    assert (box.sent, box.lost) == (0, 5)
    assert any("are lost: 2 wait already" in each.message for each in caplog.records)
    assert any("2 calls could not be told before the process ended" in each.message for each in caplog.records)


def test_what_waits_is_sent_before_the_end(server: Callable[..., Server]) -> None:
    there = server(200)
    box = Outbox(GatewayWay(there.url, ""))
    for each in several(1200):
        box.put(each)
    box.close()
    assert there.ids == [str(place) for place in range(1200)]
    assert (box.sent, box.lost) == (1200, 0)
    assert max(map(len, there.bodies)) == outbox.MOST_AT_ONCE


@pytest.mark.parametrize("url", ["gateway:4141", "ftp://gateway", "http://", ""])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a gateway"):
        GatewayWay(url, "")


def test_a_redirection_takes_no_key_elsewhere(server: Callable[..., Server]) -> None:
    there = server(307)
    way = GatewayWay(there.url, "apk-1")
    with pytest.raises(ComeAgainError, match="307"):
        way.take([{"id": "0"}])
    way.close()
    assert len(there.headers) == 1


def test_nothing_that_was_written_is_told() -> None:
    found = told(
        payload(
            metadata={
                "requester_metadata": {"note": WORDS * 30, "team": "search", "headers": {"cookie": "c"}},
                "requester_custom_headers": {"X-Apportion-Team": "a", "X-Apportion-Key": "apk-1", "x-trace": "t"},
                "prompt_management_metadata": {"prompt_variables": WORDS},
                "usage_object": {"prompt_tokens": 1, "odd": float("nan"), "kind": object()},
            },
            error_information={"error_message": WORDS, "error_class": "Timeout"},
        )
    )
    assert WORDS not in json.dumps(found, allow_nan=False)
    assert found["metadata"] == {
        "requester_metadata": {"note": None, "team": "search"},
        "requester_custom_headers": {"x-apportion-team": "a"},
        "usage_object": {"prompt_tokens": 1, "odd": None, "kind": None},
    }
    assert found["response"] == {"model": "fast"}
    assert found["error_information"] == {"error_class": "Timeout"}


@pytest.mark.parametrize(
    ("original", "hidden", "said"),
    [
        ('{"id": "msg_1", "model": "claude-1"}', {}, {"response_id": "msg_1", "response_model": "claude-1"}),
        ('{"responseId": "g-1", "modelVersion": "flash"}', {}, {"response_id": "g-1", "response_model": "flash"}),
        ("first stream response received", {"provider_response_model": "m"}, {"response_model": "m"}),
        ('{"id": 7', None, {}),
        ('{"id": "' + "x" * 70_000 + '"}', {}, {}),
        (None, {"provider_response_model": None}, {}),
    ],
)
def test_what_the_provider_called_its_answer(original: Any, hidden: Any, said: dict[str, str]) -> None:
    response = SimpleNamespace(_hidden_params=hidden)
    assert answered({"original_response": original}, response) == said


def test_an_answer_from_the_cache_has_no_id_of_its_own() -> None:
    assert answered({"original_response": '{"id": "msg_1"}', "cache_hit": True}, None) == {}


def test_every_event_is_told_once_to_a_gateway(tmp_path: Path) -> None:
    with playing(says(), tmp_path) as stage:
        made = Callback({"APPORTION_URL": f"http://127.0.0.1:{stage.port}", "APPORTION_KEY": SECRET})
        events = [{"standard_logging_object": payload(litellm_call_id=f"call-{place}")} for place in range(4)]
        made.log_success_event(events[0], None, None, None)
        made.log_failure_event(events[1], None, None, None)
        asyncio.run(made.async_log_success_event(events[2], None, None, None))
        asyncio.run(made.async_log_failure_event(events[3], None, None, None))
        made.log_success_event({"model": "m"}, None, None, None)
        made.log_success_event(None, None, None, None)
        found = stage.records(4)
        assert len({record["record_id"] for record in found}) == 4
        assert {record["sent_by"] for record in found} == {"ak_1"}
        made.outbox.close()
        assert made.outbox.sent == 4


def test_a_folder_is_written_like_a_gateways_log(tmp_path: Path) -> None:
    way = FolderWay(tmp_path)
    box = Outbox(way)
    box.put(told(payload()))
    box.put({"id": "without a time"})
    box.close()
    (segment,) = tmp_path.iterdir()
    assert segment.suffix == ".jsonl"
    (record,) = read_segment(segment)
    assert record is not None
    assert (record["via"], record["uncached_input_tokens"], record["call_id"]) == ("litellm", 36, "chatcmpl-1")


def test_without_a_place_to_tell_it_does_not_start() -> None:
    with pytest.raises(ValueError, match="set APPORTION_URL and APPORTION_KEY to a gateway, or APPORTION_LOG"):
        Callback({})
    with pytest.raises(AttributeError):
        litellm_callback.other  # noqa: B018 - that it is not there is the test


def test_it_loads_nothing_but_itself(tmp_path: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import apportion.litellm_callback as c; c.callback; "
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(n for n in names if n not in sys.stdlib_module_names), "
        "sorted(n for n in sys.modules if n.startswith('apportion') and 'litellm_callback' not in n))"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "APPORTION_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['apportion'] ['apportion']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_worker_that_was_forked_tells_by_itself(server: Callable[..., Server]) -> None:
    there = server(200)
    code = (
        "import os, apportion.litellm_callback as c; c.callback.outbox.put({'id': 'parent'})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    c.callback.outbox.put({'id': 'child'}); c.callback.outbox.close(); os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "APPORTION_URL": there.url}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert sorted(there.ids) == ["child", "parent"]
