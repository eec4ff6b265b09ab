"""Small answers of our own in the documented shape of every operation, and what each of them used.

Sources: the API references of OpenAI, Azure OpenAI, Anthropic, Gemini, Vertex AI, Amazon Bedrock and OpenRouter, and
the types of their official clients, read 2026-11-27. The official clients accept all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.unit.gateway.meters.answers import chunk, frame

EVENTS: Final = "text/event-stream; charset=utf-8"
FRAMES: Final = "application/vnd.amazon.eventstream"
JSON: Final = "application/json"
LINES: Final = "application/x-jsonl"
_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Shape(NamedTuple):
    """An answer.

    Attributes:
        name: Of the operation.
        provider: As OpenTelemetry names it.
        path: Behind the upstream's name, without its query.
        pieces: Of its body: an event or a frame each, or all of it.
        kind: Of its body.
        tokens: What it used, by the names of the usage log.
        fees: What is billed beside them.
        state: As the usage log has it.
        method: Of HTTP.
        headers: Further ones.
        ends: The places of the pieces without which nobody can say that all usage is told.
        model: That answered.
    """

    name: str
    provider: str
    path: str
    pieces: tuple[bytes, ...]
    kind: str = JSON
    tokens: Mapping[str, int] = _NOTHING
    fees: Mapping[str, int] = _NOTHING
    state: str = "measured"
    method: str = "POST"
    headers: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    model: str | None = None

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


def said(*documents: Any) -> tuple[bytes, ...]:
    """Events that repeat their name in a line of its own where the document has one, as OpenAI and Anthropic do."""
    found = []
    for each in documents:
        name = each.get("type") if isinstance(each, dict) else None
        line = f"event: {name}\n" if name else ""
        data = each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
        found.append(f"{line}data: {data}\n\n".encode())
    return tuple(found)


def written(document: Any) -> tuple[bytes, ...]:
    """One document, indented as most providers send it."""
    return (json.dumps(document, indent=2, ensure_ascii=False).encode(),)


# --- OpenAI

GPT: Final = "gpt-5.6-sol-2026-09-01"
_CHAT_USAGE: Final = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                  "rejected_prediction_tokens": 0},
}  # fmt: skip
_CHAT_TOKENS: Final = {"uncached_input_tokens": 86, "cache_read_tokens": 1920, "output_tokens": 300,
                       "reasoning_tokens": 64}  # fmt: skip


def _chat(**more: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "Grüß Gott, ☕!", "refusal": None, "annotations": []}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_000_000, "model": GPT,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": _CHAT_USAGE, "service_tier": "default", "system_fingerprint": "fp_1", **more}  # fmt: skip


def _chat_chunk(content: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_795_000_000, "model": GPT,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
            "service_tier": "default", "usage": None, **more}  # fmt: skip


def _chat_stream(*first: Any) -> tuple[bytes, ...]:
    words = [_chat_chunk(word) for word in ("Grüß", " Gott", ", ", "☕", "!")]
    return said(*first, *words, _chat_chunk(None, "stop"), _chat_chunk(None, choices=[], usage=_CHAT_USAGE), "[DONE]")


_RESPONSE: Final = {
    "id": "resp_1", "object": "response", "created_at": 1_795_000_000, "status": "completed", "background": False,
    "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None, "model": GPT,
    "output": [{"id": "ws_1", "type": "web_search_call", "status": "completed",
                "action": {"type": "search", "query": "q", "queries": ["q"]}},
               {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": "Grüß Gott", "annotations": [], "logprobs": []}]}],
    "parallel_tool_calls": True, "previous_response_id": None, "reasoning": {"effort": None, "summary": None},
    "service_tier": "default", "store": True, "temperature": 1.0, "text": {"format": {"type": "text"}},
    "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
    "usage": {"input_tokens": 142, "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 27},
              "output_tokens": 33, "output_tokens_details": {"reasoning_tokens": 11}, "total_tokens": 175},
    "user": None, "metadata": {},
}  # fmt: skip
_RESPONSE_TOKENS: Final = {"uncached_input_tokens": 75, "cache_read_tokens": 40, "cache_write_other_tokens": 27,
                           "output_tokens": 33, "reasoning_tokens": 11}  # fmt: skip
_BEGUN: Final = {**_RESPONSE, "status": "in_progress", "output": [], "usage": None}
_ITEM: Final = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_RESPONSE_EVENTS: Final = said(
    *(
        {**event, "sequence_number": number}
        for number, event in enumerate[dict[str, Any]](
            (
                {"type": "response.created", "response": _BEGUN},
                {"type": "response.in_progress", "response": _BEGUN},
                {"type": "response.output_item.added", "output_index": 0,
                 "item": {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant",
                          "content": []}},
                {"type": "response.content_part.added", **_ITEM,
                 "part": {"type": "output_text", "text": "", "annotations": []}},
                {"type": "response.output_text.delta", **_ITEM, "delta": "Grüß", "logprobs": []},
                {"type": "response.output_text.delta", **_ITEM, "delta": " Gott", "logprobs": []},
                {"type": "response.output_text.done", **_ITEM, "text": "Grüß Gott", "logprobs": []},
                {"type": "response.completed", "response": _RESPONSE},
            )
        )
    )
)  # fmt: skip


def _completion(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 1_795_000_000, "model": "gpt-3.5-turbo-instruct",
            "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}], **more}  # fmt: skip


_SMALL: Final = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
_SMALL_TOKENS: Final = {"uncached_input_tokens": 5, "output_tokens": 7}
_BATCH: Final = {
    "id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "errors": None, "input_file_id": "file-1",
    "completion_window": "24h", "status": "completed", "output_file_id": "file-2", "error_file_id": None,
    "created_at": 1_795_000_000, "request_counts": {"total": 2, "completed": 2, "failed": 0}, "metadata": None,
    "model": GPT, "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 20}, "output_tokens": 50,
                            "output_tokens_details": {"reasoning_tokens": 10}, "total_tokens": 150},
}  # fmt: skip
_IMAGE_USAGE: Final = {"total_tokens": 100, "input_tokens": 50, "output_tokens": 50,
                       "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}  # fmt: skip
_V1: Final = "/v1"
OPENAI: Final = (
    Shape("chat", "openai", f"{_V1}/chat/completions", written(_chat()), tokens=_CHAT_TOKENS, model=GPT),
    Shape("chat stream", "openai", f"{_V1}/chat/completions", _chat_stream(_chat_chunk("")), EVENTS, _CHAT_TOKENS,
          ends=(7,), model=GPT),
    Shape("responses", "openai", f"{_V1}/responses", written(_RESPONSE), tokens=_RESPONSE_TOKENS,
          fees={"web_searches": 1}, model=GPT),
    Shape("responses stream", "openai", f"{_V1}/responses", _RESPONSE_EVENTS, EVENTS, _RESPONSE_TOKENS,
          {"web_searches": 1}, ends=(7,), model=GPT),
    Shape("responses retrieve", "openai", f"{_V1}/responses/resp_1", written(_RESPONSE), tokens=_RESPONSE_TOKENS,
          fees={"web_searches": 1}, method="GET", model=GPT),
    Shape("completions", "openai", f"{_V1}/completions", written(_completion("Hi", usage=_SMALL)),
          tokens=_SMALL_TOKENS, model="gpt-3.5-turbo-instruct"),
    Shape("completions stream", "openai", f"{_V1}/completions",
          said(_completion("H", usage=None), _completion("i", usage=None), _completion("", choices=[], usage=_SMALL),
               "[DONE]"), EVENTS, _SMALL_TOKENS, ends=(2,), model="gpt-3.5-turbo-instruct"),
    Shape("embeddings", "openai", f"{_V1}/embeddings",
          written({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
                   "model": "text-embedding-3-small", "usage": {"prompt_tokens": 8, "total_tokens": 8}}),
          tokens={"uncached_input_tokens": 8}, model="text-embedding-3-small"),
    Shape("images", "openai", f"{_V1}/images/generations",
          written({"created": 1_795_000_000, "data": [{"b64_json": "aGk="}], "usage": _IMAGE_USAGE}),
          tokens={"uncached_input_tokens": 50, "output_tokens": 50}),
    Shape("images edit", "openai", f"{_V1}/images/edits",
          written({"created": 1_795_000_000, "data": [{"b64_json": "aGk="}], "usage": _IMAGE_USAGE}),
          tokens={"uncached_input_tokens": 50, "output_tokens": 50}),
    Shape("transcription", "openai", f"{_V1}/audio/transcriptions",
          written({"text": "Grüß Gott", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45,
                   "total_tokens": 59, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}}),
          tokens={"uncached_input_tokens": 14, "output_tokens": 45}),
    Shape("translation", "openai", f"{_V1}/audio/translations",
          written({"text": "Good day", "usage": {"type": "duration", "seconds": 9}}), fees={"audio_seconds": 9}),
    Shape("speech", "openai", f"{_V1}/audio/speech", (b"ID3\x04\x00\xff\xfb\x90" + bytes(range(256)),), "audio/mpeg",
          fees={"characters": 9}, model="gpt-4o-mini-tts"),
    Shape("batch", "openai", f"{_V1}/batches/batch_1", written(_BATCH), method="GET", model=GPT,
          tokens={"uncached_input_tokens": 80, "cache_read_tokens": 20, "output_tokens": 50, "reasoning_tokens": 10}),
    Shape("batch begun", "openai", f"{_V1}/batches", written({**_BATCH, "status": "validating", "usage": None}),
          state="missing"),
    Shape("models", "openai", f"{_V1}/models",
          written({"object": "list", "data": [{"id": GPT, "object": "model", "created": 1, "owned_by": "system"}]}),
          method="GET", state="missing"),
)  # fmt: skip
_FILTERED: Final = {"id": "", "object": "", "created": 0, "model": "", "choices": [],
                    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}  # fmt: skip
_DEPLOYED: Final = "/openai/deployments/writer"
AZURE: Final = (
    Shape("azure chat", "azure.ai.openai", f"{_DEPLOYED}/chat/completions", written(_chat()), tokens=_CHAT_TOKENS,
          model=GPT),
    Shape("azure chat stream", "azure.ai.openai", f"{_DEPLOYED}/chat/completions", _chat_stream(_FILTERED), EVENTS,
          _CHAT_TOKENS, ends=(7,), model=GPT),
    Shape("azure embeddings", "azure.ai.openai", f"{_DEPLOYED}/embeddings", OPENAI[7].pieces, tokens=OPENAI[7].tokens,
          model=OPENAI[7].model),
)  # fmt: skip
_ROUTED: Final = {**_SMALL, "cost": 0.00014, "is_byok": False}
COMPATIBLE: Final = (
    Shape("openrouter chat", "openrouter", "/api/v1/chat/completions",
          written(_chat(id="gen-1", model="anthropic/claude-opus-5", provider="Anthropic", usage=_ROUTED)),
          tokens=_SMALL_TOKENS, model="anthropic/claude-opus-5"),
    Shape("openrouter chat stream", "openrouter", "/api/v1/chat/completions",
          (b": OPENROUTER PROCESSING\n\n",
           *said(_chat_chunk("Hi"), _chat_chunk(None, "stop"), _chat_chunk("", usage=_ROUTED), "[DONE]")),
          EVENTS, _SMALL_TOKENS, ends=(3, 4), model=GPT),
)  # fmt: skip

# --- Anthropic

CLAUDE: Final = "claude-opus-5-20260801"
_MESSAGE_USAGE: Final = {
    "input_tokens": 3, "cache_creation_input_tokens": 418, "cache_read_input_tokens": 1111,
    "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 18},
    "output_tokens": 33, "service_tier": "standard",
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
}  # fmt: skip
_MESSAGE_TOKENS: Final = {"uncached_input_tokens": 3, "cache_read_tokens": 1111, "cache_write_5m_tokens": 400,
                          "cache_write_1h_tokens": 18, "output_tokens": 33}  # fmt: skip


def message(usage: Any = None, **more: Any) -> dict[str, Any]:
    """A message of Anthropic."""
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE,
            "content": [{"type": "text", "text": "Grüß Gott"}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": _MESSAGE_USAGE if usage is None else usage, **more}  # fmt: skip


def _message_events(**start: Any) -> tuple[dict[str, Any], ...]:
    first = {**_MESSAGE_USAGE, "output_tokens": 2, **start}
    begun = message(first, content=[], stop_reason=None)
    last = {key: value for key, value in _MESSAGE_USAGE.items() if key.endswith("_tokens") or key == "server_tool_use"}
    return (
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüß"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " Gott"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": last},
        {"type": "message_stop"},
    )


_BATCH_OF_MESSAGES: Final = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "created_at": "2026-11-27T00:00:00Z",
    "expires_at": "2026-11-28T00:00:00Z", "ended_at": "2026-11-27T01:00:00Z", "cancel_initiated_at": None,
    "archived_at": None, "results_url": None,
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0},
}  # fmt: skip


def _result(custom_id: str, result: dict[str, Any]) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}, ensure_ascii=False).encode() + b"\n"


_FAILED: Final = {"type": "error", "request_id": None, "error": {"type": "invalid_request_error", "message": "no"}}
RESULTS: Final = (
    _result("a", {"type": "succeeded", "message": message()}),
    _result("b", {"type": "succeeded", "message": message()}),
    _result("c", {"type": "errored", "error": _FAILED}),
)
ANTHROPIC: Final = (
    Shape("messages", "anthropic", f"{_V1}/messages", written(message()), tokens=_MESSAGE_TOKENS,
          fees={"web_searches": 2}, headers=("request-id: req_1",), model=CLAUDE),
    Shape("messages stream", "anthropic", f"{_V1}/messages", said(*_message_events()), EVENTS, _MESSAGE_TOKENS,
          {"web_searches": 2}, ends=(6, 7), headers=("request-id: req_1",), model=CLAUDE),
    Shape("count tokens", "anthropic", f"{_V1}/messages/count_tokens", written({"input_tokens": 2095}),
          state="missing"),
    Shape("batch of messages", "anthropic", f"{_V1}/messages/batches/msgbatch_1",
          written({**_BATCH_OF_MESSAGES,
                   "results_url": "http://elsewhere.example.com/v1/messages/batches/msgbatch_1/results"}),
          method="GET", state="missing"),
    Shape("results", "anthropic", f"{_V1}/messages/batches/msgbatch_1/results", RESULTS, LINES,
          {name: 2 * number for name, number in _MESSAGE_TOKENS.items()}, {"web_searches": 4}, method="GET",
          model=CLAUDE),
)  # fmt: skip

# --- Google

GEMINI_MODEL: Final = "gemini-3.5-flash"
_GENERATED: Final = {
    "promptTokenCount": 66, "cachedContentTokenCount": 16, "candidatesTokenCount": 6, "thoughtsTokenCount": 28,
    "toolUsePromptTokenCount": 9, "totalTokenCount": 109,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 66}], "trafficType": "ON_DEMAND",
}  # fmt: skip
_GENERATED_TOKENS: Final = {"uncached_input_tokens": 50, "cache_read_tokens": 16, "tool_prompt_tokens": 9,
                            "output_tokens": 34, "reasoning_tokens": 28}  # fmt: skip


def generated(text: str, finish: str | None = "STOP", usage: Any = _GENERATED) -> dict[str, Any]:
    """An answer of generateContent, or a chunk of one."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": GEMINI_MODEL, "responseId": "r-1"}


_PART: Final = {"promptTokenCount": 66, "candidatesTokenCount": 1, "totalTokenCount": 67, "trafficType": "ON_DEMAND"}
_GENERATED_EVENTS: Final = said(generated("Grüß", None, _PART), generated(" Gott", None, _PART), generated("!"))
_GENERATE: Final = f"/v1beta/models/{GEMINI_MODEL}"
_LOCATED: Final = "/v1beta1/projects/larkspur/locations/europe-west4/publishers/google/models"
GOOGLE: Final = (
    Shape("generate", "gcp.gemini", f"{_GENERATE}:generateContent", written(generated("Grüß Gott!")),
          tokens=_GENERATED_TOKENS, model=GEMINI_MODEL),
    Shape("generate stream", "gcp.gemini", f"{_GENERATE}:streamGenerateContent", _GENERATED_EVENTS, EVENTS,
          _GENERATED_TOKENS, ends=(2,), model=GEMINI_MODEL),
    Shape("embed", "gcp.gemini", "/v1beta/models/gemini-embedding-2:batchEmbedContents",
          written({"embeddings": [{"values": [0.5, -0.25]}],
                   "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}),
          tokens={"uncached_input_tokens": 4}),
    Shape("gemini tokens", "gcp.gemini", f"{_GENERATE}:countTokens", written({"totalTokens": 12}), state="missing"),
    Shape("vertex generate", "gcp.vertex_ai", f"{_LOCATED}/{GEMINI_MODEL}:generateContent",
          written(generated("Grüß Gott!")), tokens=_GENERATED_TOKENS, model=GEMINI_MODEL),
    Shape("vertex generate array", "gcp.vertex_ai", f"{_LOCATED}/{GEMINI_MODEL}:streamGenerateContent",
          (b"[", *written(generated("Gr\u00fc\u00df", None, _PART)), b"\n,\r\n", *written(generated("!")), b"\n]\n"),
          tokens=_GENERATED_TOKENS, ends=(3, 4), model=GEMINI_MODEL),
    Shape("vertex generate stream", "gcp.vertex_ai", f"{_LOCATED}/{GEMINI_MODEL}:streamGenerateContent",
          _GENERATED_EVENTS, EVENTS, _GENERATED_TOKENS, ends=(2,), model=GEMINI_MODEL),
    Shape("vertex embed", "gcp.vertex_ai", f"{_LOCATED}/text-embedding-005:predict",
          written({"predictions": [{"embeddings": {"values": [0.5],
                                                   "statistics": {"truncated": False, "token_count": 4}}}],
                   "metadata": {"billableCharacterCount": 9}}), tokens={"uncached_input_tokens": 4}),
)  # fmt: skip

# --- Bedrock

NOVA: Final = "amazon.nova-micro-v1%3A0"
_ANTHROPIC_ON_BEDROCK: Final = "us.anthropic.claude-opus-5-v1%3A0"
_CONVERSE_USAGE: Final = {"inputTokens": 2, "outputTokens": 5, "totalTokens": 1429, "cacheReadInputTokens": 1322,
                          "cacheWriteInputTokens": 100}  # fmt: skip
_CONVERSE_TOKENS: Final = {"uncached_input_tokens": 2, "cache_read_tokens": 1322, "cache_write_other_tokens": 100,
                           "output_tokens": 5}  # fmt: skip
_METRICS: Final = {"inputTokenCount": 3, "outputTokenCount": 33, "invocationLatency": 900, "firstByteLatency": 300,
                   "cacheReadInputTokenCount": 1111, "cacheWriteInputTokenCount": 418}  # fmt: skip
_REQUEST_ID: Final = "x-amzn-requestid: 0a1b2c3d-0000-4000-8000-000000000001"
BEDROCK: Final = (
    Shape("converse", "aws.bedrock", f"/model/{NOVA}/converse",
          (json.dumps({"output": {"message": {"role": "assistant", "content": [{"text": "Grüß Gott"}]}},
                       "stopReason": "end_turn", "usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 900}}).encode(),),
          tokens=_CONVERSE_TOKENS, headers=(_REQUEST_ID,)),
    Shape("converse stream", "aws.bedrock", f"/model/{NOVA}/converse-stream",
          (frame("messageStart", {"role": "assistant", "p": "abc"}),
           frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Grüß"}, "p": "abcd"}),
           frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " Gott"}, "p": "ab"}),
           frame("contentBlockStop", {"contentBlockIndex": 0, "p": "abcde"}),
           frame("messageStop", {"stopReason": "end_turn", "p": "a"}),
           frame("metadata", {"usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 900}, "p": "abcdef"})),
          FRAMES, _CONVERSE_TOKENS, headers=(_REQUEST_ID,), ends=(5,)),
    Shape("invoke", "aws.bedrock", f"/model/{_ANTHROPIC_ON_BEDROCK}/invoke", (json.dumps(message()).encode(),),
          tokens=_MESSAGE_TOKENS, model=CLAUDE, fees={"web_searches": 2},
          headers=(_REQUEST_ID,)),
    Shape("invoke by headers", "aws.bedrock", "/model/mistral.mistral-7b-instruct-v0%3A2/invoke",
          (json.dumps({"outputs": [{"text": "Hi", "stop_reason": "stop"}]}).encode(),),
          tokens={"uncached_input_tokens": 6, "output_tokens": 40},
          headers=(_REQUEST_ID, "X-Amzn-Bedrock-Input-Token-Count: 6", "X-Amzn-Bedrock-Output-Token-Count: 40",
                   "X-Amzn-Bedrock-Invocation-Latency: 900")),
    Shape("invoke stream", "aws.bedrock", f"/model/{_ANTHROPIC_ON_BEDROCK}/invoke-with-response-stream",
          tuple(map(chunk, (*_message_events()[:-1], {"type": "message_stop",
                                                      "amazon-bedrock-invocationMetrics": _METRICS}))),
          FRAMES, _MESSAGE_TOKENS, ends=(7,), headers=(_REQUEST_ID,), model=CLAUDE),
)  # fmt: skip
SHAPES: Final = (*OPENAI, *AZURE, *COMPATIBLE, *ANTHROPIC, *GOOGLE, *BEDROCK)


def shape(name: str) -> Shape:
    """An answer by its name."""
    return next(each for each in SHAPES if each.name == name)
