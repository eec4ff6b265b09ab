"""`apportion gateway` as its user runs it: real processes, from a call to the statement that it is in."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apportion.gateway.usage_log import read_segment
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, says, streams, whole
from tests.gateway.stage import Caller, Stage, playing, request

SECRET = "sk-the-callers-own"  # noqa: S105 - of a test
PATH = "/openai/v1/chat/completions"
SETTINGS = """\
company: Larkspur
currency: USD
dimensions: {{team: [{{tag: team}}]}}
gateway:
  listen: 127.0.0.1:0
  providers: {{openai: {{url: "http://127.0.0.1:{port}"}}{more}}}
bills: [{{name: openai, path: "bills/*.csv"}}]
usage: [{{name: gateway, path: "usage/gateway/*.jsonl"}}]
allocate: [{{name: models, when: "category = 'inference'", method: direct}}]
"""
BILL = """\
BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,\
BillingPeriodEnd,ServiceProviderName,ServiceName,ChargeDescription,InvoiceId
12.00,12.00,USD,Usage,{month}-01,{following}-01,{month}-01,{following}-01,OpenAI,OpenAI API,gpt-4o-2024,INV-1
"""


class Running:
    """A gateway that was started by its command.

    Attributes:
        said: What it wrote to stderr.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "apportion.cli", "gateway", "-p", str(folder)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._log = folder / "usage" / "gateway"
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stderr:
                self.said.append(line)

    def until(self, text: str) -> str:
        """The first line with a text, once it is there."""
        for _ in range(600):
            if found := next((line for line in self.said if text in line), None):
                return found
            time.sleep(0.05)
        raise AssertionError("".join(self.said))

    @property
    def port(self) -> int:
        return int(self.until("metering on").split(",")[0].rpartition(":")[2])

    def worker(self) -> int:
        """The process that answers, once there is one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for _ in range(600):
            if found := children.read_text().split():
                return int(found[0])
            time.sleep(0.05)
        raise AssertionError("no worker")

    def records(self) -> list[dict[str, object]]:
        """Everything in its log."""
        lines = [line for path in sorted(self._log.iterdir()) for line in read_segment(path)]
        assert None not in lines
        return [line for line in lines if line is not None]

    def end(self) -> int:
        """Tell it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextlib.contextmanager
def running(stage: Stage, folder: Path) -> Iterator[Running]:
    """Run the command in front of a stage's upstream; callers of the stage reach it."""
    folder.mkdir(exist_ok=True)
    settings = folder / "apportion.yaml"
    if not settings.exists():
        settings.write_text(SETTINGS.format(port=stage.upstream_port, more=""))
    gateway = Running(folder)
    try:
        stage.port = gateway.port
        yield gateway
    finally:
        gateway.process.kill()
        gateway.process.wait()
        assert gateway.process.stderr is not None
        gateway.process.stderr.close()


def apportion(folder: Path, *words: str) -> str:
    """What a command writes to stdout."""
    command = [sys.executable, "-m", "apportion.cli", *words, "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_call_through_the_gateway_is_in_the_statement(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, running(stage, folder) as gateway:
        with Caller(stage) as caller:
            sent = request(PATH, secret=SECRET, headers=("X-Apportion-Team: search",))
            assert caller.send(sent).answer()[2] == CHAT
        heard = stage.heard[0]
        assert heard.header(b"authorization") == f"Bearer {SECRET}".encode()
        assert heard.header(b"x-apportion-team") is None
        assert gateway.end() == 0
        (record,) = gateway.records()
    assert record["state"] == "measured"
    month = str(record["called_at"])[:7]
    year, number = int(month[:4]), int(month[5:])
    following = f"{year + number // 12}-{number % 12 + 1:02}"
    (folder / "bills").mkdir()
    (folder / "bills" / "openai.csv").write_text(BILL.format(month=month, following=following))
    apportion(folder, "run")
    found = json.loads(apportion(folder, "statement", "--format", "json"))
    assert SECRET not in json.dumps(record)
    rows = {row["team"]: row for row in found["rows"]}
    assert rows["search"]["direct"]["amount"] == "12.00"


def test_rows_that_were_sent_are_in_the_statement(tmp_path: Path) -> None:
    folder = tmp_path / "larkspur"
    with playing(says(whole(CHAT)), tmp_path / "log") as stage, running(stage, folder) as gateway:
        key = apportion(folder, "key", "create", "batch", "--tag", "team=search").strip()
        month = time.strftime("%Y-%m", time.gmtime())
        row = {"provider": "openai", "called_at": time.time(), "response_model": "gpt-4o-2024", "output_tokens": 5}
        body = json.dumps([row | {"call_id": "c-1", "tags": {"team": "other"}}]).encode()
        for _ in range(60):
            with Caller(stage) as caller:
                status, _, answer = caller.send(request("/v1/usage", body, secret=key)).answer()
            if status == 200:
                break
            time.sleep(0.1)
        assert json.loads(answer)["accepted"] == 1
        assert gateway.end() == 0
    following = f"{int(month[:4]) + (month[5:] == '12')}-{int(month[5:]) % 12 + 1:02d}"
    (folder / "bills").mkdir()
    (folder / "bills" / "openai.csv").write_text(BILL.format(month=month, following=following))
    apportion(folder, "run")
    rows = {row["team"]: row for row in json.loads(apportion(folder, "statement", "--format", "json"))["rows"]}
    assert rows["search"]["direct"]["amount"] == "12.00"


def test_a_job_that_was_reported_is_a_row_of_a_meter(tmp_path: Path) -> None:
    folder = tmp_path / "larkspur"
    with playing(says(whole(CHAT)), tmp_path / "log") as stage:
        folder.mkdir()
        settings = SETTINGS.format(port=stage.upstream_port, more="")
        (folder / "apportion.yaml").write_text(settings.replace("  providers:", "  receives: anyone\n  providers:"))
        with running(stage, folder), Caller(stage) as caller:
            row = {"job_id": "train-17", "event": "end", "started_at": "2026-11-27T08:00:00Z", "item": "node-1"}
            body = json.dumps([row | {"at": "2026-11-27T10:00:00Z", "gpu_seconds": 14_400, "tags": {"team": "ml"}}])
            for _ in range(2):
                status, _, answer = caller.send(request("/v1/jobs", body.encode(), secret=None)).answer()
                assert (status, json.loads(answer)["accepted"]) == (200, 1)
    (path,) = (folder / "usage" / "jobs").glob("*.jsonl")
    (record,) = read_segment(path)
    assert record is not None
    assert (record["day"], record["item"], record["gpu_hours"]) == ("2026-11-27", "node-1", "4")


def test_what_is_at_work_when_it_is_told_to_end_is_answered(tmp_path: Path) -> None:
    play = streams([*PIECES, LAST, DONE], pause=0.2)
    with playing(play, tmp_path / "stage") as stage, running(stage, tmp_path / "project") as gateway:
        body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
        with Caller(stage) as caller:
            caller.send(request(PATH, body, secret=SECRET)).head()
            gateway.process.send_signal(signal.SIGTERM)
            assert DONE in caller.rest()
        assert gateway.process.wait(40) == 0
        (record,) = gateway.records()
        assert (record["state"], record["outcome"]) == ("measured", "ok")
        assert not list((tmp_path / "project").glob("**/*.open"))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", stage.port))


def test_a_killed_worker_is_replaced_and_its_records_are_kept(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, running(stage, tmp_path / "project") as gateway:
        with Caller(stage) as caller:
            caller.send(request(PATH, secret=SECRET)).answer()
        os.kill(gateway.worker(), signal.SIGKILL)
        gateway.until("1 records of it were sealed")
        with Caller(stage) as caller:
            assert caller.send(request(PATH, secret=SECRET)).answer()[0] == 200
        assert gateway.end() == 0
        assert len(gateway.records()) == 2


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, running(stage, tmp_path / "project") as gateway:
        with Caller(stage) as caller:
            caller.send(request(PATH, secret=SECRET)).answer()
        worker = gateway.worker()
        gateway.process.kill()
        for _ in range(600):
            if not Path(f"/proc/{worker}").exists():
                break
            time.sleep(0.05)
        assert not Path(f"/proc/{worker}").exists()
        assert len(gateway.records()) == 1


def test_changed_settings_are_taken_up_and_unsound_ones_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    with playing(says(whole(CHAT)), tmp_path / "stage") as stage, running(stage, folder) as gateway:
        port = stage.call(lambda: stage.worker.terms.upstreams["up"].port)
        other = request("/other/v1/chat/completions", secret=SECRET)
        with Caller(stage) as caller:
            assert caller.send(other).answer()[0] == 404
        settings = folder / "apportion.yaml"
        settings.write_text("gateway: {providers: {openai: {url: nowhere}}}")
        gateway.until("the gateway goes on as it was")
        with Caller(stage) as caller:
            assert caller.send(request(PATH, secret=SECRET)).answer()[0] == 200
        more = f', other: {{provider: openai, url: "http://127.0.0.1:{port}"}}'
        settings.write_text(SETTINGS.format(port=port, more=more))
        gateway.until("goes on with the new settings")
        for _ in range(100):
            with Caller(stage) as caller:
                if caller.send(other).answer()[0] == 200:
                    break
            time.sleep(0.05)
        assert gateway.end() == 0
        assert [record["upstream"] for record in gateway.records()] == ["openai", "other"]
