"""What goes wrong at a provider goes wrong in the same way through the gateway, and each attempt is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import anthropic
import boto3
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from google import genai
from google.genai import types

from apportion.gateway.upstream import Auth
from tests.gateway.answers import chunk, head_of_stream, says, whole
from tests.gateway.clients.shapes import Shape, generated, said, shape
from tests.gateway.replay import Both, both, replays, told
from tests.gateway.stage import Play
from tests.unit.gateway.meters.answers import frame

HELLO: Any = [{"role": "user", "content": "Hi"}]
TEXT: Final = "what did you say?"


class Client(NamedTuple):
    """A client in the shape of a test.

    Attributes:
        provider: That it speaks to.
        auth: How.
        ask: Makes one call, with so many attempts at most, and says whether as a stream.
        error: The body of an error of the provider's, by its status.
        name: The shape of an answer, and with `stream` behind it that of a stream.
    """

    provider: str
    auth: Auth
    ask: Callable[[str, str, int, bool], Any]
    error: Callable[[int], Any]
    name: str


def ask_openai(base: str, key: str, attempts: int, stream: bool) -> Any:
    with openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=attempts - 1) as client:
        more: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        found = client.chat.completions.create(model="m", messages=HELLO, **more)
        return _seen(found) if stream else found


def ask_anthropic(base: str, key: str, attempts: int, stream: bool) -> Any:
    with anthropic.Anthropic(base_url=base, api_key=key, max_retries=attempts - 1) as client:
        found: Any = client.messages.create(model="m", max_tokens=9, messages=HELLO, stream=stream)
        return _seen(found) if stream else found


def ask_google(base: str, key: str, attempts: int, stream: bool) -> Any:
    retries = types.HttpRetryOptions(attempts=attempts, initial_delay=0.01, max_delay=0.02)
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base, retry_options=retries)) as client:
        if stream:
            return _seen(client.models.generate_content_stream(model="m", contents="Hi"))
        return client.models.generate_content(model="m", contents="Hi")


def ask_bedrock(base: str, key: str, attempts: int, stream: bool) -> Any:
    retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
    client = _session().client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=base,
        config=Config(retries=retries, signature_version=UNSIGNED),
    )  # fmt: skip
    brought = {"Authorization": f"Bearer {key}"}
    client.meta.events.register("before-send.bedrock-runtime", lambda request, **_: request.headers.update(brought))
    try:
        messages = [{"role": "user", "content": [{"text": "Hi"}]}]
        if stream:
            return _seen(client.converse_stream(modelId="m", messages=messages)["stream"])
        return client.converse(modelId="m", messages=messages)
    finally:
        client.close()


@lru_cache
def _session() -> boto3.Session:
    """One for all: it reads the descriptions of services once."""
    return boto3.Session()


class _BrokenOffError(Exception):
    """A stream that broke off, with what had come of it."""


def _seen(stream: Iterator[Any]) -> Any:
    """The events of a stream; where it breaks off, what had come is part of the error."""
    found: list[Any] = []
    try:
        for event in stream:
            found.append(event)  # noqa: PERF402 - what came before an error is of interest
    except Exception as error:
        raise _BrokenOffError(f"{len(found)} events: {found}") from error
    return found


_CODES: Final = {
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException",
    429: "ThrottlingException", 500: "InternalServerException", 503: "ServiceUnavailableException",
}  # fmt: skip
CLIENTS: Final = {
    "openai": Client("openai", "bearer", ask_openai, lambda status: {
        "error": {"message": TEXT, "type": "server_error" if status >= 500 else "requests", "param": None,
                  "code": "rate_limit_exceeded" if status == 429 else None}}, "chat"),
    "anthropic": Client("anthropic", "bearer", ask_anthropic, lambda status: {
        "type": "error", "request_id": "req_1",
        "error": {"type": "overloaded_error" if status == 529 else "api_error", "message": TEXT}}, "messages"),
    "google": Client("gcp.gemini", "x-goog-api-key", ask_google, lambda status: {
        "error": {"code": status, "message": TEXT, "status": "RESOURCE_EXHAUSTED"}}, "generate"),
    "bedrock": Client("aws.bedrock", "bearer", ask_bedrock, lambda _: {"message": TEXT}, "converse"),
}  # fmt: skip


@pytest.fixture(scope="module", params=CLIENTS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Both]]:
    client = CLIENTS[request.param]
    with both(tmp_path_factory.mktemp("log"), auth=client.auth, provider=client.provider) as sides:
        yield client, sides


def fails(client: Client, status: int, *headers: str) -> Play:
    """Play an error."""
    body = json.dumps(client.error(status)).encode()
    code = (f"x-amzn-errortype: {_CODES.get(status, 'ModelErrorException')}",) if client.name == "converse" else ()
    return says(whole(body, *headers, *code, status=f"{status} Something"))


@pytest.mark.parametrize(
    ("status", "stream"),
    [*((status, False) for status in (400, 401, 403, 404, 413, 429, 500, 529)), (429, True), (503, True)],
)
def test_an_error_is_the_same_error(made: tuple[Client, Both], status: int, stream: bool) -> None:
    client, sides = made
    result, (record,) = sides.compare(
        lambda base, key: client.ask(base, key, 1, stream), fails(client, status, "Retry-After: 7")
    )
    assert result[0] == "raised"
    assert (record["state"], record["outcome"], record["status"]) == ("missing", "error", status)
    assert told(record) == {}
    assert str(status) in record["why"]
    assert TEXT not in json.dumps(record)


def test_what_is_tried_again_is_written_down_each_time(made: tuple[Client, Both]) -> None:
    client, sides = made
    soon = ("Retry-After: 0", "Retry-After-Ms: 1")
    answer = shape(client.name)
    _, records = sides.compare(
        lambda base, key: client.ask(base, key, 3, False),
        fails(client, 429, *soon), fails(client, 503, *soon), replays(answer), attempts=3,
    )  # fmt: skip
    assert [(record["outcome"], record["status"]) for record in records] == [
        ("error", 429),
        ("error", 503),
        ("ok", 200),
    ]
    assert [told(record) for record in records] == [{}, {}, dict(answer.tokens)]
    assert [record["requests"] for record in records] == [1, 1, 1]


def _cut(answer: Shape, pieces: int, more: bytes = b"") -> Play:
    """Play the head of a stream, some of its pieces, and nothing more."""
    sent = [chunk(piece) for piece in answer.pieces[:pieces]]
    return says(head_of_stream(kind=answer.kind), 0.02, *sent, more, 0.02, close=True)


@pytest.mark.parametrize("pieces", [0, 2, 3])
def test_a_stream_that_is_cut_is_cut(made: tuple[Client, Both], pieces: int) -> None:
    client, sides = made
    answer = shape(f"{client.name} stream")
    pieces = min(pieces, len(answer.pieces) - 1)
    half = chunk(answer.pieces[pieces])
    for more in (b"", half[: len(half) // 2]):
        result, (record,) = sides.compare(lambda base, key: client.ask(base, key, 1, True), _cut(answer, pieces, more))
        assert (record["outcome"], record["status"]) == ("cut", 200)
        assert record["state"] in {"estimated", "missing"}
        assert result[0] == "raised"


def test_a_document_that_is_cut_is_cut(made: tuple[Client, Both]) -> None:
    client, sides = made
    sent = whole(shape(client.name).body)
    for size in (len(sent) - 1, len(sent) - 40):
        result, (record,) = sides.compare(
            lambda base, key: client.ask(base, key, 1, False), says(sent[:size], 0.02, close=True)
        )
        # The AWS client takes half a document for an empty answer, with and without the gateway.
        assert client.name == "converse" or result[0] == "raised"
        assert (record["outcome"], record["state"] == "measured") == ("cut", False)


ERRORS_INSIDE: Final = {
    "openai": said({"error": {"message": TEXT, "type": "server_error", "code": None}}),
    "anthropic": said({"type": "error", "error": {"type": "overloaded_error", "message": TEXT}}),
    "google": said({"error": {"code": 503, "message": TEXT, "status": "UNAVAILABLE"}}),
    "bedrock": (frame("modelStreamErrorException", {"message": TEXT}, "exception"),),
}


def test_an_error_inside_a_stream_is_the_same_error(made: tuple[Client, Both]) -> None:
    client, sides = made
    name = next(name for name, each in CLIENTS.items() if each is client)
    whole_stream = shape(f"{client.name} stream")
    first = whole_stream.pieces[:2] if name != "google" else whole_stream.pieces[:1]
    broken = whole_stream._replace(pieces=(*first, *ERRORS_INSIDE[name]))
    _, (record,) = sides.compare(lambda base, key: client.ask(base, key, 1, True), replays(broken))
    assert record["state"] != "measured"
    assert TEXT not in json.dumps(record)


# The AWS client leaves its socket open behind an answer that it cannot read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_answer_that_is_none_of_the_clients_is_as_strange_through_the_gateway(made: tuple[Client, Both]) -> None:
    client, sides = made
    for body, kind in ((b"<html>502</html>", "text/html"), (b"", "application/json"), (b"[]", "application/json")):
        _, (record,) = sides.compare(lambda base, key: client.ask(base, key, 1, False), says(whole(body, kind=kind)))
        assert record["state"] != "measured"
    sides.compare(lambda base, key: client.ask(base, key, 1, False), says(whole(b"", status="204 No Content")))


def test_finish_without_usage(tmp_path: Path) -> None:
    silent = generated("Hi", usage=None)
    with both(tmp_path, auth="x-goog-api-key", provider="gcp.gemini") as sides:
        body = json.dumps({key: value for key, value in silent.items() if value is not None}).encode()
        _, (record,) = sides.compare(lambda base, key: ask_google(base, key, 1, False), says(whole(body)))
        assert record["state"] in {"estimated", "missing"}
