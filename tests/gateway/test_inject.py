"""Tags in the provider's own field: what is written, what is left alone, and that nothing else changes."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.injection import FIELDS, Field, in_body
from apportion.gateway.keys import Key
from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.bedrock import Converse
from apportion.gateway.meters.gemini import GenerateContent
from apportion.gateway.meters.openai import Chat, Responses
from apportion.gateway.upstream import Auth
from tests.gateway.answers import CHAT, DONE, LAST, PIECES, says, streams, whole
from tests.gateway.stage import Caller, Heard, Stage, playing, request

KEY = Key("ak_1", "search", {"team": "search", "product": "Ranker é"})
METADATA = FIELDS["openai", Responses, "/responses"]
STORED = FIELDS["openai", Chat, "/chat/completions"]
USER_ID = FIELDS["anthropic", Messages, "/messages"]
LABELS = FIELDS["gcp.vertex_ai", GenerateContent, ":generateContent"]
REQUEST = FIELDS["aws.bedrock", Converse, "/converse"]
TEAM = {"team": "search"}


def injecting(stage: Stage, *names: str) -> Stage:
    """Let a stage's upstream have tags."""
    terms = stage.worker.terms
    stage.worker.terms = replace(terms, upstreams={"up": replace(terms.upstreams["up"], inject=names or ("*",))})
    return stage


def sent(stage: Stage, path: str, body: bytes, *headers: str) -> Heard:
    """What the upstream hears of a request."""
    with Caller(stage) as caller:
        assert caller.send(request(f"/up{path}", body, headers=headers)).answer()[0] == 200
    return stage.heard[-1]


# provider, path, body, what the body says beside it when it arrives
VERTEX = "/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-3:generateContent"
ARRIVES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("openai", "/v1/chat/completions", {"model": "m", "store": True}, {"metadata": {**KEY.tags}}),
    ("openai", "/v1/chat/completions", {"model": "m"}, {}),
    ("openai", "/v1/chat/completions", {"model": "m", "store": False}, {}),
    ("openai", "/v1/responses", {"model": "m", "input": "x"}, {"metadata": {**KEY.tags}}),
    ("openai", "/v1/responses/compact", {"model": "m", "input": "x"}, {}),
    ("openai", "/v1/embeddings", {"model": "m", "input": "x"}, {}),
    ("azure.ai.openai", "/openai/deployments/d/chat/completions", {"store": True}, {"metadata": {**KEY.tags}}),
    ("azure.ai.openai", "/openai/v1/responses", {"input": "x"}, {"metadata": {**KEY.tags}}),
    ("anthropic", "/v1/messages", {"model": "m", "messages": []}, {"metadata": {"user_id": "ak_1"}}),
    ("anthropic", "/v1/messages/count_tokens", {"model": "m", "messages": []}, {}),
    ("gcp.vertex_ai", VERTEX, {"contents": []}, {"labels": {"team": "search"}}),
    ("gcp.vertex_ai", VERTEX.replace(":generateContent", ":streamGenerateContent"), {}, {"labels": TEAM}),
    (
        "gcp.vertex_ai",
        VERTEX.replace("google/models/gemini-3:generateContent", "anthropic/models/c:rawPredict"),
        {},
        {},
    ),
    ("gcp.gemini", "/v1beta/models/gemini-3:generateContent", {"contents": []}, {}),
    ("aws.bedrock", "/model/m/converse", {"messages": []}, {"requestMetadata": {"team": "search"}}),
    ("aws.bedrock", "/model/m/converse-stream", {"messages": []}, {"requestMetadata": {"team": "search"}}),
    ("aws.bedrock", "/openai/v1/chat/completions", {"model": "m", "store": True}, {}),
    ("openrouter", "/v1/chat/completions", {"model": "m", "store": True}, {}),
]


@pytest.mark.parametrize(("provider", "path", "body", "beside"), ARRIVES)
def test_each_provider_gets_what_its_field_takes(
    tmp_path: Path, provider: str, path: str, body: dict[str, Any], beside: dict[str, Any]
) -> None:
    raw = json.dumps(body).encode()
    with playing(says(whole(CHAT)), tmp_path, provider=provider, key=KEY) as stage:
        heard = sent(injecting(stage), path, raw)
    assert json.loads(heard.body) == body | beside
    assert heard.header(b"content-length") == str(len(heard.body)).encode()
    assert beside or heard.body == raw


@pytest.mark.parametrize("end", ["invoke", "invoke-with-response-stream"])
def test_invoke_model_gets_them_in_its_header(tmp_path: Path, end: str) -> None:
    body = b'{"anthropic_version": "bedrock-2023-05-31"}'
    with playing(says(whole(CHAT)), tmp_path, provider="aws.bedrock", key=KEY) as stage:
        injecting(stage)
        first = sent(stage, f"/model/m/{end}", body)
        own = sent(stage, f"/model/m/{end}", body, 'X-Amzn-Bedrock-Request-Metadata: {"a":"b"}')
    assert (first.body, own.body) == (body, body)
    assert json.loads(first.header(b"x-amzn-bedrock-request-metadata") or b"") == TEAM
    assert own.header(b"x-amzn-bedrock-request-metadata") == b'{"a":"b"}'


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path) -> None:
    body = b'{"model":"m","input":"x"}'
    with playing(says(whole(CHAT)), tmp_path, key=KEY) as stage:
        assert sent(stage, "/v1/responses", body).body == body


def test_a_list_names_the_tags_and_the_others_stay_here(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path, key=KEY) as stage:
        injecting(stage, "team", "customer")
        heard = sent(stage, "/v1/responses", b'{"input":"x"}', "X-Apportion-Customer: acme", "X-Apportion-Env: dev")
        assert json.loads(heard.body)["metadata"] == {"team": "search", "customer": "acme"}
        assert heard.header(b"x-apportion-customer") is None
        (record,) = stage.records()
    assert record["tags"] == {**KEY.tags, "customer": "acme", "env": "dev"}


def test_what_the_caller_wrote_goes_first_there_and_the_key_goes_first_here(tmp_path: Path) -> None:
    with playing(says(whole(CHAT)), tmp_path, key=KEY) as stage:
        heard = sent(injecting(stage), "/v1/responses", b'{"metadata": {"team": "own"}, "input":"x"}')
        (record,) = stage.records()
    assert json.loads(heard.body)["metadata"] == {"product": "Ranker é", "team": "own"}
    assert record["tags"]["team"] == "search"


def test_it_goes_together_with_asking_for_usage(tmp_path: Path) -> None:
    with playing(streams([*PIECES, LAST, DONE]), tmp_path, key=KEY) as stage:
        heard = sent(injecting(stage), "/v1/chat/completions", b'{"model":"m","stream":true,"store":true}')
        (record,) = stage.records()
        assert stage.worker.metrics.of("injections", "up", "done") == 1
    said = json.loads(heard.body)
    assert (said["metadata"], said["stream_options"]) == ({**KEY.tags}, {"include_usage": True})
    assert record["state"] == "measured"


@pytest.mark.parametrize("header", ["Content-Encoding: gzip", "Content-Digest: sha-256=:x:", "Signature: s"])
def test_a_body_that_is_packed_or_under_a_seal_stays(tmp_path: Path, header: str) -> None:
    raw = b'{"input":"x"}'
    body = zlib.compress(raw, wbits=31) if "gzip" in header else raw
    with playing(says(whole(CHAT)), tmp_path, key=KEY) as stage:
        assert sent(injecting(stage), "/v1/responses", body, header).body == body
        assert stage.worker.metrics.of("injections", "up", "not_possible") == 1


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
def test_a_caller_without_a_key_of_the_gateway_is_told_by_the_hash_of_its_own(tmp_path: Path, auth: Auth) -> None:
    terms: dict[str, Any] = {"pass_through": True}
    with playing(says(whole(CHAT)), tmp_path, provider="anthropic", auth=auth, **terms) as stage:
        injecting(stage)
        with Caller(stage) as caller:
            caller.send(request("/up/v1/messages", b"{}", secret="sk-own")).answer()  # noqa: S106 - of a test
        (record,) = stage.records()
    said = json.loads(stage.heard[0].body)["metadata"]["user_id"]
    assert (said, said.startswith("fp_")) == (record["api_key_id"], True)


# --- the splice

CASES: list[tuple[bytes, bytes | None]] = [
    (b"{}", b'{"metadata":{"team":"search"}}'),
    (b" \n{ }", b' \n{"metadata":{"team":"search"} }'),
    (b'{"a":1}', b'{"metadata":{"team":"search"},"a":1}'),
    (b'{"metadata":{}}', b'{"metadata":{"team":"search"}}'),
    (b'{"metadata" :\t{ "x":"y" }}', b'{"metadata" :\t{"team":"search", "x":"y" }}'),
    (b'{"a":[{"metadata":{}}],"metadata":{"x":1}}', b'{"a":[{"metadata":{}}],"metadata":{"team":"search","x":1}}'),
    (b'{"a":"\\"metadata\\":{","b":1}', b'{"metadata":{"team":"search"},"a":"\\"metadata\\":{","b":1}'),
    (b'{"a":"metadata","metadata":null}', b'{"a":"metadata","metadata":{"team":"search"}}'),
    (b'{"m\\u0065tadata":{"x":"y"}}', b'{"m\\u0065tadata":{"team":"search","x":"y"}}'),
    ('{"ü":"😀\\\\","metadata":{"k":"ö"}}'.encode(), '{"ü":"😀\\\\","metadata":{"team":"search","k":"ö"}}'.encode()),
    (b'{"n":1.50e3,"i":9007199254740993}', b'{"metadata":{"team":"search"},"n":1.50e3,"i":9007199254740993}'),
    # Which of two fields counts is for the provider to say.
    (b'{"metadata":{"a":"1"},"metadata":{"b":"2"}}', None),
    (b'{"metadata":{},"m\\u0065tadata":{}}', None),
    (b'{"metadata":{"team":"own"}}', None),
    (b'{"metadata":{"team":null}}', None),
    (b'{"metadata":"text"}', None),
    (b'{"metadata":[]}', None),
    (b'{"metadata":false}', None),
    (b"[]", None),
    (b'"metadata"', None),
    (b"", None),
    (b'{"a":1', None),
    (b'{"a":1} {"b":2}', None),
    (b'\xef\xbb\xbf{"a":1}', None),
    (b'{"a":NaN}', None),
    (b'{"a":"\xff"}', None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "made"), CASES)
def test_a_splice_is_exact_or_is_not_made(body: bytes, made: bytes | None) -> None:
    assert in_body(body, TEAM, METADATA).body == (body if made is None else made)


@pytest.mark.parametrize(
    ("field", "there", "most"), [(METADATA, 15, 16), (METADATA, 16, 16), (METADATA, 0, 16), (LABELS, 63, 64)]
)
def test_no_field_gets_more_pairs_than_it_takes(field: Field, there: int, most: int) -> None:
    body = json.dumps({field.name: {f"k{n}": "v" for n in range(there)}}).encode()
    wanted = {f"w{n}": "v" for n in range(100)}
    found = json.loads(in_body(body, wanted, field).body)[field.name]
    assert len(found) == most
    assert {f"k{n}" for n in range(there)} <= set(found)


def test_a_body_as_large_as_they_come_is_read_in_one_go() -> None:
    text = json.dumps('\\"{[\n' * 400_000)
    body = ('{"input":' + text + ',"metadata":{"x":"y"}}').encode()
    made = in_body(body, TEAM, METADATA)
    assert made.result == "done"
    assert json.loads(made.body)["metadata"] == {"team": "search", "x": "y"}


KEYS = st.sampled_from(["metadata", "labels", "requestMetadata", "store", "a", "ü", 'q"', "\\", "{"])
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.just('"metadata":{')
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
TAGS = st.dictionaries(st.sampled_from(["team", "product", "env"]), st.text(min_size=1, max_size=12), max_size=3)


@given(
    said=st.dictionaries(KEYS, VALUES, max_size=6),
    wanted=TAGS,
    field=st.sampled_from([METADATA, STORED, LABELS, REQUEST, USER_ID]),
    indent=st.sampled_from([None, 0, 3]),
    escaped=st.booleans(),
)
def test_whatever_a_body_says_it_says_the_same_behind_a_splice(
    said: dict[str, Any], wanted: dict[str, str], field: Field, indent: int | None, escaped: bool
) -> None:
    body = json.dumps(said, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    made = in_body(body, wanted, field)
    if made.result != "done":
        assert made.body == body
        return
    before = said.get(field.name) or {}
    assert json.loads(made.body) == {**said, field.name: {**wanted, **before}}
    # One piece was put in, in place of nothing or of a `null`; every byte before and behind it is as it was.
    ahead = next(n for n in range(len(body) + 1) if not made.body.startswith(body[: n + 1]) or n == len(body))
    behind = next(
        n for n in range(len(body) + 1) if not made.body.endswith(body[len(body) - n - 1 :]) or n == len(body)
    )
    replaced = len(b"null") if field.name in said and said[field.name] is None else 0
    assert ahead + behind >= len(body) - replaced
