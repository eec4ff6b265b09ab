"""Signatures are botocore's to the byte; credentials are found beside the calls, renewed, and missed with a reason."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped, unused-ignore]
import botocore.auth  # type: ignore[import-untyped, unused-ignore]
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.credentials import Credentials as Theirs  # type: ignore[import-untyped, unused-ignore]
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.signing import (
    AwsChain,
    Credentials,
    Endpoint,
    NoCredentialsError,
    Signer,
    Source,
    endpoint,
    is_callers,
    worth_signing,
)

NOW = 1_795_000_000.0
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
OURS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "an/opaque+session==")


class Given:
    """Credentials that are there, or are not, as a test says."""

    def __init__(self, *answers: Credentials | Exception) -> None:
        self.answers = list(answers)
        self.looks = 0
        self.may = threading.Event()
        self.may.set()

    def look(self) -> Credentials:
        self.may.wait(10)
        self.looks += 1
        answer = self.answers[min(self.looks, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock(asyncio.SelectorEventLoop):
    """A loop whose clock a test can put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.fixture
def loop() -> Iterator[Clock]:
    made = Clock()
    yield made
    made.close()


def signer(credentials: Credentials, region: str = "us-east-1", service: str = "bedrock") -> Signer:
    """A signer that has its credentials."""
    loop = asyncio.new_event_loop()
    try:
        made = Signer(region, service, loop=loop, source=Given(credentials))
        assert told(loop, made) == ""
    finally:
        loop.close()
    return made


def told(loop: asyncio.AbstractEventLoop, made: Signer) -> str:
    """What a signer says when it is asked whether it is ready."""
    answer: asyncio.Future[str] = loop.create_future()
    made.ready(answer.set_result)
    return loop.run_until_complete(asyncio.wait_for(answer, 20))


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    at = dt.datetime.fromtimestamp(NOW, dt.UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: at)


SEGMENTS = st.text("abcXYZ019-_.~:@!$&'()*+,;=%/ ü", min_size=1, max_size=30).map(
    lambda each: "".join(
        c if c.isascii() and (c.isalnum() or c in "-_.~:@!$&'()*+,;=") else f"%{ord(c):02X}" for c in each
    )
)
PATHS = st.lists(SEGMENTS.filter(lambda each: each not in {".", ".."}), min_size=1, max_size=4).map("/".join)
QUERIES = st.lists(
    st.tuples(st.text("abAB-~%20", max_size=4), st.none() | st.text("xyXY-~%3A=", max_size=4)), max_size=4
).map(lambda pairs: "&".join(key if value is None else f"{key}={value}" for key, value in pairs))
VALUES = st.text('ab,;=/ \t"0é', max_size=20)
NAMES = st.sampled_from(
    ["Content-Type", "Accept", "X-Amzn-Bedrock-Trace", "x-amz-target", "User-Agent", "Expect", "Traceparent",
     "baggage", "X-Request-Thing", "amz-sdk-invocation-id", "x-amzn-trace-id"]
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


@pytest.mark.usefixtures("frozen")
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]), PATHS, QUERIES, HEADERS, st.binary(max_size=100),
    st.sampled_from([OURS, OURS._replace(session=None)]),
)  # fmt: skip
def test_a_signature_is_the_one_of_botocore(
    method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes, ours: Credentials
) -> None:
    target = f"/{path}" + (f"?{query}" if query else "")
    asked = AWSRequest(method, f"https://{HOST}{target}", data=body)
    for header, text in headers:
        asked.headers[header] = text
    theirs = Theirs(ours.access_key, ours.secret_key, ours.session)
    botocore.auth.SigV4Auth(theirs, "bedrock", "us-east-1").add_auth(asked)
    given_ = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    found = signer(ours).sign(method, HOST.encode(), target.encode(), given_, body, NOW)
    for name, value in found:
        assert asked.headers.get_all(name.decode())[-1] == value.decode()
    assert len(found) == (3 if ours.session else 2)


def asked_of_boto3(operation: str, **arguments: Any) -> Any:
    """The request that boto3 would send, signed by it."""
    seen: list[Any] = []

    def instead(request: Any, **_: Any) -> AWSResponse:
        seen.append(request)
        return AWSResponse(request.url, 500, {}, _Empty())

    client = boto3.client(
        "bedrock-runtime", region_name="us-east-1", aws_access_key_id=OURS.access_key,
        aws_secret_access_key=OURS.secret_key, aws_session_token=OURS.session,
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    client.meta.events.register("before-send.bedrock-runtime", instead)
    with pytest.raises(client.exceptions.ClientError):
        getattr(client, operation)(**arguments)
    return seen[0]


class _Empty:
    """A body of nothing."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        return iter((b"{}",))

    def read(self, *_: Any) -> bytes:
        return b"{}"


CLAUDE = "us.anthropic.claude-opus-5-v1:0"
CONVERSATION = [{"role": "user", "content": [{"text": "Grüße"}]}]
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("converse", {"modelId": "anthropic.claude-3-sonnet-20240229-v1:0", "messages": CONVERSATION}),
        ("converse_stream", {"modelId": ARN, "messages": CONVERSATION, "requestMetadata": {"team": "search"}}),
        ("invoke_model", {"modelId": ARN, "body": json.dumps({"inputText": "a"}), "trace": "ENABLED",
                          "guardrailIdentifier": "g1", "guardrailVersion": "1"}),
        ("invoke_model_with_response_stream", {"modelId": "amazon.nova-micro-v1:0", "body": b"{}",
                                               "contentType": "application/json", "accept": "*/*"}),
        ("count_tokens", {"modelId": CLAUDE, "input": {"converse": {"messages": CONVERSATION}}}),
        ("apply_guardrail", {"guardrailIdentifier": "g/1", "guardrailVersion": "DRAFT", "source": "INPUT",
                             "content": [{"text": {"text": "a"}}]}),
    ],
)  # fmt: skip
def test_requests_of_boto3_get_the_signature_that_boto3_gave_them(operation: str, arguments: dict[str, Any]) -> None:
    request = asked_of_boto3(operation, **arguments)
    said = _text(request.headers["Authorization"])
    names = said.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    body = request.body.encode() if isinstance(request.body, str) else bytes(request.body)
    headers = [
        (name.encode(), _text(request.headers[name]).encode())
        for name in names
        if name not in {"host", "x-amz-date", "x-amz-security-token"}
    ]
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    found = dict(signer(OURS).sign(request.method, HOST.encode(), target.encode(), headers, body, NOW))
    assert found[b"Authorization"].decode() == said
    assert found[b"X-Amz-Security-Token"].decode() == OURS.session
    if ":" in str(arguments.get("modelId", "")):
        assert "%3A" in target


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_a_key_is_good_for_a_day_a_region_and_a_service() -> None:
    def signature(made: Signer, now: float) -> tuple[bytes, ...]:
        return tuple(value for _, value in made.sign("POST", b"h", b"/", [], b"", now))

    here = signer(OURS)
    assert signature(here, NOW) == signature(here, NOW + 0.4)
    others = [
        signature(here, NOW + 86_400),
        signature(signer(OURS, "eu-west-1"), NOW),
        signature(signer(OURS, service="bedrock-mantle"), NOW),
        signature(signer(OURS._replace(secret_key=OURS.access_key)), NOW),
    ]
    assert len({signature(here, NOW), *others}) == 5
    assert b"/eu-west-1/bedrock/aws4_request" in signature(signer(OURS, "eu-west-1"), NOW)[-1]


@pytest.mark.parametrize(
    ("host", "region", "expected"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", None, Endpoint("eu-central-1")),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", None, Endpoint("us-gov-west-1")),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", None, Endpoint("cn-north-1")),
        ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", None, Endpoint("eusc-de-east-1")),
        ("bedrock-runtime.us-isob-east-1.sc2s.sgov.gov", None, Endpoint("us-isob-east-1")),
        ("vpce-0a1b2c-d3.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", None, Endpoint("ap-southeast-2")),
        ("bedrock-mantle.us-east-1.api.aws", None, Endpoint("us-east-1", "bedrock-mantle")),
        ("BEDROCK-RUNTIME.US-EAST-1.AMAZONAWS.COM.", None, Endpoint("us-east-1")),
        ("bedrock.internal.example.com", None, None),
        ("bedrock.internal.example.com", "us-west-2", Endpoint("us-west-2")),
        ("127.0.0.1", "us-west-2", Endpoint("us-west-2")),
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu-west-1", Endpoint("eu-west-1")),
    ],
)
def test_the_host_tells_region_and_service_unless_the_settings_do(
    host: str, region: str | None, expected: Endpoint | None
) -> None:
    assert endpoint(host, region) == expected


def test_what_a_caller_signed_is_dropped_and_what_aws_reads_is_signed() -> None:
    theirs = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"]
    assert all(is_callers(name.encode()) for name in theirs)
    kept = ["content-type", "x-amzn-bedrock-trace", "amz-sdk-invocation-id", "accept", "x-amzn-trace-id"]
    assert not any(is_callers(name.encode()) for name in kept)
    headers = [(name.title().encode(), b"v") for name in kept]
    assert [name for name, _ in worth_signing(headers)] == [b"Content-Type", b"X-Amzn-Bedrock-Trace"]


def test_the_first_calls_wait_for_credentials_and_later_ones_do_not(loop: Clock) -> None:
    source = Given(OURS)
    source.may.clear()
    made = Signer("us-east-1", loop=loop, source=source)
    heard: list[str] = []
    for _ in range(3):
        made.ready(heard.append)
    given_up: list[str] = []
    made.ready(given_up.append)
    made.forget(given_up.append)
    with pytest.raises(NoCredentialsError, match="no AWS credentials"):
        made.sign("POST", b"h", b"/", [], b"", NOW)
    loop.run_until_complete(asyncio.sleep(0.02))
    assert heard == []
    source.may.set()
    assert (told(loop, made), heard, given_up) == ("", ["", "", ""], [])
    made.ready(heard.append)
    assert (heard[3:], source.looks) == ([""], 1)


def test_credentials_are_renewed_beside_the_calls(loop: Clock) -> None:
    renewed = OURS._replace(access_key="AKIDRENEWED")
    source = Given(OURS, renewed, NoCredentialsError("gone"), OURS)
    made = Signer("us-east-1", loop=loop, source=source)
    assert told(loop, made) == ""

    def key() -> bytes:
        return made.sign("POST", b"h", b"/", [], b"", NOW)[-1][1]

    made.tick()
    assert source.looks == 1
    loop.ahead += 61
    source.may.clear()
    made.tick()
    made.tick()
    assert (b"AKIDEXAMPLE" in key(), told(loop, made)) == (True, "")
    source.may.set()
    settle(loop, lambda: b"AKIDRENEWED" in key())
    assert source.looks == 2
    loop.ahead += 61
    made.tick()
    settle(loop, lambda: told_now(made) == "gone")
    loop.ahead += 6
    assert (told(loop, made), b"AKIDEXAMPLE" in key()) == ("", True)


def told_now(made: Signer) -> str | None:
    """What a signer says at once."""
    heard: list[str] = []
    made.ready(heard.append)
    made.forget(heard.append)
    return heard[0] if heard else None


def settle(loop: asyncio.AbstractEventLoop, until: Callable[[], bool]) -> None:
    """Run the loop until something holds."""
    for _ in range(500):
        if until():
            return
        loop.run_until_complete(asyncio.sleep(0.01))
    raise AssertionError


def test_where_there_are_none_each_call_hears_it_and_they_are_looked_for_again(loop: Clock) -> None:
    source = Given(NoCredentialsError("the gateway has no AWS credentials; give it some"), OURS)
    made = Signer("us-east-1", loop=loop, source=source)
    assert "no AWS credentials" in told(loop, made)
    assert "no AWS credentials" in (told_now(made) or "")
    assert source.looks == 1
    with pytest.raises(NoCredentialsError, match="give it some"):
        made.sign("POST", b"h", b"/", [], b"", NOW)
    loop.ahead += 6
    assert (told(loop, made), source.looks) == ("", 2)


def test_whoever_waits_too_long_hears_of_it_and_a_broken_source_is_told(loop: Clock) -> None:
    source = Given(OURS)
    source.may.clear()
    made = Signer("us-east-1", loop=loop, source=source)
    heard: list[str] = []
    made.ready(heard.append)
    made.tick()
    assert heard == []
    loop.ahead += 21
    made.tick()
    assert "longer than 20 seconds" in heard[0]
    source.may.set()
    assert told(loop, made) == ""
    broken = Signer("us-east-1", loop=loop, source=Given(ZeroDivisionError("a secret")))
    assert told(loop, broken) == "the gateway has no AWS credentials: looking for them failed with ZeroDivisionError"


# --- botocore's chain


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which there are none."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


def test_the_chain_reads_environment_and_files_again(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chain = AwsChain()
    with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID"):
        chain.look()
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = A1\naws_secret_access_key = S1\n"
        "[eu]\naws_access_key_id = A3\naws_secret_access_key = S3\naws_session_token = T3\n"
    )
    assert chain.look() == Credentials("A1", "S1", None)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = A2\naws_secret_access_key = S2\n[eu]\n")
    assert chain.look() == Credentials("A2", "S2", None)
    bare.setenv("AWS_ACCESS_KEY_ID", "E1")
    bare.setenv("AWS_SECRET_ACCESS_KEY", "E2")
    bare.setenv("AWS_SESSION_TOKEN", "E3")
    assert chain.look() == Credentials("E1", "E2", "E3")
    with pytest.raises(NoCredentialsError, match="ProfileNotFound"):
        AwsChain("elsewhere").look()


@pytest.mark.usefixtures("bare")
def test_a_profile_is_chosen_by_name(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[eu]\naws_access_key_id = A3\naws_secret_access_key = S3\n")
    assert AwsChain("eu").look() == Credentials("A3", "S3", None)


@pytest.mark.usefixtures("bare")
def test_credentials_that_expire_are_renewed_and_kept_while_they_last(tmp_path: Path) -> None:
    answers = tmp_path / "answer.json"
    command = tmp_path / "command"
    command.write_text(f'#!/bin/sh\ntest -e "{answers}" || {{ echo a-secret >&2; exit 1; }}\ncat "{answers}"\n')
    command.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")

    def gives(key: str, minutes: float) -> None:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        answers.write_text(
            json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t",
                        "Expiration": ends.isoformat()})
        )  # fmt: skip

    chain = AwsChain()
    gives("FIRST", 5)
    assert chain.look().access_key == "FIRST"
    gives("SECOND", 60)
    assert chain.look().access_key == "SECOND"
    gives("THIRD", 60)
    assert chain.look().access_key == "SECOND"
    short = AwsChain()
    gives("SHORT", 0.05)
    assert short.look().access_key == "SHORT"
    answers.unlink()
    assert short.look().access_key == "SHORT"
    short._found._expiry_time -= dt.timedelta(minutes=5)
    with pytest.raises(NoCredentialsError, match="CredentialRetrievalError") as caught:
        short.look()
    assert "a-secret" not in str(caught.value)


def test_without_botocore_the_reason_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(NoCredentialsError, match=r"apportion\[bedrock\]"):
        AwsChain().look()


def test_credentials_show_no_secret() -> None:
    assert OURS.secret_key not in repr(OURS)
    source: Source = AwsChain()
    assert "wJalr" not in repr(source)
