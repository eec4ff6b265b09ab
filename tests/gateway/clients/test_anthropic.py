"""Anthropic's own client through the gateway and directly, first-party, on Bedrock and on Vertex AI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from tests.gateway.clients.shapes import RESULTS, Shape, message, shape, written
from tests.gateway.replay import Both, both, check, gzipped, replays, told
from tests.gateway.stage import OWN_SECRET

Ask = Callable[[Any], Any]
MODEL = "claude-opus-5"
HELLO: Any = [{"role": "user", "content": "Grüß Gott ☕"}]
RESULTS_PATH = "/v1/messages/batches/msgbatch_1/results"
ASKS: dict[str, Ask] = {
    "messages": lambda c: c.messages.create(
        model=MODEL, max_tokens=99, messages=HELLO, metadata={"user_id": "u-1"}, service_tier="auto"
    ),
    "messages stream": lambda c: c.messages.create(model=MODEL, max_tokens=99, messages=HELLO, stream=True),
    "count tokens": lambda c: c.messages.count_tokens(model=MODEL, messages=HELLO),
    "batch of messages": lambda c: c.messages.batches.retrieve("msgbatch_1"),
    "results": lambda c: c.get(RESULTS_PATH, cast_to=httpx2.Response),
}


def read(found: Any) -> Any:
    """All of an answer, a stream's events among it."""
    if isinstance(found, anthropic.Stream):
        return list(found)
    return found.content if isinstance(found, httpx2.Response) else found


def sync(base: str, key: str, ask: Ask) -> Any:
    """Ask with the client that blocks."""
    with anthropic.Anthropic(base_url=base, api_key=key, max_retries=0) as client:
        return read(ask(client))


def with_async(base: str, key: str, ask: Ask) -> Any:
    """Ask with the client that does not block."""

    async def asked() -> Any:
        async with anthropic.AsyncAnthropic(base_url=base, api_key=key, max_retries=0) as client:
            found = await ask(client)
            return [event async for event in found] if isinstance(found, anthropic.AsyncStream) else read(found)

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    # The client brings its key as a bearer's since version 2; the test below has the other header.
    with both(tmp_path_factory.mktemp("log"), provider="anthropic") as made:
        yield made


@pytest.mark.parametrize("way", [sync, with_async])
@pytest.mark.parametrize("name", ASKS)
def test_every_operation(sides: Both, name: str, way: Callable[[str, str, Ask], Any]) -> None:
    answer = shape(name)
    result, records = sides.compare(lambda base, key: way(base, key, ASKS[name]), replays(answer))
    check(records, answer)
    assert records[0].get("user_id") == ("u-1" if name == "messages" else None)
    if name == "results":
        assert result == b"".join(RESULTS)


@pytest.mark.parametrize("name", ["messages", "messages stream", "results"])
def test_a_packed_answer(sides: Both, name: str) -> None:
    answer = shape(name)
    call = lambda base, key: sync(base, key, ASKS[name])  # noqa: E731
    _, records = sides.compare(call, replays(answer, packed=gzipped))
    check(records, answer)


def test_the_message_that_the_client_makes_of_a_stream(sides: Both) -> None:
    def call(base: str, key: str) -> Any:
        with (
            anthropic.Anthropic(base_url=base, api_key=key, max_retries=0) as client,
            client.messages.stream(model=MODEL, max_tokens=99, messages=HELLO) as stream,
        ):
            return ["".join(stream.text_stream), stream.get_final_message()]

    (text, final), records = sides.compare(call, replays(shape("messages stream")))
    assert (text, final["usage"]["output_tokens"]) == ("Grüß Gott", 33)
    check(records, shape("messages stream"))


def test_features_behind_a_header(sides: Both) -> None:
    rounds = [{"type": "compaction", "input_tokens": 100, "output_tokens": 131},
              {"type": "message", "input_tokens": 229, "output_tokens": 5}]  # fmt: skip
    usage = {"input_tokens": 229, "output_tokens": 5, "iterations": rounds}
    answer = Shape("beta", "anthropic", "/v1/messages", written(message(usage)))

    def call(base: str, key: str) -> Any:
        with anthropic.Anthropic(base_url=base, api_key=key, max_retries=0) as client:
            return client.beta.messages.create(
                model=MODEL, max_tokens=9, messages=HELLO, betas=["compact-2026-01-12", "context-1m-2025-08-07"]
            )

    _, (first, second) = sides.compare(call, replays(answer))
    assert sides.stage.heard[-1].header(b"anthropic-beta") == b"compact-2026-01-12,context-1m-2025-08-07"
    assert (told(first), first["requests"]) == ({"uncached_input_tokens": 100, "output_tokens": 131}, 1)
    assert (told(second), second["requests"]) == ({"uncached_input_tokens": 229, "output_tokens": 5}, 0)
    assert (first["part"], second["part"], first["iteration"]) == (1, 2, "compaction")


def test_the_header_of_the_providers_own_reference(tmp_path: Path) -> None:
    def call(base: str, key: str) -> Any:
        # The client takes what leaves a header out, and its types do not say so.
        dropped: Any = {"X-Api-Key": key, "Authorization": anthropic.omit}
        with anthropic.Anthropic(
            base_url=base, api_key=key, max_retries=0,
            default_headers=dropped,
        ) as client:  # fmt: skip
            return ASKS["messages"](client)

    with both(tmp_path, auth="x-api-key", provider="anthropic") as sides:
        _, records = sides.compare(call, replays(shape("messages")))
        check(records, shape("messages"))
        heard = sides.stage.heard[-1]
        assert (heard.header(b"x-api-key"), heard.header(b"authorization")) == (OWN_SECRET.encode(), None)


def on_bedrock(base: str, key: str, *, stream: bool) -> Any:
    """Ask the client for Bedrock, with a key of it."""
    with anthropic.AnthropicBedrock(base_url=base, api_key=key, aws_region="us-east-1", max_retries=0) as client:
        model = "us.anthropic.claude-opus-5-v1:0"
        found: Any = client.messages.create(model=model, max_tokens=99, messages=HELLO, stream=stream)
        return list(found) if stream else found


@pytest.mark.parametrize("name", ["invoke", "invoke stream"])
def test_on_bedrock(tmp_path: Path, name: str) -> None:
    answer = shape(name)
    with both(tmp_path, provider="aws.bedrock") as sides:
        _, records = sides.compare(
            lambda base, key: on_bedrock(base, key, stream=name == "invoke stream"), replays(answer)
        )
        check(records, answer)
        assert records[0]["request_model"] == "us.anthropic.claude-opus-5-v1:0"


@pytest.mark.parametrize("name", ["messages", "messages stream"])
def test_on_vertex(tmp_path: Path, name: str) -> None:
    answer = shape(name)._replace(provider="gcp.vertex_ai")

    def call(base: str, key: str) -> Any:
        with anthropic.AnthropicVertex(
            base_url=f"{base}/v1", access_token=key, region="europe-west1", project_id="larkspur", max_retries=0
        ) as client:
            found: Any = client.messages.create(
                model="claude-opus-5@20260801", max_tokens=99, messages=HELLO, stream=name == "messages stream"
            )
            return read(found)

    with both(tmp_path, provider="gcp.vertex_ai") as sides:
        _, records = sides.compare(call, replays(answer))
        check(records, answer)
        said = (records[0]["project"], records[0]["region"], records[0]["request_model"])
        assert said == ("larkspur", "europe-west1", "claude-opus-5@20260801")
