"""Calls to Bedrock that the gateway signs: with its own credentials, over what it sends, whoever signed before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from apportion.gateway.signing import endpoint
from tests.gateway.answers import chunk
from tests.gateway.clients.shapes import shape
from tests.gateway.clients.test_bedrock import ARN, ASKS, HELLO, bearer, read, signing
from tests.gateway.replay import Both, both, check, replays, told
from tests.gateway.stage import SECRET, Caller, Heard, request

KEY, SESSION = "AKIDGATEWAY", "the/gateways+session=="
PRIVATE = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which there are no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


@pytest.fixture
def given(bare: pytest.MonkeyPatch) -> None:
    """An environment in which the gateway has some."""
    bare.setenv("AWS_ACCESS_KEY_ID", KEY)
    bare.setenv("AWS_SECRET_ACCESS_KEY", PRIVATE)
    bare.setenv("AWS_SESSION_TOKEN", SESSION)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Both]:
    with both(tmp_path / "log", provider="aws.bedrock", auth="sigv4", most_body_bytes=1 << 20) as made:
        terms = made.stage.worker.terms
        signed = replace(terms.upstreams["up"], endpoint=endpoint("127.0.0.1", "eu-central-1"))
        made.stage.worker.terms = replace(terms, upstreams={"up": signed})
        yield made


def is_signed(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request carries the signature that botocore gives it, and nothing of the caller's."""
    start, *lines = heard.head.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    known = dict(headers)
    assert (
        [name for name, _ in headers].count("authorization") == [name for name, _ in headers].count("x-amz-date") == 1
    )
    assert known["x-amz-security-token"] == SESSION
    proof = known["authorization"]
    assert proof.startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
    signed = proof.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
    method, target, _ = start.split(" ")
    asked = AWSRequest(method, f"http://{known['host']}{target}", data=heard.body)
    for name in signed:
        if name not in {"host", "x-amz-date", "x-amz-security-token"}:
            asked.headers[name] = known[name]
    at = dt.datetime.strptime(known["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: at)
    botocore.auth.SigV4Auth(Credentials(KEY, PRIVATE, SESSION), "bedrock", "eu-central-1").add_auth(asked)
    assert asked.headers["Authorization"] == proof
    assert SECRET not in str(headers)
    assert "AKIDCALLER" not in str(headers)


def call(client: Any, name: str, sides: Both) -> Any:
    """Make one call through the gateway."""
    sides.plays = [replays(shape(name))]
    return read(client, name)


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("way", ["a key for Bedrock's", "a key beside a signature"])
def test_every_operation(sides: Both, monkeypatch: pytest.MonkeyPatch, name: str, way: str) -> None:
    base = f"http://127.0.0.1:{sides.through.port}/up"
    client = bearer(base, SECRET) if way.startswith("a key for") else signing(base, SECRET)
    result = call(client, name, sides)
    assert result["ResponseMetadata"]["HTTPStatusCode"] == 200
    check(sides.stage.records(), shape(name))
    (heard,) = sides.stage.heard
    is_signed(heard, monkeypatch)


@pytest.mark.usefixtures("given")
def test_an_arn_is_signed_as_it_is_sent(sides: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    sides.plays = [replays(shape("converse"))]
    client = bearer(f"http://127.0.0.1:{sides.through.port}/up", SECRET)
    client.converse(modelId=ARN, messages=HELLO)
    client.close()
    (heard,) = sides.stage.heard
    assert b"arn%3Aaws%3Abedrock" in heard.head
    is_signed(heard, monkeypatch)
    assert sides.stage.records()[0]["request_model"] == ARN


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (lambda: request("/up/guardrail/g1/version/1/apply", b'{"source":"INPUT","content":[]}'), 200),
        (lambda: request("/up/model/m/converse?a=2&X-Amz-Signature=x&a=1", b"{}"), 200),
        (lambda: request("/up/async-invoke?maxResults=1", method="GET"), 200),
        (lambda: _in_chunks(b'{"messages":[]}'), 200),
        (lambda: request("/up/model/m/invoke", b"x" * (2 << 20)), 413),
        (lambda: _in_chunks(b"x" * (2 << 20)), 413),
    ],
    ids=["not billed", "with a query", "without a body", "in chunks", "too large", "too large in chunks"],
)
def test_requests_of_every_form(
    sides: Both, monkeypatch: pytest.MonkeyPatch, sent: Callable[[], bytes], status: int
) -> None:
    sides.plays = [replays(shape("converse"))]
    with Caller(sides.stage) as caller:
        assert caller.send(sent()).answer()[0] == status
    for heard in sides.stage.heard:
        is_signed(heard, monkeypatch)
        assert b"X-Amz-Signature" not in heard.head
        assert urlsplit(heard.head.split(b" ")[1].decode()).path.startswith("/")
    assert len(sides.stage.heard) == (status == 200)


def _in_chunks(body: bytes) -> bytes:
    head = request("/up/model/m/converse", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return head + b"".join(chunk(body[at : at + 65_536]) for at in range(0, len(body), 65_536)) + b"0\r\n\r\n"


@pytest.mark.usefixtures("bare")
def test_a_gateway_without_credentials_says_so(sides: Both, bare: pytest.MonkeyPatch) -> None:
    base = f"http://127.0.0.1:{sides.through.port}/up"
    client = bearer(base, SECRET)
    with pytest.raises(client.exceptions.ClientError, match="the gateway has no AWS credentials") as caught:
        client.converse(modelId="m", messages=HELLO)
    client.close()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert sides.stage.heard == []
    with Caller(sides.stage) as caller:
        status, headers, _ = caller.send(request("/up/model/m/converse", b"{}")).answer()
        assert (status, headers["x-apportion-refused"]) == (503, "no-aws-credentials")
        signer = sides.stage.worker.signer(sides.stage.worker.terms.upstreams["up"])
        assert signer is not None
        signer._looked_at -= 10
        bare.setenv("AWS_ACCESS_KEY_ID", KEY)
        bare.setenv("AWS_SECRET_ACCESS_KEY", PRIVATE)
        sides.plays = [replays(shape("converse"))]
        assert caller.send(request("/up/model/m/converse", b"{}")).answer()[0] == 200
        (record,) = sides.stage.records()
        assert told(record) == dict(shape("converse").tokens)


def test_an_address_without_a_region_is_said_to_be_one(tmp_path: Path) -> None:
    with both(tmp_path, provider="aws.bedrock", auth="sigv4") as sides, Caller(sides.stage) as caller:
        status, headers, body = caller.send(request("/up/model/m/converse", b"{}")).answer()
        assert (status, headers["x-apportion-refused"]) == (503, "region-unknown")
        assert b"names no AWS region" in body


@pytest.mark.usefixtures("given")
def test_forty_first_calls_at_once_wait_for_the_credentials(sides: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    sides.plays = [replays(shape("converse"))]
    callers = [Caller(sides.stage).send(request("/up/model/m/converse", b"{}")) for _ in range(40)]
    assert {caller.answer()[0] for caller in callers} == {200}
    for caller in callers:
        caller.close()
    assert len(sides.stage.records(40)) == len(sides.stage.heard) == 40
    is_signed(sides.stage.heard[-1], monkeypatch)
