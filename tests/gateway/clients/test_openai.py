"""OpenAI's own client through the gateway and directly: every operation, sync and async, and those who imitate it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.gateway.clients.shapes import Shape, shape
from tests.gateway.replay import Both, both, check, gzipped, replays, told
from tests.gateway.stage import SECRET, Heard, Play

Ask = Callable[[Any], Any]
HELLO: Any = [{"role": "user", "content": "Grüß Gott ☕"}]
SOUND = ("speech.wav", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav")
PICTURE = ("picture.png", b"\x89PNG\r\n\x1a\n\0\0", "image/png")
ASKS: dict[str, Ask] = {
    "chat": lambda c: c.chat.completions.create(model="gpt-5.6-sol", messages=HELLO),
    "chat stream": lambda c: c.chat.completions.create(
        model="gpt-5.6-sol", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ),
    "responses": lambda c: c.responses.create(model="gpt-5.6-sol", input="Grüß Gott", metadata={"run": "7"}),
    "responses stream": lambda c: c.responses.create(model="gpt-5.6-sol", input="Grüß Gott", stream=True),
    "responses retrieve": lambda c: c.responses.retrieve("resp_1"),
    "completions": lambda c: c.completions.create(model="gpt-3.5-turbo-instruct", prompt="H"),
    "completions stream": lambda c: c.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="H", stream=True, stream_options={"include_usage": True}
    ),
    "embeddings": lambda c: c.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float"),
    "images": lambda c: c.images.generate(model="gpt-image-1", prompt="a"),
    "images edit": lambda c: c.images.edit(model="gpt-image-1", prompt="a", image=PICTURE),
    "transcription": lambda c: c.audio.transcriptions.create(model="gpt-4o-transcribe", file=SOUND),
    "translation": lambda c: c.audio.translations.create(model="whisper-1", file=SOUND),
    "speech": lambda c: c.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Grüß Gott"),
    "batch": lambda c: c.batches.retrieve("batch_1"),
    "batch begun": lambda c: c.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    ),
    "models": lambda c: c.models.list(),
}
COMPATIBLE_ASKS: dict[str, Ask] = {
    "openrouter chat": lambda c: c.chat.completions.create(model="anthropic/claude-opus-5", messages=HELLO),
    "openrouter chat stream": lambda c: c.chat.completions.create(
        model="anthropic/claude-opus-5", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ),
}
AZURE_ASKS: dict[str, Ask] = {
    "azure chat": lambda c: c.chat.completions.create(model="writer", messages=HELLO),
    "azure chat stream": lambda c: c.chat.completions.create(
        model="writer", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ),
    "azure embeddings": lambda c: c.embeddings.create(model="writer", input="a", encoding_format="float"),
}


def sync(base: str, key: str, ask: Ask, **more: Any) -> Any:
    """Ask with the client that blocks."""
    with openai.OpenAI(base_url=base, api_key=key, max_retries=0, **more) as client:
        return read(ask(client))


def read(found: Any) -> Any:
    """All of an answer, a stream's events among it."""
    if isinstance(found, openai.Stream):
        return list(found)
    return found.read() if hasattr(found, "read") else found


def with_async(base: str, key: str, ask: Ask) -> Any:
    """Ask with the client that does not block."""

    async def asked() -> Any:
        async with openai.AsyncOpenAI(base_url=base, api_key=key, max_retries=0) as client:
            found = await ask(client)
            if isinstance(found, openai.AsyncStream):
                return [event async for event in found]
            return found.read() if hasattr(found, "read") else found

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(tmp_path_factory.mktemp("log")) as made:
        yield made


# The client calls translations deprecated.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("way", [sync, with_async])
@pytest.mark.parametrize("name", ASKS)
def test_every_operation(sides: Both, name: str, way: Callable[[str, str, Ask], Any]) -> None:
    answer, ask = shape(name), ASKS[name]
    result, records = sides.compare(lambda base, key: way(f"{base}/v1", key, ask), replays(answer))
    check(records, answer)
    if "stream" in name:
        assert len(result) >= len(answer.pieces) - 1
    elif name == "speech":
        assert result == answer.body
    else:
        assert result["is a"] != "str"


def test_a_stream_that_does_not_ask_for_its_usage(sides: Both) -> None:
    answer = shape("chat stream")
    (*pieces, usage, done) = answer.pieces
    assert b'"choices": []' in usage
    bare = answer._replace(pieces=(*(piece.replace(b', "usage": null', b"") for piece in pieces), done))
    asked = bare._replace(pieces=(*bare.pieces[:-1], usage, done))
    for way in (sync, with_async):
        result, records = sides.compare(
            lambda base, key, way=way: way(
                f"{base}/v1", key, lambda c: c.chat.completions.create(model="m", messages=HELLO, stream=True)
            ),
            _as_asked(bare, asked),
            adds_usage=True,
        )
        check(records, answer)
        assert len(result) == len(bare.pieces) - 1


def _as_asked(bare: Shape, asked: Shape) -> Play:
    """Play the usage to whoever asks for it."""

    async def play(heard: Heard, *streams: Any) -> None:
        await replays(asked if b"include_usage" in heard.body else bare)(heard, *streams)

    return play


def test_the_events_that_the_client_makes_of_a_stream(sides: Both) -> None:
    def chat(base: str, key: str) -> Any:
        with (
            openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0) as client,
            client.chat.completions.stream(
                model="gpt-5.6-sol", messages=HELLO, stream_options={"include_usage": True}
            ) as stream,
        ):
            return [[event.type for event in stream], stream.get_final_completion()]

    result, records = sides.compare(chat, replays(shape("chat stream")))
    check(records, shape("chat stream"))
    assert result[1]["usage"]["prompt_tokens"] == 2006

    def responses(base: str, key: str) -> Any:
        with (
            openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0) as client,
            client.responses.stream(model="gpt-5.6-sol", input="a") as stream,
        ):
            return [[event.type for event in stream], stream.get_final_response()]

    result, records = sides.compare(responses, replays(shape("responses stream")))
    check(records, shape("responses stream"))
    assert result[1]["usage"]["total_tokens"] == 175


def test_an_answer_in_pieces_as_its_transport_gives_it(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        with (
            openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0) as client,
            client.chat.completions.with_streaming_response.create(model="m", messages=HELLO) as answer,
        ):
            return [dict(answer.headers), b"".join(answer.iter_bytes(7))]

    (headers, body), records = sides.compare(call, replays(shape("chat")))
    assert body == shape("chat").body
    assert headers["x-request-id"] == "r-1"
    check(records, shape("chat"))


@pytest.mark.parametrize("name", ["chat", "chat stream", "responses stream"])
def test_a_packed_answer(sides: Both, name: str) -> None:
    answer = shape(name)
    call = lambda base, key: sync(f"{base}/v1", key, ASKS[name])  # noqa: E731
    _, records = sides.compare(call, replays(answer, packed=gzipped))
    check(records, answer)


def test_one_client_makes_many_calls_on_one_connection(sides: Both) -> None:
    # Behind the last event of a stream a client may close its connection before it has read the end of the body.
    names = ["chat", "embeddings", "chat", "models", "speech", "responses", "chat"]

    def call(base: str, key: str) -> Any:
        with openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0) as client:
            return [read(ASKS[name](client)) for name in names]

    _, records = sides.compare(call, *(replays(shape(name)) for name in names), attempts=len(names))
    for name, record in zip(names, records, strict=True):
        check([record], shape(name))
    assert len(sides.direct.sent) == len(sides.through.sent) == 1


def test_many_calls_at_once(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        async def asked() -> Any:
            async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0) as client:
                return await asyncio.gather(*(ASKS["chat"](client) for _ in range(40)))

        return asyncio.run(asked())

    _, records = sides.compare(call, replays(shape("chat")), attempts=40)
    for record in records:
        check([record], shape("chat"))
    assert len({record["record_id"] for record in records}) == 40


def test_the_callers_own_key_and_tags(tmp_path: Path) -> None:
    mine = "sk-mine"
    with both(tmp_path, pass_through=True) as sides:

        def call(base: str, key: str) -> Any:
            ours = {"X-Apportion-Team": "growth", "Baggage": "apportion.feature=answers"} if "/up" in base else {}
            return sync(f"{base}/v1", key, ASKS["chat"], default_headers=ours, organization="org-1", project="proj-1")

        _, (record,) = sides.compare(call, replays(shape("chat")), key=mine, gateway_key=mine)
        assert record["tags"] == {"team": "growth", "feature": "answers"}
        assert told(record) == dict(shape("chat").tokens)
        assert sides.stage.heard[-1].header(b"openai-project") == b"proj-1"


@pytest.mark.parametrize("name", COMPATIBLE_ASKS)
def test_a_compatible_provider_behind_a_prefix(tmp_path: Path, name: str) -> None:
    answer = shape(name)
    with both(tmp_path, provider=answer.provider) as sides:
        _, records = sides.compare(
            lambda base, key: sync(f"{base}/api/v1", key, COMPATIBLE_ASKS[name]), replays(answer)
        )
        check(records, answer)
        assert (records[0].get("cost_reported") is not None) == ("cost" in answer.body.decode())


@pytest.mark.parametrize("name", AZURE_ASKS)
def test_azure(tmp_path: Path, name: str) -> None:
    answer = shape(name)
    with both(tmp_path, provider=answer.provider, auth="api-key") as sides:

        def call(base: str, key: str) -> Any:
            with openai.AzureOpenAI(
                azure_endpoint=base, api_key=key, api_version="2024-10-21", max_retries=0
            ) as client:
                return read(AZURE_ASKS[name](client))

        _, records = sides.compare(call, replays(answer))
        check(records, answer)
        assert records[0]["deployment"] == "writer"
        assert b"api-version=2024-10-21" in sides.stage.heard[-1].head.split(b"\r\n")[0]


@pytest.mark.parametrize("name", AZURE_ASKS)
def test_azure_with_an_identity_of_entra_behind_a_key_of_the_gateway(tmp_path: Path, name: str) -> None:
    answer = shape(name)

    def call(base: str, key: str) -> Any:
        ours = {"X-Apportion-Key": SECRET} if "/up" in base else {}
        with openai.AzureOpenAI(
            azure_endpoint=base, azure_ad_token=key, api_version="2024-10-21", max_retries=0, default_headers=ours
        ) as client:
            return read(AZURE_ASKS[name](client))

    with both(tmp_path, provider=answer.provider, auth="api-key", pass_through=True) as sides:
        _, (record,) = sides.compare(call, replays(answer), key="an-entra-key", gateway_key="an-entra-key")
        assert told(record) == dict(answer.tokens)
        assert sides.stage.heard[-1].header(b"authorization") == b"Bearer an-entra-key"
