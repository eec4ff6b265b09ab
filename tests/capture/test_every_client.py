"""What a record says of an answer that ends, breaks off, is left or never comes, whichever client waits for it."""

from __future__ import annotations

import contextlib
import gzip
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import apportion
from tests.capture.clients import CLIENTS, Client
from tests.capture.conftest import Records
from tests.capture.sdks import in_pieces
from tests.capture.test_official_clients import upstream
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, chunk, head_of_stream, says, whole
from tests.gateway.stage import Play, Stage, playing

every_client = pytest.mark.parametrize("client", CLIENTS)


@contextlib.contextmanager
def capturing(play: Play, log: Path, tmp_path: Path) -> Iterator[tuple[str, Stage]]:
    """Play, and capture what is asked of the player."""
    with playing(play, tmp_path / "gateway") as stage, apportion.capture(log, servers={upstream(stage): "openai"}):
        yield upstream(stage), stage


def through(_: bytes) -> bool:
    """Read on."""
    return False


def core(record: dict[str, Any]) -> tuple[Any, ...]:
    """What the tests below are about."""
    return record["state"], record["outcome"], record.get("status")


@every_client
def test_a_stream_is_written_down_before_its_end_is_told(
    client: Client, log: Path, tmp_path: Path, records: Records
) -> None:
    pieces: list[bytes] = []
    between: list[int] = []

    def look(piece: bytes) -> bool:
        pieces.append(piece)
        between.append(len(records()))
        return False

    with capturing(in_pieces([*PIECES, LAST, DONE]), log, tmp_path) as (url, _):
        assert client.post(url, look) == 200
        (record,) = records()
    assert b"".join(pieces) == b"".join([*PIECES, LAST, DONE])
    assert len(pieces) > 3, "it came as it was sent, and was not collected first"
    assert between[:3] == [0, 0, 0]
    assert core(record) == ("measured", "ok", 200)
    assert (record["request_model"], record["output_tokens"]) == ("gpt-4o", 7)


@every_client
def test_a_document_is_written_down_before_its_last_byte_is_there(
    client: Client, log: Path, tmp_path: Path, records: Records
) -> None:
    got = 0
    before_last: list[int] = []

    def look(piece: bytes) -> bool:
        nonlocal got
        got += len(piece)
        if got == len(CHAT):
            before_last.append(len(records()))
        return False

    with capturing(says(whole(CHAT)), log, tmp_path) as (url, _):
        client.post(url, look)
    assert before_last == [1]
    assert core(records()[0]) == ("measured", "ok", 200)


@every_client
def test_a_packed_answer_is_measured(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with capturing(says(whole(gzip.compress(CHAT), "Content-Encoding: gzip")), log, tmp_path) as (url, _):
        client.post(url, through)
    assert core(records()[0]) == ("measured", "ok", 200)


@every_client
def test_a_stream_that_is_left_is_estimated(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with capturing(in_pieces([*PIECES, LAST, DONE]), log, tmp_path) as (url, _):
        client.post(url, lambda piece: b'"content":"1"' in piece)
        (record,) = records()
    assert core(record) == ("estimated", "caller_gone", 200)
    assert record["output_tokens"] >= 1
    assert "cut off before it told its usage" in record["why"]


@every_client
def test_a_stream_that_is_left_behind_its_end_mark_is_measured(
    client: Client, log: Path, tmp_path: Path, records: Records
) -> None:
    steps: list[bytes | float] = [head_of_stream(), *map(chunk, [*PIECES, LAST, DONE]), 5.0, b"0\r\n\r\n"]
    with capturing(says(*steps), log, tmp_path) as (url, _):
        client.post(url, lambda piece: b"[DONE]" in piece)
        (record,) = records()
    assert core(record) == ("measured", "ok", 200)


@every_client
def test_a_stream_that_breaks_off_is_estimated(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    play = says(head_of_stream(), *map(chunk, PIECES), 0.05, close=True)
    with capturing(play, log, tmp_path) as (url, _), contextlib.suppress(Exception):
        client.post(url, through)
    (record,) = records()
    assert core(record) == ("estimated", "cut", 200)


@every_client
def test_a_stream_that_stalls_is_estimated(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    play = says(head_of_stream(), *map(chunk, PIECES), 3.0)
    with capturing(play, log, tmp_path) as (url, _):
        with pytest.raises(Exception):  # noqa: B017, PT011 - each client has a name of its own for it
            client.post(url, through)
        (record,) = records()
    assert core(record) == ("estimated", "timed_out", 200)


@every_client
def test_nobody_answers(client: Client, log: Path, records: Records) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with apportion.capture(log, servers={url: "openai"}), contextlib.suppress(Exception):
            client.post(url, through)
    (record,) = records()
    assert core(record) == ("missing", "refused_by_network", None)
    assert record["why"] == "the provider cannot be reached"
    assert record["operation"] == "chat"


@every_client
def test_the_provider_closes_without_an_answer(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with capturing(says(close=True), log, tmp_path) as (url, _):
        with pytest.raises(Exception):  # noqa: B017, PT011 - as above
            client.post(url, through)
        found = records()
    assert {core(record) for record in found} == {("missing", "cut", None)}
    assert "whether it was billed is not known" in found[0]["why"]


@every_client
def test_no_answer_comes_in_time(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with capturing(says(3.0), log, tmp_path) as (url, _):
        with pytest.raises(Exception):  # noqa: B017, PT011 - as above
            client.post(url, through)
        (record,) = records()
    assert core(record) == ("missing", "timed_out", None)


@every_client
def test_an_error_of_the_provider(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    body = b'{"error":{"type":"quota","message":"You said: hello"}}'
    with capturing(says(whole(body, status="429 Too Many Requests")), log, tmp_path) as (url, _):
        assert client.post(url, through) == 429
    (record,) = records()
    assert core(record) == ("missing", "error", 429)
    assert "hello" not in str(record)


# The standard library takes 103 for the answer itself.
@pytest.mark.parametrize("client", [each for each in CLIENTS if each.id not in {"requests", "urllib3", "urllib"}])
def test_interim_answers_are_none(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    play = says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole(CHAT))
    with capturing(play, log, tmp_path) as (url, _):
        assert client.post(url, through) == 200
    assert [core(record) for record in records()] == [("measured", "ok", 200)]


@every_client
def test_an_answer_until_the_connection_closes(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    play = says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + CHAT, close=True)
    with capturing(play, log, tmp_path) as (url, _):
        assert client.post(url, through) == 200
    assert [core(record) for record in records()] == [("measured", "ok", 200)]


@every_client
def test_calls_to_others_are_nobodys_business(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with playing(says(whole(CHAT)), tmp_path / "gateway") as stage, apportion.capture(log):
        assert client.post(upstream(stage), through) == 200
    assert records() == []


@every_client
def test_nothing_is_left_behind_when_it_ends(client: Client, log: Path, tmp_path: Path, records: Records) -> None:
    with capturing(says(whole(CHAT)), log, tmp_path) as (url, _):
        client.post(url, through)
    with playing(says(whole(CHAT)), tmp_path / "again") as stage:
        assert client.post(upstream(stage), through) == 200
    assert len(records()) == 1
    assert [path.suffix for path in log.iterdir()] == [".jsonl"]
