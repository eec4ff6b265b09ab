"""What a caller sends reaches the provider, what it answers reaches the caller, byte by byte, and is written down."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from pathlib import Path

import pytest

from apportion.gateway.keys import Key, fingerprint
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, chunk, head_of_stream, says, streams, whole
from tests.gateway.stage import SECRET, Caller, Heard, playing, request


def test_a_document_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        body = b'{"model":"gpt-4o", "messages":[], "metadata":{"feature":"answers"}}'
        status, headers, answer = caller.send(request(body=body, headers=("X-Apportion-Env: prod",))).answer()
        assert (status, answer, headers["x-request-id"]) == (200, CHAT, "r-1")
        (heard,) = stage.heard
        assert heard.body == body
        assert heard.head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert heard.header(b"authorization") == b"Bearer sk-of-the-gateway"
        assert b"apportion" not in heard.head.lower()
        assert SECRET.encode() not in heard.head
        (record,) = stage.records()
        said = {key: record[key] for key in ("state", "outcome", "status", "api_key_id", "call_id", "response_model")}
        assert said == {"state": "measured", "outcome": "ok", "status": 200, "api_key_id": "ak_1",
                        "call_id": "chatcmpl-1", "response_model": "gpt-4o-2024"}  # fmt: skip
        assert record["tags"] == {"team": "search", "env": "prod", "feature": "answers"}
        assert (record["uncached_input_tokens"], record["output_tokens"], record["requests"]) == (9, 7, 1)
        assert record["provider_request_id"] == "r-1"


def test_a_stream_comes_as_it_is_sent_and_is_written_down_before_its_last_byte(tmp_path: Path) -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    with playing(streams([*PIECES, LAST, DONE], pause=0.02), tmp_path) as stage, Caller(stage) as caller:
        caller.send(request(body=body))
        assert caller.head()[1]["transfer-encoding"] == "chunked"
        for piece in PIECES:
            assert caller.exactly(int(caller.line(), 16)) == piece
            assert caller.line() == b""
        assert list(tmp_path.iterdir()) == []
        rest = caller.exactly(len(chunk(LAST) + chunk(DONE) + b"0\r\n\r\n"))
        assert rest == chunk(LAST) + chunk(DONE) + b"0\r\n\r\n"
        assert stage.heard[0].body == body
        assert stage.records()[0]["output_tokens"] == 7


def test_usage_is_asked_for_and_its_chunk_taken_out(tmp_path: Path) -> None:
    body = b'{"model":"m","stream":true,"messages":[]}'
    with playing(streams([*PIECES, LAST, DONE]), tmp_path) as stage, Caller(stage) as caller:
        status, _, answer = caller.send(request(body=body)).answer()
        assert (status, answer) == (200, b"".join([*PIECES, DONE]))
        assert json.loads(stage.heard[0].body)["stream_options"] == {"include_usage": True}
        assert stage.heard[0].header(b"accept-encoding") == b"identity"
        assert stage.records()[0]["state"] == "measured"


def test_usage_is_not_asked_for_where_that_is_switched_off(tmp_path: Path) -> None:
    body = b'{"model":"m","stream":true,"messages":[]}'
    with playing(streams([*PIECES, DONE]), tmp_path, ask_usage=False) as stage, Caller(stage) as caller:
        assert caller.send(request(body=body)).answer()[2] == b"".join([*PIECES, DONE])
        assert stage.heard[0].body == body
        (record,) = stage.records()
        assert (record["state"], record["output_tokens"]) == ("estimated", 4)


def test_any_pieces_of_a_stream_lose_only_the_usage_chunk(tmp_path: Path) -> None:
    sizes = random.Random(7)  # noqa: S311 - no secret hangs on it
    raw = b": note\n\n" + b"".join([*PIECES, LAST, DONE])
    steps: list[bytes | float] = [head_of_stream()]
    at = 0
    while at < len(raw):
        step = sizes.randint(1, 60)
        steps.append(chunk(raw[at : at + step]))
        at += step
    with playing(says(*steps, b"0\r\n\r\n"), tmp_path) as stage, Caller(stage) as caller:
        answer = caller.send(request(body=b'{"model":"m","stream":true}')).answer()[2]
        assert answer == raw.replace(LAST, b"")
        assert stage.records()[0]["state"] == "measured"


def test_many_calls_share_connections(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage:
        with Caller(stage) as caller:
            for _ in range(20):
                assert caller.send(request()).answer()[0] == 200
        assert stage.connections == 1
        assert len(stage.records(20)) == 20


def test_a_packed_answer_stays_packed_and_is_measured(tmp_path: Path) -> None:
    packed = gzip.compress(CHAT)
    with playing(says(whole(packed, "Content-Encoding: gzip")), tmp_path) as stage, Caller(stage) as caller:
        _, headers, answer = caller.send(request(headers=("Accept-Encoding: gzip, br",))).answer()
        assert (answer, headers["content-encoding"]) == (packed, "gzip")
        assert stage.heard[0].header(b"accept-encoding") == b"gzip"
        assert stage.records()[0]["output_tokens"] == 7


def test_a_body_in_chunks_is_put_together_and_one_that_is_too_large_goes_on_as_it_comes(tmp_path: Path) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": ["word " * 400]}).encode()
    pieces = b"".join(chunk(body[at : at + 100]) for at in range(0, len(body), 100)) + b"0\r\n\r\n"
    head = b"POST /up/v1/chat/completions HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer " + SECRET.encode() + b"\r\n"
    for most, model in ((1 << 20, "gpt-4o"), (500, None)):
        log = tmp_path / str(most)
        with playing(says(whole()), log, most_body_bytes=most) as stage, Caller(stage) as caller:
            assert caller.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces).answer()[0] == 200
            assert stage.heard[0].body == body
            assert stage.records()[0].get("request_model") == model


def test_what_stands_behind_a_body_is_none_of_its_head(tmp_path: Path) -> None:
    head = request().partition(b"\r\nContent-Length")[0] + b"\r\nTransfer-Encoding: chunked\r\n"
    plain = head + b"\r\n" + chunk(b'{"model":"m"}') + b"0\r\n"
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(plain + b"X-Extra: 1\r\nx-apportion-env: prod\r\n\r\n").answer()[0] == 200
        assert caller.send(plain + b"\r\n").answer()[0] == 200
        # The same lines in the head are of it.
        again = plain.replace(b"chunked\r\n\r\n", b"chunked\r\nX-Extra: 1\r\nx-apportion-env: prod\r\n\r\n")
        assert caller.send(again + b"\r\n").answer()[0] == 200
        assert [heard.header(b"x-extra") for heard in stage.heard] == [None, None, b"1"]
        assert [record["tags"].get("env") for record in stage.records(3)] == [None, None, "prod"]


def test_a_large_upload_streams_through(tmp_path: Path) -> None:
    body = random.Random(1).randbytes(5 << 20)  # noqa: S311 - as above
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        caller.send(request("/up/v1/files", body, headers=("X-Apportion-Team: growth",)))
        assert caller.answer()[0] == 200
        assert stage.heard[0].body == body
        (record,) = stage.records()
        assert (record["requests"], record["operation"], record["tags"]) == (0, "other", {"team": "search"})


def test_a_caller_who_waits_to_be_asked_is_asked(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        whole_request = request(headers=("Expect: 100-continue",))
        head, _, body = whole_request.partition(b"\r\n\r\n")
        caller.send(head + b"\r\n\r\n")
        assert caller.head()[0] == 100
        assert caller.send(body).answer()[0] == 200
        assert stage.heard[0].header(b"expect") is None


@pytest.mark.parametrize(
    ("played", "expected"),
    [
        (says(b"HTTP/1.1 204 No Content\r\n\r\n"), (204, b"")),
        (says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole()), (200, CHAT)),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), (200, b"")),
        (says(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + CHAT, close=True), (200, CHAT)),
        (
            says(whole(b'{"error":{"type":"quota"}}', status="429 Too Many Requests")),
            (429, b'{"error":{"type":"quota"}}'),
        ),
    ],
    ids=["no body", "interim answers", "empty", "until it closes", "an error"],
)
def test_answers_of_every_form(tmp_path: Path, played: object, expected: tuple[int, bytes]) -> None:
    with playing(played, tmp_path) as stage, Caller(stage) as caller:  # type: ignore[arg-type]
        status, _, answer = caller.send(request()).answer()
        assert (status, answer) == expected
        record = stage.records()[0]
        assert record["status"] == status
        assert record["outcome"] == ("error" if status == 429 else "ok")


def test_an_old_caller_gets_a_body_without_chunks(tmp_path: Path) -> None:
    with playing(streams([*PIECES, DONE]), tmp_path, ask_usage=False) as stage, Caller(stage) as caller:
        old = request(body=b'{"model":"m","stream":true}').replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        caller.send(old)
        headers = caller.head()[1]
        assert "transfer-encoding" not in headers
        assert caller.rest() == b"".join([*PIECES, DONE])


def test_a_question_without_a_body(tmp_path: Path) -> None:
    with playing(says(whole(b'{"data":[]}')), tmp_path) as stage, Caller(stage) as caller:
        assert caller.send(request("/up/v1/models?limit=2", method="GET")).answer()[2] == b'{"data":[]}'
        assert stage.heard[0].head.startswith(b"GET /v1/models?limit=2 HTTP/1.1")
        assert caller.send(request("/up/v1/models", method="HEAD")).head()[0] == 200
        assert [record["requests"] for record in stage.records(2)] == [0, 0]


def test_a_provider_s_own_key_goes_on_where_that_is_allowed(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path, pass_through=True, secret=None) as stage, Caller(stage) as caller:
        mine = "sk-mine"
        assert caller.send(request(secret=mine, headers=("X-Apportion-Team: growth",))).answer()[0] == 200
        assert stage.heard[0].header(b"authorization") == b"Bearer sk-mine"
        (record,) = stage.records()
        assert (record["api_key_id"], record["tags"]) == (fingerprint("sk-mine"), {"team": "growth"})
        assert "sk-mine" not in json.dumps(record)


@pytest.mark.parametrize(
    ("auth", "header", "given"),
    [
        ("x-api-key", b"x-api-key", f"X-Api-Key: {SECRET}"),
        ("api-key", b"api-key", f"Api-Key: {SECRET}"),
        ("x-goog-api-key", b"x-goog-api-key", f"X-Goog-Api-Key: {SECRET}"),
        ("bearer", b"authorization", f"X-Apportion-Key: {SECRET}"),
    ],
)
def test_each_provider_is_told_in_its_own_way(tmp_path: Path, auth: str, header: bytes, given: str) -> None:
    with playing(says(whole()), tmp_path, auth=auth) as stage, Caller(stage) as caller:  # type: ignore[arg-type]
        assert caller.send(request(secret=None, headers=(given,))).answer()[0] == 200
        assert (stage.heard[0].header(header) or b"").endswith(b"sk-of-the-gateway")
        assert SECRET.encode() not in stage.heard[0].head


def test_a_key_in_the_query_is_taken_out(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path, auth="x-goog-api-key") as stage, Caller(stage) as caller:
        path = f"/up/v1beta/models/g:generateContent?alt=sse&key={SECRET}"
        assert caller.send(request(path, secret=None)).answer()[0] == 200
        assert stage.heard[0].head.startswith(b"POST /v1beta/models/g:generateContent?alt=sse HTTP/1.1")


def test_baggage_of_others_goes_on_and_ours_does_not(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        caller.send(request(headers=("baggage: a=1,apportion.feature=x", "traceparent: 00-1"))).answer()
        assert (stage.heard[0].header(b"baggage"), stage.heard[0].header(b"traceparent")) == (b"a=1", b"00-1")
        assert stage.records()[0]["tags"] == {"team": "search", "feature": "x"}


def test_what_a_key_says_of_its_owner_no_caller_changes(tmp_path: Path) -> None:
    with playing(says(whole()), tmp_path) as stage, Caller(stage) as caller:
        body = b'{"model":"m","metadata":{"team":"growth"}}'
        caller.send(request(body=body, headers=("X-Apportion-Team: growth", "baggage: apportion.team=growth"))).answer()
        assert stage.records()[0]["tags"] == {"team": "search"}


def test_two_hundred_at_once(tmp_path: Path) -> None:
    async def slowly(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(whole())

    with playing(slowly, tmp_path) as stage:
        callers = [Caller(stage).send(request()) for _ in range(200)]
        assert {caller.answer()[0] for caller in callers} == {200}
        for caller in callers:
            caller.close()
        assert len({record["record_id"] for record in stage.records(200)}) == 200


def test_few_connections_serve_many_callers(tmp_path: Path) -> None:
    async def slowly(_: Heard, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(whole())

    with playing(slowly, tmp_path, most_connections=3) as stage:
        callers = [Caller(stage).send(request()) for _ in range(30)]
        assert {caller.answer()[0] for caller in callers} == {200}
        for caller in callers:
            caller.close()
        assert stage.connections == 3


def test_required_tags_are_noted_or_demanded(tmp_path: Path) -> None:
    noted = Key("ak_2", requires=("team", "feature"))
    with playing(says(whole()), tmp_path / "a", key=noted) as stage, Caller(stage) as caller:
        assert caller.send(request(headers=("X-Apportion-Team: x",))).answer()[0] == 200
        assert stage.records()[0]["missing_tags"] == ["feature"]
    demanded = Key("ak_3", requires=("team",), rejects=True)
    with playing(says(whole()), tmp_path / "b", key=demanded) as stage, Caller(stage) as caller:
        status, headers, body = caller.send(request()).answer()
        assert (status, headers["x-apportion-refused"]) == (400, "tags-needed")
        assert "x-apportion-team" in json.loads(body)["error"]["message"]
        assert caller.send(request(body=b'{"model":"m","metadata":{"team":"y"}}')).answer()[0] == 200
        assert len(stage.heard) == 1
