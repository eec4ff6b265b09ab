"""Calls by the official clients, what a provider answers to each, and what the client made of it.

The answers are written by hand in the shapes of the API references of OpenAI, Anthropic, Gemini and Amazon Bedrock,
read 2026-11-27.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import boto3  # type: ignore[import-untyped, unused-ignore]
from anthropic import Anthropic, AsyncAnthropic
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from google import genai
from google.genai import types
from openai import AsyncOpenAI, OpenAI

from tests.gateway.answers import CHAT, DONE, LAST, PIECES, chunk, head_of_stream, says, whole
from tests.gateway.stage import Play
from tests.unit.gateway.meters.answers import frame, sse

KEY = "sk-of-nobody"
ASKED = {"include_usage": True}
MESSAGES: Any = [{"role": "user", "content": "Say hello"}]
PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "gcp.gemini", "bedrock": "aws.bedrock"}


class Sdk(NamedTuple):
    """A call by a client.

    Attributes:
        name: Of it.
        provider: Whose client it is, as `gateway: providers:` names it.
        play: What the provider answers.
        call: Makes it, at a base address, and gives what the client made of the answer.
        tokens: What was used, by the names of the usage log.
    """

    name: str
    provider: str
    play: Play
    call: Callable[[str], Any]
    tokens: dict[str, int]


def in_pieces(pieces: Iterable[bytes], kind: str = "text/event-stream") -> Play:
    """Play an answer in chunks, each of which comes by itself."""
    steps: list[bytes | float] = [head_of_stream(kind=kind)]
    for piece in pieces:
        steps += [chunk(piece), 0.005]
    return says(*steps, b"0\r\n\r\n")


# --- OpenAI


def openai(url: str, **more: Any) -> OpenAI:
    """A client that does not try again."""
    return OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, **more)


def async_openai(url: str) -> AsyncOpenAI:
    """The same for those who wait."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)


def _openai_whole(url: str) -> Any:
    with openai(url) as client:
        return client.chat.completions.create(model="gpt-4o", messages=MESSAGES).to_dict()


def _openai_stream(url: str) -> Any:
    with openai(url) as client:
        made = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True, stream_options=ASKED)  # type: ignore[call-overload]
        return [piece.to_dict() for piece in made]


def _openai_async(url: str) -> Any:
    async def call() -> Any:
        async with async_openai(url) as client:
            return (await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)).to_dict()

    return asyncio.run(call())


def _openai_async_stream(url: str) -> Any:
    async def call() -> Any:
        async with async_openai(url) as client:
            made = await client.chat.completions.create(
                model="gpt-4o",
                messages=MESSAGES,
                stream=True,
                stream_options=ASKED,  # type: ignore[call-overload]
            )
            return [piece.to_dict() async for piece in made]

    return asyncio.run(call())


# --- Anthropic

_MESSAGE_USAGE = {
    "input_tokens": 12, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 4,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 1}, "output_tokens": 1,
}  # fmt: skip
_MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}],
    "usage": {**_MESSAGE_USAGE, "output_tokens": 8},
}  # fmt: skip
_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start",
     "message": {**_MESSAGE, "content": [], "stop_reason": None, "usage": _MESSAGE_USAGE}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 8}},
    {"type": "message_stop"},
]  # fmt: skip
_MESSAGE_STREAM = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in _EVENTS]
_MESSAGE_TOKENS = {
    "uncached_input_tokens": 12, "cache_read_tokens": 5, "cache_write_5m_tokens": 3, "cache_write_1h_tokens": 1,
    "output_tokens": 8,
}  # fmt: skip


def _anthropic_whole(url: str) -> Any:
    with Anthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        return client.messages.create(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES).to_dict()


def _anthropic_stream(url: str) -> Any:
    with (
        Anthropic(base_url=url, api_key=KEY, max_retries=0) as client,
        client.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES) as stream,
    ):
        return list(stream.text_stream), stream.get_final_message().to_dict()


def _anthropic_async_stream(url: str) -> Any:
    async def call() -> Any:
        async with (
            AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client,
            client.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=MESSAGES) as stream,
        ):
            return [text async for text in stream.text_stream], (await stream.get_final_message()).to_dict()

    return asyncio.run(call())


# --- Gemini

_GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {
        "promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 17,
    },
    "modelVersion": "gemini-3-pro", "responseId": "g-1",
}  # fmt: skip
_GEMINI_FIRST = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hel"}]}, "index": 0}],
    "modelVersion": "gemini-3-pro", "responseId": "g-1",
}  # fmt: skip
_GEMINI_TOKENS = {"uncached_input_tokens": 10, "output_tokens": 7, "reasoning_tokens": 3}


def _gemini_client(url: str) -> genai.Client:
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))


def _gemini_whole(url: str) -> Any:
    with _gemini_client(url) as client:
        return client.models.generate_content(model="gemini-3-pro", contents="Say hello").text


def _gemini_stream(url: str) -> Any:
    with _gemini_client(url) as client:
        return [each.text for each in client.models.generate_content_stream(model="gemini-3-pro", contents="Say hello")]


def _gemini_async_stream(url: str) -> Any:
    async def call() -> Any:
        async with _gemini_client(url).aio as client:
            made = await client.models.generate_content_stream(model="gemini-3-pro", contents="Say hello")
            return [each.text async for each in made]

    return asyncio.run(call())


# --- Bedrock

_CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 6, "totalTokens": 17}, "metrics": {"latencyMs": 5},
}  # fmt: skip
_CONVERSE_STREAM = [
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
    frame("contentBlockStop", {"contentBlockIndex": 0}),
    frame("messageStop", {"stopReason": "end_turn"}),
    frame(
        "metadata", {"usage": {"inputTokens": 11, "outputTokens": 6, "totalTokens": 17}, "metrics": {"latencyMs": 5}}
    ),
]
_CONVERSE_TOKENS = {"uncached_input_tokens": 11, "output_tokens": 6}
_ASKED: Any = {"modelId": "amazon.nova-pro-v1:0", "messages": [{"role": "user", "content": [{"text": "Say hello"}]}]}


def bedrock(url: str) -> Any:
    """A client of Bedrock that does not try again, and signs with credentials of nobody."""
    config = Config(retries={"total_max_attempts": 1})
    session = boto3.Session(aws_access_key_id="AKIANOBODY", aws_secret_access_key=KEY, region_name="eu-central-1")
    return session.client("bedrock-runtime", endpoint_url=url, config=config)


def _bedrock_whole(url: str) -> Any:
    client = bedrock(url)
    found = client.converse(**_ASKED)
    client.close()
    return found["output"], found["usage"]


def _bedrock_stream(url: str) -> Any:
    client = bedrock(url)
    found = list(client.converse_stream(**_ASKED)["stream"])
    client.close()
    return found


_FRAMES = "application/vnd.amazon.eventstream"
_CHAT_TOKENS = {"uncached_input_tokens": 9, "output_tokens": 7}
_CHAT_STREAM = in_pieces([*PIECES, LAST, DONE])
_GEMINI_STREAM = in_pieces([sse(_GEMINI_FIRST), sse(_GEMINI)])
SDKS = (
    Sdk("openai", "openai", says(whole(CHAT)), _openai_whole, _CHAT_TOKENS),
    Sdk("openai stream", "openai", _CHAT_STREAM, _openai_stream, _CHAT_TOKENS),
    Sdk("openai async", "openai", says(whole(CHAT)), _openai_async, _CHAT_TOKENS),
    Sdk("openai async stream", "openai", _CHAT_STREAM, _openai_async_stream, _CHAT_TOKENS),
    Sdk("anthropic", "anthropic", says(whole(json.dumps(_MESSAGE).encode())), _anthropic_whole, _MESSAGE_TOKENS),
    Sdk("anthropic stream", "anthropic", in_pieces(_MESSAGE_STREAM), _anthropic_stream, _MESSAGE_TOKENS),
    Sdk("anthropic async stream", "anthropic", in_pieces(_MESSAGE_STREAM), _anthropic_async_stream, _MESSAGE_TOKENS),
    Sdk("gemini", "gemini", says(whole(json.dumps(_GEMINI).encode())), _gemini_whole, _GEMINI_TOKENS),
    Sdk("gemini stream", "gemini", _GEMINI_STREAM, _gemini_stream, _GEMINI_TOKENS),
    Sdk("gemini async stream", "gemini", _GEMINI_STREAM, _gemini_async_stream, _GEMINI_TOKENS),
    Sdk("bedrock", "bedrock", says(whole(json.dumps(_CONVERSE).encode())), _bedrock_whole, _CONVERSE_TOKENS),
    Sdk("bedrock stream", "bedrock", in_pieces(_CONVERSE_STREAM, _FRAMES), _bedrock_stream, _CONVERSE_TOKENS),
)
