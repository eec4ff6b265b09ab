"""The AWS client through the gateway and directly: documents, binary streams, and whoever signs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.gateway.clients.shapes import shape
from tests.gateway.replay import Both, both, check, gzipped, replays, told
from tests.gateway.stage import SECRET, Heard

HELLO: Any = [{"role": "user", "content": [{"text": "Grüß Gott ☕"}]}]
NOVA = "amazon.nova-micro-v1:0"
CLAUDE = "us.anthropic.claude-opus-5-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": []})
ASKS: dict[str, Callable[[Any], Any]] = {
    "converse": lambda c: c.converse(
        modelId=NOVA, messages=HELLO, requestMetadata={"feature": "answers"}, inferenceConfig={"maxTokens": 99}
    ),
    "converse stream": lambda c: c.converse_stream(modelId=NOVA, messages=HELLO),
    "invoke": lambda c: c.invoke_model(modelId=CLAUDE, body=BODY, contentType="application/json", trace="ENABLED"),
    "invoke by headers": lambda c: c.invoke_model(modelId="mistral.mistral-7b-instruct-v0:2", body='{"prompt":"a"}'),
    "invoke stream": lambda c: c.invoke_model_with_response_stream(modelId=CLAUDE, body=BODY),
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of whoever runs the tests."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def bearer(base: str, key: str) -> Any:
    """A client that brings an API key for Bedrock, or a key of the gateway in its place.

    What `AWS_BEARER_TOKEN_BEDROCK` makes of it; the client itself does so only towards an address with TLS.
    """
    more = Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED)
    client = boto3.Session().client("bedrock-runtime", region_name="us-east-1", endpoint_url=base, config=more)
    said = {"Authorization": f"Bearer {key}"}
    client.meta.events.register("before-send.bedrock-runtime", lambda request, **_: request.headers.update(said))
    return client


def signing(base: str, ours: str | None) -> Any:
    """A client that signs with credentials of its own, and may say a key of the gateway beside."""
    client = boto3.Session().client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=base, config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id="AKIDCALLER", aws_secret_access_key="s", aws_session_token="t",  # noqa: S106 - of a test
    )  # fmt: skip
    if ours:
        said = {"X-Apportion-Key": ours}
        client.meta.events.register("before-send.bedrock-runtime", lambda request, **_: request.headers.update(said))
    return client


def read(client: Any, name: str) -> Any:
    """All of an answer, a stream's events among it."""
    try:
        found = ASKS[name](client)
        for part in ("stream", "body"):
            if part in found:
                found[part] = list(found[part]) if hasattr(found[part], "close") and part == "stream" else found[part]
        if name == "invoke stream":
            found["body"] = list(found["body"])
        elif "body" in found:
            found["body"] = found["body"].read()
    finally:
        client.close()
    return found


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(tmp_path_factory.mktemp("log"), provider="aws.bedrock") as made:
        yield made


@pytest.mark.parametrize("name", ASKS)
def test_every_operation(sides: Both, name: str) -> None:
    answer = shape(name)
    result, records = sides.compare(lambda base, key: read(bearer(base, key), name), replays(answer))
    check(records, answer)
    (record,) = records
    assert record["request_model"] in {NOVA, CLAUDE, "mistral.mistral-7b-instruct-v0:2"}
    assert record["call_id"] == (record["call_id"] if answer.model else "0a1b2c3d-0000-4000-8000-000000000001")
    assert record["tags"].get("feature") == ("answers" if name == "converse" else None)
    if name == "converse stream":
        assert [next(iter(event)) for event in result["stream"]][-1] == "metadata"
    if name == "invoke":
        assert sides.stage.heard[-1].header(b"x-amzn-bedrock-trace") == b"ENABLED"


def test_a_model_that_is_named_by_its_arn(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        client = bearer(base, key)
        try:
            return client.converse(modelId=ARN, messages=HELLO)
        finally:
            client.close()

    _, (record,) = sides.compare(call, replays(shape("converse")))
    assert record["request_model"] == ARN
    start = sides.stage.heard[-1].head.split(b"\r\n")[0]
    assert b"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3/" in start


@pytest.mark.parametrize("name", ["converse", "invoke"])
def test_a_packed_answer(sides: Both, name: str) -> None:
    answer = shape(name)
    call = lambda base, key: read(bearer(base, key), name)  # noqa: E731
    _, records = sides.compare(call, replays(answer, packed=gzipped))
    check(records, answer)


def test_a_client_that_waits_to_be_asked_for_its_body(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        client = bearer(base, key)
        client.meta.events.register(
            "before-call.bedrock-runtime", lambda params, **_: params["headers"].update({"Expect": "100-continue"})
        )
        return read(client, "invoke")

    _, records = sides.compare(call, replays(shape("invoke")))
    check(records, shape("invoke"))
    written, answered = bytes(sides.through.sent[0]), bytes(sides.through.received[0])
    assert b"Expect: 100-continue" in written
    assert answered.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert sides.stage.heard[-1].header(b"expect") is None


def test_a_body_that_is_sent_packed(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        client = bearer(base, key)

        def pack(params: dict[str, Any], **_: Any) -> None:
            params["body"] = gzip.compress(
                params["body"] if isinstance(params["body"], bytes) else BODY.encode(), mtime=0
            )
            params["headers"]["Content-Encoding"] = "gzip"

        client.meta.events.register("before-call.bedrock-runtime", pack)
        return read(client, "invoke")

    _, records = sides.compare(call, replays(shape("invoke")))
    check(records, shape("invoke"))
    assert gzip.decompress(sides.stage.heard[-1].body) == BODY.encode()


def test_a_signature_of_the_caller_goes_on_only_where_it_is_good(tmp_path: Path) -> None:
    """To a provider that is told by a key, a key takes the place of whatever the caller signed."""
    with both(tmp_path, provider="aws.bedrock") as sides:
        sides.plays = [replays(shape("converse"))]
        client = signing(f"http://127.0.0.1:{sides.through.port}/up", SECRET)
        assert read(client, "converse")["stopReason"] == "end_turn"
        (heard,) = sides.stage.heard
        assert heard.header(b"authorization") == b"Bearer sk-of-the-gateway"
        assert_no_secret(heard)
        (record,) = sides.stage.records()
        assert told(record) == dict(shape("converse").tokens)


def assert_no_secret(heard: Heard) -> None:
    """No key of the gateway reaches a provider."""
    assert SECRET.encode() not in heard.head
    assert b"x-apportion" not in heard.head.lower()


def test_a_caller_without_a_key_is_refused_in_the_words_of_aws(tmp_path: Path) -> None:
    with both(tmp_path, provider="aws.bedrock", auth="sigv4") as sides:
        client = signing(f"http://127.0.0.1:{sides.through.port}/up", None)
        with pytest.raises(client.exceptions.ClientError) as caught:
            client.converse(modelId=NOVA, messages=HELLO)
        client.close()
        assert caught.value.response["Error"]["Code"] == "UnrecognizedClientException"
        assert sides.stage.heard == []
