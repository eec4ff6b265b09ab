"""Every recorded answer, read by its provider's own client through the gateway and directly: the same, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import anthropic
import boto3
import openai
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from openai.types import Completion, CreateEmbeddingResponse, ImagesResponse
from openai.types.beta.threads import Run
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from apportion.gateway.meters.frames import FrameSplitter
from apportion.gateway.upstream import Auth
from tests.gateway.clients.shapes import Shape
from tests.gateway.replay import Both, both, replays, told
from tests.real.test_transcripts import BETTER, COUNTED, PROVIDERS

# The client's class for a whole answer, and for an event of a stream.
CLASSES: dict[str, tuple[Any, Any]] = {
    "chat": (ChatCompletion, ChatCompletionChunk),
    "completions_legacy": (Completion, Completion),
    "embeddings": (CreateEmbeddingResponse, None),
    "images": (ImagesResponse, None),
    "assistants_run": (Run, object),
    "responses": (Response, object),
    "responses_get": (Response, object),
    "responses_compact": (Response, None),
}
OURS = (
    "uncached_input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "cache_write_other_tokens", "tool_prompt_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


class Recorded(NamedTuple):
    """A recorded answer.

    Attributes:
        row: What is expected of it.
        path: Its file.
        request: As it was made.
        answer: Status and headers.
    """

    row: dict[str, Any]
    path: Path
    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def provider(self) -> str:
        """The folder of its provider."""
        return str(self.row["file"]).split("/")[0]

    @property
    def operation(self) -> str:
        """The folder of its operation."""
        return self.path.parts[-3]

    @property
    def auth(self) -> Auth:
        """How its client says who calls."""
        return "x-goog-api-key" if self.provider == "gemini" and self.operation != "chat" else "bearer"

    def shape(self) -> Shape:
        """As the replay plays it."""
        body = self.path.read_bytes()
        headers = {
            name: value if isinstance(value, str) else value[0]
            for name, value in (self.answer.get("headers") or {}).items()
        }
        kind = next(value for name, value in headers.items() if name.lower() == "content-type")
        more = [f"{name}: {value}" for name, value in headers.items() if name.lower() not in LEFT_OUT]
        pieces = tuple(pieces_of(body, self.path.name))
        return Shape(self.path.name, PROVIDERS[self.provider], "", pieces, kind, headers=tuple(more))


# Enumerations as numbers were asked for, which the client cannot read, with and without the gateway.
STRANGE = ["vertex/generateContent/nonstream/otel-contrib__test_generate_content_with_files_0.json"]
LEFT_OUT = frozenset({"content-type", "content-length", "transfer-encoding", "content-encoding", "connection", "date"})


def pieces_of(body: bytes, name: str) -> Iterator[bytes]:
    """A stream in its events or frames; anything else in one piece."""
    if name.endswith(".sse"):
        yield from (event + b"\n\n" for event in body.split(b"\n\n")[:-1])
        yield from filter(None, [body.rpartition(b"\n\n")[2]])
    elif name.endswith(".bin"):
        at = 0
        while at < len(body):
            size = int.from_bytes(body[at : at + 4])
            assert FrameSplitter().feed(body[at : at + size])
            yield body[at : at + size]
            at += size
    else:
        yield body


@pytest.fixture(scope="module")
def recorded(shared: Path) -> list[Recorded]:
    folder = shared / "providers"
    found = []
    for line in (folder / "EXPECTED_USAGE.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = folder / row["file"]
        stem = path.name.removesuffix(".json").removesuffix(".sse").removesuffix(".eventstream.bin")
        meta = json.loads((path.parent / f"{stem}.meta.json").read_text(encoding="utf-8"))
        found.append(Recorded(row, path, meta["request"], meta["response"]))
    return found


class Clients:
    """A client of each kind for each side, made once.

    Args:
        stack: Closes them.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._made: dict[tuple[str, str], Any] = {}

    def get(self, kind: str, base: str, key: str) -> Any:
        """A client of a kind for one side."""
        if (kind, base) not in self._made:
            self._made[kind, base] = made = getattr(self, f"_{kind}")(base, key)
            self._stack.callback(made.close)
        return self._made[kind, base]

    def _openai(self, base: str, key: str) -> Any:
        return openai.OpenAI(base_url=base, api_key=key, max_retries=0)

    def _anthropic(self, base: str, key: str) -> Any:
        return anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)

    def _gemini(self, base: str, key: str) -> Any:
        return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))

    def _vertex(self, base: str, key: str) -> Any:
        return genai.Client(
            vertexai=True, project="larkspur", location="global",
            credentials=Credentials(token=key),  # type: ignore[no-untyped-call, unused-ignore]
            http_options=types.HttpOptions(base_url=base),
        )  # fmt: skip

    def _bedrock(self, base: str, key: str) -> Any:
        config = Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED)
        client = boto3.Session().client("bedrock-runtime", region_name="us-east-1", endpoint_url=base, config=config)
        brought = {"Authorization": f"Bearer {key}"}
        client.meta.events.register("before-send.bedrock-runtime", lambda request, **_: request.headers.update(brought))
        return client


def ask(clients: Clients, each: Recorded, base: str, key: str) -> Any:
    """Make the recorded request again."""
    if each.provider == "anthropic":
        return _anthropic(clients.get("anthropic", base, key), each)
    if each.operation in {"generateContent", "streamGenerateContent"} or "mbed" in each.operation[1:]:
        return _google(clients.get(each.provider, base, key), each) if each.operation != "embeddings" else _openai(
            clients.get("openai", base, key), each)  # fmt: skip
    if each.operation == "predict":
        return _google(clients.get("vertex", base, key), each)
    if each.operation in {"converse", "converse-stream", "invoke", "invoke-with-response-stream"}:
        return _bedrock(clients.get("bedrock", base, key), each)
    return _openai(clients.get("openai", base, key), each)


def _body(each: Recorded) -> Any:
    body = each.request.get("body")
    return body if isinstance(body, dict) else {"model": each.row.get("request_model") or "m"}


def _openai(client: Any, each: Recorded) -> Any:
    url = urlsplit(each.request["url"])
    whole, event = CLASSES[each.operation]
    target = url.path + (f"?{url.query}" if url.query else "")
    stream = each.path.name.endswith(".sse")
    if each.request["method"] == "GET":
        call: Callable[..., Any] = client.get
    else:
        call = partial(client.post, body=_body(each))
    found = call(target, cast_to=whole, stream=stream, stream_cls=openai.Stream[event])  # type: ignore[valid-type]
    return list(found) if stream else found


def _anthropic(client: Any, each: Recorded) -> Any:
    stream = each.path.name.endswith(".sse")
    found = client.post(
        "/v1/messages", body=_body(each), cast_to=anthropic.types.Message, stream=stream,
        stream_cls=anthropic.Stream[anthropic.types.RawMessageStreamEvent],
    )  # fmt: skip
    return list(found) if stream else found


def _google(client: Any, each: Recorded) -> Any:
    model = urlsplit(each.request["url"]).path.rpartition("/")[2].partition(":")[0]
    if each.operation == "generateContent":
        return client.models.generate_content(model=model, contents="a")
    if each.operation == "streamGenerateContent":
        return list(client.models.generate_content_stream(model=model, contents="a"))
    return client.models.embed_content(model=model, contents="a")


def _bedrock(client: Any, each: Recorded) -> Any:
    model = unquote(urlsplit(each.request["url"]).path.split("/")[2])
    hello = [{"role": "user", "content": [{"text": "a"}]}]
    match each.operation:
        case "converse":
            return client.converse(modelId=model, messages=hello)
        case "converse-stream":
            return list(client.converse_stream(modelId=model, messages=hello)["stream"])
        case "invoke":
            return client.invoke_model(modelId=model, body=json.dumps(_body(each)))["body"].read()
        case _:
            body = json.dumps(_body(each))
            return list(client.invoke_model_with_response_stream(modelId=model, body=body)["body"])


def test_every_recorded_answer(recorded: list[Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    raised, measured = [], 0
    for provider, auth in dict.fromkeys((each.provider, each.auth) for each in recorded):
        with (
            ExitStack() as stack,
            both(tmp_path / f"{provider}-{auth}", auth=auth, provider=PROVIDERS[provider]) as sides,
        ):
            clients = Clients(stack)
            for each in recorded:
                if (each.provider, each.auth) == (provider, auth):
                    result, records = _compare(sides, clients, each)
                    measured += _expected(each, records)
                    raised += [each.row["file"]] if isinstance(result, list) and result[:1] == ["raised"] else []
    assert (measured, raised) == (206, STRANGE)


def _compare(sides: Both, clients: Clients, each: Recorded) -> tuple[Any, list[dict[str, Any]]]:
    adds = each.path.name.endswith(".sse") and each.operation in {"chat", "completions_legacy"}
    body = each.request.get("body")
    asks = isinstance(body, dict) and (body.get("stream_options") or {}).get("include_usage") is True
    play = replays(each.shape())
    try:
        return sides.compare(lambda base, key: ask(clients, each, base, key), play, adds_usage=adds and not asks)
    except AssertionError as error:
        error.add_note(str(each.row["file"]))
        raise


def _expected(each: Recorded, records: list[dict[str, Any]]) -> int:
    """Whether an answer is measured, which it is with exactly the buckets that are expected."""
    expected = BETTER.get(each.row["file"], each.row["expected"])
    if expected is None:
        assert records[0]["state"] != "measured", each.row["file"]
        return 0
    wanted = [
        {ours: part[theirs] for ours, theirs in zip(OURS, COUNTED, strict=True) if part.get(theirs)}
        for part in expected
    ]
    assert [told(record) for record in records] == (wanted or [{}]), each.row["file"]
    assert {record["state"] for record in records} == {"measured"}
    return 1
