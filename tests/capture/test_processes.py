"""Captures in processes that nest them, fork, have threads, are killed, run out of disk or import late."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai as openai_sdk
import pytest

import apportion
from apportion.capturing import log_writer
from apportion.gateway.meters import body as bodies
from apportion.gateway.usage_log import UsageLog, recover
from tests.capture.clients import BODY, HEADERS, PATH
from tests.capture.conftest import Records
from tests.capture.sdks import ASKED, MESSAGES, async_openai, in_pieces, openai
from tests.capture.test_official_clients import upstream
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, chunk, head_of_stream, says, whole
from tests.gateway.stage import Heard, Stage, playing


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A server that answers every call at once."""
    with playing(says(whole(CHAT)), tmp_path / "gateway") as stage:
        yield stage


def post(url: str) -> None:
    """Make a call."""
    with httpx2.Client() as client:
        client.post(url + PATH, content=BODY, headers=HEADERS)


def run(script: str, *words: str, cwd: Path | None = None, kill: bool = False, **env: str) -> subprocess.Popen[str]:
    """Run a program of its own; it is over when this returns, unless it is to be killed."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *words]
    done = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True)
    if not kill:
        assert done.stderr is not None
        said = done.stderr.read()
        assert done.wait(60) == 0, said
        done.stderr.close()
    return done


def test_the_package_stays_light() -> None:
    script = """
        import sys, apportion
        assert not {"httpx2", "pydantic", "orjson", "duckdb", "apportion.capturing"} & set(sys.modules)
        assert callable(apportion.tags) and callable(apportion.capture)
        import apportion.capturing.capture
        assert callable(apportion.capture)
        assert not {"httpx2", "pydantic", "duckdb", "aiohttp", "urllib3", "requests"} & set(sys.modules)
        try:
            apportion.other
        except AttributeError as error:
            assert "other" in str(error)
    """
    run(script)


def test_one_line_captures_a_whole_process_and_clients_that_come_later(
    stage: Stage, log: Path, records: Records
) -> None:
    script = f"""
        import apportion, sys
        apportion.capture(servers={{sys.argv[1]: "openai"}}, tags={{"team": "search"}})
        import httpx2, requests, urllib3
        assert httpx2.__spec__.loader.__class__.__module__ != "apportion.capturing.clients.patches"
        httpx2.post(sys.argv[1] + {PATH!r}, content={BODY!r})
        requests.post(sys.argv[1] + {PATH!r}, data={BODY!r}).content
    """
    run(script, upstream(stage), APPORTION_LOG=str(log))
    found = records()
    assert [(each["state"], each["tags"]) for each in found] == [("measured", {"team": "search"})] * 2
    assert [path.suffix for path in log.iterdir()] == [".jsonl"]


def test_the_log_of_the_project_that_the_process_runs_in(stage: Stage, tmp_path: Path) -> None:
    inside = tmp_path / "project" / "jobs"
    inside.mkdir(parents=True)
    settings = 'company: Larkspur\ncurrency: USD\ngateway: {log: "usage/calls", providers: {openai: {}}}\n'
    (tmp_path / "project" / "apportion.yaml").write_text(settings)
    script = f"""
        import apportion, sys, httpx2
        with apportion.capture(servers={{sys.argv[1]: "openai"}}):
            httpx2.post(sys.argv[1] + {PATH!r}, content={BODY!r})
    """
    run(script, upstream(stage), cwd=inside)
    assert len(list((tmp_path / "project" / "usage" / "calls").glob("*.jsonl"))) == 1


def test_nobody_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("APPORTION_LOG", raising=False)
    with pytest.raises(ValueError, match=r"set APPORTION_LOG, or start in a folder with apportion\.yaml"):
        apportion.capture()


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match=r"the usage log in .* cannot be written"):
        apportion.capture(tmp_path / "file" / "log")
    with pytest.raises(ValueError, match="is no address"):
        apportion.capture(tmp_path, servers={"nowhere": "openai"})
    before = httpx2.HTTPTransport.handle_request
    assert before.__module__.startswith("httpx2")


def test_a_capture_inside_a_capture_meters_once(stage: Stage, tmp_path: Path, log: Path, records: Records) -> None:
    servers = {upstream(stage): "openai"}
    with apportion.capture(tmp_path / "outer", tags={"team": "outer", "env": "prod"}, servers=servers):
        with apportion.capture(log, tags={"team": "inner"}, servers=servers):
            post(upstream(stage))
        post(upstream(stage))
    assert [record["tags"] for record in records()] == [{"team": "inner", "env": "prod"}]
    assert len(list((tmp_path / "outer").glob("*.jsonl"))) == 1


def test_it_can_begin_again_and_writes_nothing_over(stage: Stage, log: Path, records: Records) -> None:
    for _ in range(3):
        with apportion.capture(log, servers={upstream(stage): "openai"}):
            post(upstream(stage))
    assert len(records()) == 3
    assert len({record["record_id"] for record in records()}) == 3


def test_it_works_for_those_who_wait(stage: Stage, log: Path, records: Records) -> None:
    async def job() -> None:
        servers = {upstream(stage): "openai"}
        async with apportion.capture(log, servers=servers), async_openai(upstream(stage)) as client:
            await asyncio.gather(
                *(client.chat.completions.create(model="gpt-4o", messages=MESSAGES) for _ in range(25))
            )

    asyncio.run(job())
    assert Counter(record["state"] for record in records()) == {"measured": 25}


def test_a_call_that_is_given_up_is_written_down(tmp_path: Path, log: Path, records: Records) -> None:
    async def job(url: str) -> None:
        async with apportion.capture(log, servers={url: "openai"}), httpx2.AsyncClient() as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.post(url + PATH, content=BODY, headers=HEADERS)

    with playing(says(3.0), tmp_path / "gateway") as stage:
        asyncio.run(job(upstream(stage)))
    (record,) = records()
    assert (record["state"], record["outcome"]) == ("missing", "caller_gone")


def test_each_try_of_a_client_is_an_attempt(tmp_path: Path, log: Path, records: Records) -> None:
    number = 0

    async def play(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        busy = whole(b'{"error":{"type":"busy"}}', "retry-after-ms: 1", status="503 Service Unavailable")
        writer.write(busy if number < 3 else whole(CHAT))

    with (
        playing(play, tmp_path / "gateway") as stage,
        apportion.capture(log, servers={upstream(stage): "openai"}),
        openai(upstream(stage)).with_options(max_retries=3) as client,
    ):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert [(record["outcome"], record["status"]) for record in records()] == [
        ("error", 503),
        ("error", 503),
        ("ok", 200),
    ]
    assert len({record["record_id"] for record in records()}) == 3


def test_a_stream_that_nobody_closes_is_written_down(tmp_path: Path, log: Path, records: Records) -> None:
    play = says(head_of_stream(), *map(chunk, PIECES), 5.0)
    with (
        playing(play, tmp_path / "gateway") as stage,
        apportion.capture(log, servers={upstream(stage): "openai"}),
        openai(upstream(stage)) as client,
    ):
        made: Any = client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            stream=True,
            stream_options=ASKED,  # type: ignore[call-overload]
        )
        assert next(iter(made)).model == "gpt-4o-2024"
        del made
        gc.collect()
        for _ in range(200):
            if records():
                break
            time.sleep(0.02)
        (record,) = records()
    assert (record["state"], record["outcome"]) == ("estimated", "caller_gone")


def test_threads_share_a_log(stage: Stage, log: Path, records: Records) -> None:
    def work(name: str) -> None:
        with apportion.tags(worker=name), httpx2.Client() as client:
            for _ in range(20):
                client.post(upstream(stage) + PATH, content=BODY, headers=HEADERS)

    with apportion.capture(log, servers={upstream(stage): "openai"}):
        threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Counter(record["tags"]["worker"] for record in records()) == {f"w{n}": 20 for n in range(8)}
    assert len(list(log.iterdir())) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_write_segments_of_their_own(stage: Stage, log: Path, records: Records) -> None:
    with apportion.capture(log, servers={upstream(stage): "openai"}):
        post(upstream(stage))
        fork = multiprocessing.get_context("fork")
        children = [fork.Process(target=post, args=(upstream(stage),)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(30)
            assert child.exitcode == 0
        post(upstream(stage))
    assert len(records()) == 5
    assert Counter(path.suffix for path in log.iterdir()) == {".jsonl": 4}


def test_a_child_of_a_plain_fork_leaves_what_can_be_recovered(stage: Stage, log: Path, records: Records) -> None:
    script = f"""
        import apportion, os, sys, httpx2
        apportion.capture(sys.argv[2], servers={{sys.argv[1]: "openai"}})
        httpx2.post(sys.argv[1] + {PATH!r}, content={BODY!r})
        if not os.fork():
            httpx2.post(sys.argv[1] + {PATH!r}, content={BODY!r})
            os._exit(0)
        os.wait()
    """
    run(script, upstream(stage), str(log))
    assert len(records()) == 2
    assert [found.records for found in recover(log)] == [1]


def test_killed_at_any_moment_no_answer_is_without_its_record(stage: Stage, log: Path, records: Records) -> None:
    script = f"""
        import apportion, sys, httpx2
        apportion.capture(sys.argv[2], servers={{sys.argv[1]: "openai"}})
        with httpx2.Client() as client:
            while True:
                client.post(sys.argv[1] + {PATH!r}, content={BODY!r}).json()
                print("x", file=sys.stderr, flush=True)
    """
    answers = 0
    for seconds in (0.05, 0.11, 0.23):
        job = run(script, upstream(stage), str(log), kill=True)
        assert job.stderr is not None
        job.stderr.readline()
        time.sleep(seconds)
        job.send_signal(signal.SIGKILL)
        answers += 1 + job.stderr.read().count("x")
        job.wait(10)
        job.stderr.close()
    assert sum(path.suffix == ".open" for path in log.iterdir()) >= 1
    with apportion.capture(log):
        assert [path.suffix for path in log.iterdir()] == [".jsonl"] * 3
    assert answers <= len(records()) <= answers + 3


def test_what_is_on_its_way_when_the_process_ends_is_written_down(tmp_path: Path, log: Path, records: Records) -> None:
    script = f"""
        import apportion, sys, httpx2
        apportion.capture(sys.argv[2], servers={{sys.argv[1]: "openai"}})
        client = httpx2.Client()
        answer = client.send(client.build_request("POST", sys.argv[1] + {PATH!r}, content={BODY!r}), stream=True)
        pieces = answer.iter_raw()
        next(pieces)
        import builtins
        builtins.kept = (client, answer, pieces)
    """
    with playing(says(head_of_stream(), *map(chunk, PIECES), 5.0), tmp_path / "gateway") as stage:
        run(script, upstream(stage), str(log))
    (record,) = records()
    assert (record["state"], record["outcome"]) == ("estimated", "caller_gone")


def test_a_full_disk_stops_no_call_and_loses_no_record(
    stage: Stage, log: Path, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with apportion.capture(log, servers={upstream(stage): "openai"}):
        post(upstream(stage))
        size = sum(path.stat().st_size for path in log.iterdir())
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
            for _ in range(5):
                post(upstream(stage))
            assert len(records()) == 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, was)
        post(upstream(stage))
        assert len(records()) == 7
    told = [record.message for record in caplog.records if record.name == "apportion.capture"]
    assert len([text for text in told if "cannot be written" in text]) == 1
    assert "0 records were lost" in told[-1]


def test_our_own_fault_stops_no_call_and_is_told_once(
    stage: Stage, log: Path, records: Records, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr(bodies.DocumentBody, "feed", broken)
    with (
        apportion.capture(log, servers={upstream(stage): "openai"}),
        openai(upstream(stage)) as client,
        caplog.at_level(logging.ERROR),
    ):
        for _ in range(3):
            assert client.chat.completions.create(model="gpt-4o", messages=MESSAGES).model == "gpt-4o-2024"
    assert [(record["state"], record["why"]) for record in records()] == [("missing", "it could not be metered")] * 3
    assert [each.message for each in caplog.records if each.name == "apportion.capture"] == [
        "a call could not be metered: RuntimeError('of ours'); calls go on as if nothing watched them"
    ]


def test_a_record_that_comes_out_of_the_middle_of_a_write_is_written_next(log: Path, records: Records) -> None:
    writer = log_writer.LogWriter(log)
    append = UsageLog.append

    def interrupted(self: Any, lines: Any, *args: Any) -> None:
        # What a collector of memory may do at any allocation.
        if lines[0]["record_id"] == "first":
            writer.write([{"record_id": "second"}])
        append(self, lines, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UsageLog, "append", interrupted)
        writer.write([{"record_id": "first"}])
    writer.close()
    assert [record["record_id"] for record in records()] == ["first", "second"]


def test_a_call_through_a_gateway_is_metered_there_and_only_there(stage: Stage, log: Path, records: Records) -> None:
    with apportion.capture(log), openai(f"http://127.0.0.1:{stage.port}/up") as client:
        client.with_options(api_key="apk-the-callers").chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert len(stage.records()) == 1
    assert records() == []


def test_a_stream_of_a_client_that_stops_early(tmp_path: Path, log: Path, records: Records) -> None:
    with (
        playing(in_pieces([*PIECES, LAST, DONE]), tmp_path / "gateway") as stage,
        apportion.capture(log, servers={upstream(stage): "openai"}),
        openai(upstream(stage)) as client,
    ):
        stream: openai_sdk.Stream[Any] = client.chat.completions.create(
            model="gpt-4o",
            messages=MESSAGES,
            stream=True,
            stream_options=ASKED,  # type: ignore[call-overload]
        )
        next(iter(stream))
        stream.close()
    (record,) = records()
    assert (record["state"], record["outcome"]) == ("estimated", "caller_gone")
