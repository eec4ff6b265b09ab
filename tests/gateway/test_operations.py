"""The gateway as those see it who run it: metrics, logs, TLS, a proxy in front, and how it ends; real processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apportion.gateway.keys import Key
from apportion.gateway.trust import Trust
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, says, streams, whole
from tests.gateway.issuing import Authority, Issued
from tests.gateway.stage import Caller, Stage, playing, request
from tests.gateway.test_command import PATH, SECRET, Running

CANARY = "canary-of-a-prompt"
SETTINGS = """\
company: Larkspur
currency: USD
dimensions: {{team: [{{tag: team}}]}}
gateway:
  listen: 127.0.0.1:{port}
  metrics: 127.0.0.1:{watched}
  workers: {workers}
  providers: {{openai: {{url: "http://127.0.0.1:{upstream}"}}, gone: {{provider: openai, url: "http://127.0.0.1:9"}}}}
{more}
"""


class Gateway(Running):
    """A gateway with an address at which it is watched.

    Attributes:
        address: Of callers.
        watched: Of those who watch.
    """

    def __init__(self, folder: Path, address: int, watched: int) -> None:
        super().__init__(folder)
        self.address = address
        self.watched = watched

    @property
    def port(self) -> int:
        return self.address

    def asked(self, path: str, accept: str = "") -> tuple[int, str]:
        """What the address of those who watch answers."""
        asking = http.client.HTTPConnection("127.0.0.1", self.watched, timeout=20)
        try:
            asking.request("GET", path, headers={"Accept": accept})
            answer = asking.getresponse()
            return answer.status, answer.read().decode()
        finally:
            asking.close()

    def sample(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        lines = [
            line for line in self.asked("/metrics")[1].splitlines() if line.partition(" ")[0].split("{")[0] == name
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(each in line for each in wanted))

    def workers(self) -> list[int]:
        """The processes that answer."""
        return [
            int(each) for each in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]


def until(true: Callable[[], bool]) -> None:
    """Wait for something."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(true)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def operated(stage: Stage, folder: Path, more: str = "", *, workers: int = 1) -> Iterator[Gateway]:
    """Run the command with further settings, in front of a stage's upstream."""
    folder.mkdir(exist_ok=True)
    port, watched = _free_port(), _free_port()
    text = SETTINGS.format(port=port, watched=watched, workers=workers, upstream=stage.upstream_port, more=more)
    (folder / "apportion.yaml").write_text(text)
    gateway = Gateway(folder, port, watched)
    try:
        gateway.until("watched on")
        until(lambda: gateway.sample("apportion_gateway_workers_ready") == workers)
        stage.port = port
        yield gateway
    finally:
        gateway.process.kill()
        gateway.process.wait()
        assert gateway.process.stderr is not None
        gateway.process.stderr.close()


def call(stage: Stage, *, headers: tuple[str, ...] = (), tls: ssl.SSLContext | None = None) -> int:
    """Make a call on a connection of its own; the status of its answer."""
    with Caller(stage) as caller:
        if tls is not None:
            caller.socket = tls.wrap_socket(caller.socket, server_hostname="localhost")
        return caller.send(request(PATH, secret=SECRET, headers=headers)).answer()[0]


# --- metrics


def test_a_scrape_is_the_sum_of_all_workers_and_never_goes_down(tmp_path: Path) -> None:
    calls, count = "apportion_gateway_calls_total", 0
    with (
        playing(says(whole(CHAT)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", workers=2) as gateway,
    ):
        for _ in range(30):
            assert call(stage) == 200
        count += 30
        assert gateway.sample(calls, upstream="openai", outcome="ok", status="2xx") == count
        assert gateway.sample("apportion_gateway_tokens_total", bucket="output") == count * 7
        for number in range(1, 4):
            os.kill(gateway.workers()[0], signal.SIGKILL)
            assert gateway.sample(calls) >= count
            for _ in range(10):
                with contextlib.suppress(EOFError, ConnectionError):
                    count += call(stage) == 200
            assert gateway.sample(calls) >= count
            until(partial(_ended, gateway, number))
            until(lambda: gateway.sample("apportion_gateway_workers_ready") == 2)
        assert gateway.sample("apportion_gateway_segments_sealed_total") >= 1
        until(lambda: gateway.sample("apportion_gateway_log_bytes_total") > 0)
        assert gateway.sample(calls) == count
        assert gateway.end() == 0
        assert len(gateway.records()) == count


def _ended(gateway: Gateway, workers: int) -> bool:
    return gateway.sample("apportion_gateway_worker_ends_total") == workers


def test_both_forms_and_the_other_addresses(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, operated(stage, tmp_path / "project") as gateway:
        call(stage)
        assert gateway.asked("/metrics")[1].count("# TYPE apportion_gateway_calls_total counter\n") == 1
        opened = gateway.asked("/metrics", "application/openmetrics-text;version=1.0.0")[1]
        assert opened.endswith("# EOF\n")
        assert "# TYPE apportion_gateway_calls counter\n" in opened
        assert (gateway.asked("/healthz")[0], gateway.asked("/readyz")[0], gateway.asked("/")[0]) == (200, 200, 404)
        with Caller(stage) as caller:
            assert caller.send(request("/metrics", method="GET")).answer()[0] == 404
        # Whoever connects and says nothing, or nonsense, holds up nobody.
        silent = [socket.create_connection(("127.0.0.1", gateway.watched)) for _ in range(8)]
        silent[0].sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert gateway.asked("/readyz")[0] == 200
        for each in silent:
            each.close()
        assert gateway.end() == 0


def test_a_worker_that_is_stuck_is_not_ready(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, operated(stage, tmp_path / "project") as gateway:
        (worker,) = gateway.workers()
        os.kill(worker, signal.SIGSTOP)
        until(lambda: gateway.asked("/readyz")[0] == 503)
        assert gateway.asked("/healthz") == (503, "no worker is at leisure\n")
        assert gateway.sample("apportion_gateway_workers_ready") == 0
        assert gateway.sample("apportion_gateway_workers") == 1
        os.kill(worker, signal.SIGCONT)
        until(lambda: gateway.asked("/readyz")[0] == 200)


def test_an_address_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, operated(stage, tmp_path / "one") as gateway:
        (tmp_path / "two").mkdir()
        text = (tmp_path / "one" / "apportion.yaml").read_text()
        (tmp_path / "two" / "apportion.yaml").write_text(text.replace(str(gateway.address), "0"))
        other = Running(tmp_path / "two")
        assert other.process.wait(60) == 1
        until(lambda: "`gateway: metrics:`" in "".join(other.said))
        assert other.process.stderr is not None
        other.process.stderr.close()


# --- logs


def test_everything_that_is_told_is_json_and_holds_no_secret_and_no_text(tmp_path: Path) -> None:
    secrets = [CANARY, "sk-canary-of-a-key", "apk-canary-of-a-key", "canary-of-a-header", "canary-of-a-query"]
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": CANARY}], "n": CANARY}).encode()
    other = (f"X-Custom: {secrets[3]}", f"X-Apportion-Key: {secrets[2]}")
    answer = json.dumps({**json.loads(CHAT), "choices": [{"text": CANARY}]}).encode()
    with (
        playing(says(whole(answer)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", "  logs: json\n  access_log: true") as gateway,
    ):
        for path, headers in [
            (PATH, ()),
            (f"{PATH}?q={secrets[4]}&key={secrets[1]}", ()),
            (PATH, other),
            (f"/gone/v1/chat/completions?{secrets[4]}", ()),
            (f"/{CANARY}", ()),
            ("/v1/usage", ()),
        ]:
            with Caller(stage) as caller:
                caller.send(request(path, body, secret=secrets[1], headers=headers)).answer()
        for garbage in (f"{CANARY}\r\n\r\n", f"GET /{CANARY} HTTP/1.1\r\n{CANARY}\r\n\r\n"):
            with Caller(stage) as caller:
                caller.send(garbage.encode()).answer()
        scraped = gateway.asked("/metrics")[1]
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gateway.until("worker-end")
        (tmp_path / "project" / "apportion.yaml").write_text(f"gateway: {{providers: {{openai: {{url: {CANARY}}}}}}}")
        gateway.until("goes on as it was")
        assert gateway.end() == 0
        until(lambda: "stopped" in gateway.said[-1])
        told = [json.loads(line) for line in gateway.said]
        kept = [
            path.read_text(errors="replace") for path in (tmp_path / "project").rglob("*") if path.is_file()
            and path.name != "apportion.yaml"
        ]  # fmt: skip
    events = [each["event"] for each in told]
    assert {"start", "call", "refused", "upstream-unreachable", "worker-end", "reload-refused", "stop"} <= set(events)
    assert all({"at", "level", "event", "message", "process", "pid"} <= set(each) for each in told)
    assert {each["code"] for each in told if each["event"] == "refused"} >= {"key-unknown", "upstream-unknown"}
    calls = [each for each in told if each["event"] == "call"]
    assert {each["upstream"] for each in calls} == {"openai", "gone"}
    # The user's own line of the settings is shown to the user; everything else says nothing of it.
    for text in [*(line for line in gateway.said if "reload-refused" not in line), scraped, *kept]:
        assert not [secret for secret in secrets if secret in text]


def test_an_upstream_that_is_away_is_told_once_and_counted_each_time(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, operated(stage, tmp_path / "project") as gateway:
        for _ in range(20):
            with Caller(stage) as caller:
                assert caller.send(request("/gone/v1/chat/completions", secret=SECRET)).answer()[0] == 502
        line = gateway.until("gone cannot be reached at 127.0.0.1:9")
        assert "refused" in line.lower()
        assert gateway.sample("apportion_gateway_upstream_failures_total", upstream="gone") == 20
        assert gateway.end() == 0
        until(lambda: "has ended" in gateway.said[-1])
        told = [line for line in gateway.said if "cannot be reached" in line]
        assert len(told) == 2
        assert "(19 times more" in told[1]


# --- TLS


def secured(issued: Issued, more: str = "") -> str:
    """Settings of TLS."""
    return f'  tls: {{certificate: "{issued.certificate}", key: "{issued.key}"{more}}}'


def test_calls_come_in_with_tls_and_with_no_old_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        playing(says(whole(CHAT)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", secured(authority.issue("g"))) as gateway,
    ):
        assert "https://" in gateway.until("metering on")
        assert call(stage, tls=authority.caller()) == 200
        old = authority.caller()
        with pytest.warns(DeprecationWarning, match="deprecated"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            call(stage, tls=old)
        with pytest.raises((EOFError, ConnectionError)):
            call(stage)
        end = gateway.sample("apportion_gateway_certificate_end_timestamp_seconds")
        assert abs(end - time.time() - 90 * 86400) < 300
        assert gateway.end() == 0
        assert len(gateway.records()) == 1


def test_a_renewed_certificate_is_taken_up_and_nobody_has_to_leave(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.issue("g")
    with (
        playing(says(whole(CHAT)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", secured(first), workers=2) as gateway,
    ):
        with Caller(stage) as stays:
            stays.socket = authority.caller().wrap_socket(stays.socket, server_hostname="localhost")
            assert stays.send(request(PATH, secret=SECRET)).answer()[0] == 200
            first.key.write_text("no key")
            gateway.until("goes on with the certificate that it has")
            assert _serial(stage, authority) == first.serial
            second = authority.issue("g")
            until(lambda: all(_serial(stage, authority) == second.serial for _ in range(4)))
            assert stays.send(request(PATH, secret=SECRET)).answer()[0] == 200
        assert gateway.end() == 0
        assert len(gateway.records()) == 2


def _serial(stage: Stage, authority: Authority) -> int:
    plain = socket.create_connection(("127.0.0.1", stage.port), timeout=20)
    with authority.caller().wrap_socket(plain, server_hostname="localhost") as shown:
        found: Any = shown.getpeercert()
        return int(found["serialNumber"], 16)


def test_callers_show_a_certificate_and_are_known_by_it(tmp_path: Path) -> None:
    authority, others = Authority(tmp_path), Authority(tmp_path, "Others")
    batch, stranger = authority.issue("batch", "batch"), others.issue("stranger", "batch")
    more = f', client_ca: "{authority.path}", subject: team'
    with (
        playing(says(whole(CHAT)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", secured(authority.issue("g"), more)) as gateway,
    ):
        assert call(stage, tls=authority.caller(batch), headers=("X-Apportion-Team: forged",)) == 200
        unknown = authority.caller()
        unknown.load_cert_chain(stranger.certificate, stranger.key)
        for refused in (authority.caller(), unknown):
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                call(stage, tls=refused)
        # Who probes needs no certificate where the gateway is watched.
        assert gateway.asked("/readyz")[0] == 200
        assert gateway.end() == 0
        (record,) = gateway.records()
    assert record["tags"] == {"team": "batch"}


def test_calls_at_work_end_with_tls_too_and_with_several_workers(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    with (
        playing(streams([*PIECES, LAST, DONE], pause=0.3), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", secured(authority.issue("g")), workers=2) as gateway,
        contextlib.ExitStack() as open_,
    ):
        callers = []
        for _ in range(6):
            caller = open_.enter_context(Caller(stage))
            caller.socket = authority.caller().wrap_socket(caller.socket, server_hostname="localhost")
            caller.send(request(PATH, body, secret=SECRET)).head()
            callers.append(caller)
        gateway.process.send_signal(signal.SIGTERM)
        until(lambda: gateway.asked("/readyz")[0] == 503)
        assert all(DONE in caller.rest() for caller in callers)
        assert gateway.process.wait(40) == 0
        records = gateway.records()
    assert [(each["state"], each["outcome"]) for each in records] == [("measured", "ok")] * 6


def test_half_a_connection_with_tls_leaves_a_record_and_no_fault(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        playing(streams([*PIECES, LAST, DONE], pause=0.1), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", secured(authority.issue("g"))) as gateway,
    ):
        body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
        with Caller(stage) as caller:
            caller.socket = secure = authority.caller().wrap_socket(caller.socket, server_hostname="localhost")
            caller.send(request(PATH, body, secret=SECRET)).head()
            with contextlib.suppress(OSError):
                secure.unwrap()
        until(lambda: gateway.sample("apportion_gateway_calls_total") == 1)
        assert gateway.sample("apportion_gateway_faults_total") == 0
        assert gateway.end() == 0
        (record,) = gateway.records()
    assert record["outcome"] == "caller_gone"


# --- a proxy in front

TRUST = Trust(("127.0.0.0/8",), {"x-forwarded-user": "user", "x-team": "team"})
FORGED = ("X-Forwarded-User: admin", "X-Team: finance")


def told(tmp_path: Path, trust: Trust, *headers: str, key: Key | None = None) -> tuple[dict[str, Any], Stage]:
    """The record of a call that a proxy, or somebody who would be one, sends."""
    terms: dict[str, Any] = {"trust": trust}
    with playing(says(whole(CHAT)), tmp_path, key=key or Key("ak_1"), **terms) as stage:
        with Caller(stage) as caller:
            body = b'{"model":"m","user":"said-by-the-caller"}'
            assert caller.send(request(body=body, headers=headers)).answer()[0] == 200
        (record,) = stage.records()
    heard = stage.heard[0]
    assert (heard.header(b"x-forwarded-user"), heard.header(b"x-team")) == (None, None)
    return record, stage


def test_what_a_trusted_proxy_says_cannot_be_overwritten(tmp_path: Path) -> None:
    sent = ("X-Forwarded-User: ada", "X-Team: search", "X-Apportion-Team: forged", "baggage: apportion.team=forged")
    record, _ = told(tmp_path, TRUST, *sent)
    assert (record["user_id"], record["tags"]) == ("ada", {"team": "search"})


def test_a_key_goes_before_the_proxy(tmp_path: Path) -> None:
    record, _ = told(tmp_path, TRUST, *FORGED, key=Key("ak_1", "batch", {"team": "batch"}))
    assert (record["user_id"], record["tags"]) == ("admin", {"team": "batch"})


def test_from_any_other_address_it_is_worth_nothing_and_is_counted(tmp_path: Path) -> None:
    elsewhere = Trust(("10.0.0.0/8",), TRUST.headers)
    record, stage = told(tmp_path, elsewhere, *FORGED, "X-Forwarded-For: 10.0.0.1", "X-Apportion-Team: own")
    assert (record["user_id"], record["tags"]) == ("said-by-the-caller", {"team": "own"})
    assert stage.worker.metrics.of("untrusted_headers") == 2


def test_a_header_that_came_twice_is_refused_before_the_provider(tmp_path: Path) -> None:
    terms: dict[str, Any] = {"trust": TRUST}
    with playing(says(whole(CHAT)), tmp_path, **terms) as stage:
        with Caller(stage) as caller:
            status, headers, _ = caller.send(request(headers=(*FORGED, "X-Forwarded-User: ada"))).answer()
        assert (status, headers["x-apportion-refused"]) == (400, "identity-unclear")
        assert stage.heard == []
        assert stage.worker.metrics.of("refused", "identity-unclear") == 1


def test_the_settings_say_who_is_trusted(tmp_path: Path) -> None:
    more = "  trust: {from: 127.0.0.1, headers: {X-Forwarded-User: user, X-Team: team}}"
    with (
        playing(says(whole(CHAT)), tmp_path / "stage") as stage,
        operated(stage, tmp_path / "project", more) as gateway,
    ):
        assert call(stage, headers=("X-Forwarded-User: ada", "X-Team: search")) == 200
        assert gateway.end() == 0
        (record,) = gateway.records()
    assert (record["user_id"], record["tags"]) == ("ada", {"team": "search"})
