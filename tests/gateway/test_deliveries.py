"""What others measured comes whole, within bounds; its sender hears when it is on the disk."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from apportion.gateway import delivery
from apportion.gateway.keys import Key
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.usage_log import LogFullError
from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import SECRET, Caller, playing, request


def _stand_in(received: Received) -> Answered:
    """A record for each line; a line `fault` is a fault of the receiver."""
    lines = received.body.decode().split()
    if "fault" in lines:
        raise ValueError("a fault")
    said = {"key": received.key_id, "tags": dict(received.tags), "state": "measured", "outcome": "ok"}
    groups = [[{"line": line, **said}] for line in lines]
    return Answered(200, "text/plain", b"taken", groups, {"accepted": len(lines)})


@pytest.fixture(autouse=True)
def receiver() -> Iterator[None]:
    with patch.object(delivery, "receiver", lambda _path: _stand_in):
        yield


def post(body: bytes, *headers: str, secret: str | None = SECRET) -> bytes:
    return request("/v1/usage", body, secret=secret, headers=headers)


def test_what_was_sent_is_on_the_disk_when_its_sender_hears_of_it(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        status, _, body = caller.send(post(b"a b")).answer()
        assert (status, body) == (200, b"taken")
        records = stage.records(2)
        assert [record["line"] for record in records] == ["a", "b"]
        assert records[0]["key"] == "ak_1"
        assert records[0]["tags"] == {"team": "search"}
        assert caller.send(post(b"c")).answer()[0] == 200
        assert stage.call(lambda: stage.worker.metrics.of("received", "usage", "accepted")) == 3
        assert stage.heard == []


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_it_may_come_packed(tmp_path: Path, coding: str) -> None:
    packed = gzip.compress(b"a b") if coding == "gzip" else zlib.compress(b"a b")
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(post(packed, f"Content-Encoding: {coding}")).answer()[0] == 200
        assert len(stage.records(2)) == 2


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (b"a", "br", 415, "coding-unknown"),
        (b"no gzip", "gzip", 400, "coding-broken"),
        (gzip.compress(b"a b c")[:-9], "gzip", 400, "coding-broken"),
        (gzip.compress(b"a") + b"more", "gzip", 400, "coding-broken"),
        (gzip.compress(bytes(delivery.MOST_UNPACKED_BYTES + 1)), "gzip", 413, "body-too-large"),
    ],
    ids=["another coding", "no gzip", "cut off", "more behind it", "too large"],
)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, body: bytes, coding: str, status: int, code: str) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        found, headers, content = caller.send(post(body, f"Content-Encoding: {coding}")).answer()
        assert (found, headers["x-apportion-refused"]) == (status, code)
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(content)["type"] == f"urn:apportion:{code}"
        assert list(tmp_path.iterdir()) == []


def test_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    head = f"POST /v1/usage HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: {1 << 30}\r\n\r\n"
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(head.encode()).answer()[0] == 413


def test_too_much_in_chunks_is_refused_when_it_shows(tmp_path: Path) -> None:
    head = f"POST /v1/usage HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {SECRET}\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"100000\r\n" + b"a" * (1 << 20) + b"\r\n"
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        caller.send(head.encode() + piece * 17)
        assert caller.answer()[0] == 413


@pytest.mark.parametrize(
    ("secret", "receives", "key", "status", "code"),
    [
        (None, "keys", None, 401, "key-needed"),
        ("sk-of-a-provider", "keys", None, 401, "key-needed"),
        ("apk-nobody-s", "keys", None, 401, "key-unknown"),
        ("apk-nobody-s", "anyone", None, 401, "key-unknown"),
        (SECRET, "keys", Key("ak_1", revoked=True), 401, "key-refused"),
        (SECRET, "keys", Key("ak_1", expires_at=1.0), 401, "key-refused"),
        (SECRET, "nobody", None, 404, "not-received"),
    ],
)
def test_who_may_not_send_is_refused(
    tmp_path: Path, secret: str | None, receives: str, key: Key | None, status: int, code: str
) -> None:
    with playing(says(whole(CHAT)), tmp_path, key=key, receives=receives) as stage, Caller(stage) as caller:
        found, headers, _ = caller.send(post(b"a", secret=secret)).answer()
        assert (found, headers["x-apportion-refused"]) == (status, code)
        assert list(tmp_path.iterdir()) == []


def test_anyone_may_where_that_is_said(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path, receives="anyone") as stage, Caller(stage) as caller:
        assert caller.send(post(b"a", secret=None)).answer()[0] == 200
        assert stage.records()[0]["key"] == "none"


def test_only_post(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        status, headers, _ = caller.send(request("/v1/usage", method="GET")).answer()
        assert (status, headers["x-apportion-refused"]) == (405, "post-only")


def test_a_fault_in_a_receiver_is_told_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(post(b"fault")).answer()[0] == 500
        assert caller.send(post(b"a")).answer()[0] == 200
    assert "/v1/usage could not be read" in caplog.text


def test_a_full_disk_sends_it_back(tmp_path: Path) -> None:
    full = LogFullError(28, "No space left on device")
    with playing(says(whole(CHAT)), tmp_path) as stage, Caller(stage) as caller:
        with patch.object(stage.worker, "take_in", side_effect=full):
            status, headers, _ = caller.send(post(b"a")).answer()
        assert (status, headers["x-apportion-refused"], headers["retry-after"]) == (503, "log-full", "5")
        assert caller.send(post(b"a")).answer()[0] == 200


def test_who_leaves_behind_a_whole_body_has_sent_it(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage:
        with Caller(stage) as caller:
            caller.send(post(b"a"))
        assert stage.records()[0]["line"] == "a"


def test_who_leaves_before_it_has_not(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path) as stage:
        with Caller(stage) as caller:
            caller.send(post(b"a b c")[:-2])
        with Caller(stage) as caller:
            assert caller.send(post(b"d")).answer()[0] == 200
        assert [record["line"] for record in stage.records()] == ["d"]
        assert stage.call(lambda: len(stage.worker.exchanges)) == 0
