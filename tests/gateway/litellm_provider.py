"""A provider that LiteLLM asks: OpenAI's, Anthropic's and Gemini's answers, whole and streamed, each with every bucket.

Sources: the API references of the three, read 2026-11-27.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from tests.gateway.answers import chunk, head_of_stream, whole
from tests.gateway.stage import Heard

# In what is asked and answered; neither may stand in any log.
PROMPT, ANSWER = "THE-PROMPT", "THE-ANSWER"
OPENAI = {
    "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 8},
}  # fmt: skip
RESPONSES = {
    "input_tokens": 100, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 120,
}  # fmt: skip
ANTHROPIC = {
    "input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 50, "output_tokens": 7,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}, "service_tier": "standard",
    "server_tool_use": {"web_search_requests": 2},
}  # fmt: skip
GEMINI = {
    "promptTokenCount": 100, "cachedContentTokenCount": 40, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 12,
    "thoughtsTokenCount": 8, "totalTokenCount": 125, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
}  # fmt: skip
_NUMBERS = itertools.count(1)
_SLOW_SECONDS = 1.0


async def provide(heard: Heard, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a request."""
    path = heard.head.split(b" ")[1].partition(b"?")[0].decode()
    said = heard.body.decode()
    if "FAIL" in said:
        status = "429 Too Many Requests" if "FAIL-429" in said else "400 Bad Request"
        error = {"message": f"no {PROMPT}", "type": "invalid_request_error", "code": "bad"}
        writer.write(whole(json.dumps({"error": error}).encode(), status=status))
        return
    asked = json.loads(said) if said else {}
    document, events = _answer(path, asked)
    if events is None:
        writer.write(whole(json.dumps(document).encode()))
        return
    writer.write(head_of_stream())
    pieces = events[:1] if "CUT" in said else events
    for event in pieces:
        writer.write(chunk(event))
        await writer.drain()
        if "SLOW" in said:
            await asyncio.sleep(_SLOW_SECONDS)
    writer.write(b"0\r\n\r\n")


def _answer(path: str, asked: dict[str, Any]) -> tuple[Any, list[bytes] | None]:
    """The answer as a document, and as events where it is streamed."""
    number = next(_NUMBERS)
    stream = asked.get("stream") is True
    if path.endswith("/chat/completions"):
        return _chat(number, asked, stream=stream)
    if path.endswith("/responses"):
        return _response(number, stream=stream)
    if path.endswith("/messages"):
        return _message(number, stream=stream)
    if path.endswith("/embeddings"):
        vectors = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
        usage = {"prompt_tokens": 11, "total_tokens": 11}
        return {"object": "list", "model": "text-embedding-3-small", "data": vectors, "usage": usage}, None
    if "enerateContent" in path:
        part = {"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP", "index": 0}
        found = {"candidates": [part], "modelVersion": "gemini-2.5-flash", "responseId": f"g-{number}",
                 "usageMetadata": GEMINI}  # fmt: skip
        return found, [_event(found)] if "stream" in path else None
    return {"object": "list", "data": []}, None


def _chat(number: int, asked: dict[str, Any], *, stream: bool) -> tuple[Any, list[bytes] | None]:
    common = {"id": f"chatcmpl-{number}", "created": 1, "model": "gpt-4o-2024-08-06", "service_tier": "default"}
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        return {**common, "object": "chat.completion", "choices": [choice], "usage": OPENAI}, None
    common["object"] = "chat.completion.chunk"
    said = {"index": 0, "delta": {"role": "assistant", "content": ANSWER}, "finish_reason": None}
    events = [{**common, "choices": [said]}, {**common, "choices": [{**said, "delta": {}, "finish_reason": "stop"}]}]
    if asked.get("stream_options", {}).get("include_usage") and "NO-USAGE" not in json.dumps(asked):
        events.append({**common, "choices": [], "usage": OPENAI})
    return None, [*map(_event, events), b"data: [DONE]\n\n"]


def _response(number: int, *, stream: bool) -> tuple[Any, list[bytes] | None]:
    text = {"type": "output_text", "text": ANSWER, "annotations": []}
    output = [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}]
    found = {
        "id": f"resp_{number}", "object": "response", "created_at": 1, "status": "completed", "service_tier": "default",
        "model": "gpt-4o-2024-08-06", "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": RESPONSES,
    }  # fmt: skip
    if not stream:
        return found, None
    begun = {**found, "status": "in_progress", "usage": None, "output": []}
    return None, [
        _named({"type": "response.created", "sequence_number": 0, "response": begun}),
        _named({"type": "response.completed", "sequence_number": 1, "response": found}),
    ]


def _message(number: int, *, stream: bool) -> tuple[Any, list[bytes] | None]:
    found = {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": ANSWER}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": ANTHROPIC,
    }  # fmt: skip
    if not stream:
        return found, None
    begun = {**found, "content": [], "stop_reason": None, "usage": {**ANTHROPIC, "output_tokens": 1}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}}
    usage = {key: value for key, value in ANTHROPIC.items() if key not in {"cache_creation", "service_tier"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}
    stop = [{"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}]
    return None, [_named(each) for each in ({"type": "message_start", "message": begun}, block, delta, *stop)]


def _event(document: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(document).encode()


def _named(document: Any) -> bytes:
    return b"event: %b\n%b" % (document["type"].encode(), _event(document))
