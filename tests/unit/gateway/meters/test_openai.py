"""OpenAI's dialects: cached and written tokens are among the input, reasoning among the output."""

from __future__ import annotations

from typing import Any

import pytest

from apportion.gateway.meters.batches import Batch
from apportion.gateway.meters.format import Asked
from apportion.gateway.meters.openai import Chat, Responses
from tests.unit.gateway.meters.answers import OPENAI, buckets, document, events, only


def chat(usage: Any, **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5.6-sol-2026-07", "choices": [{}],
            "usage": usage, **more}  # fmt: skip


def piece(text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5.6-sol-2026-07",
            "choices": [{"index": 0, "delta": {"content": text}}], **more}  # fmt: skip


# 4,020 in, of which 1,000 read and 2,500 written (of these 2,000 for half an hour); 300 out, of which 120 reasoning.
FULL = {
    "prompt_tokens": 4020,
    "completion_tokens": 300,
    "total_tokens": 4320,
    "prompt_tokens_details": {
        "cached_tokens": 1000,
        "cache_write_tokens": 2500,
        "cache_write_tokens_details": {"ttl_30m_tokens": 2000, "ttl_12h_tokens": 0},
    },
    "completion_tokens_details": {"reasoning_tokens": 120},
}
FULL_BUCKETS = {
    "uncached_input": 520,
    "cache_read": 1000,
    "cache_write_30m": 2000,
    "cache_write_other": 500,
    "output": 300,
    "reasoning": 120,
}


def test_an_answer_tells_its_buckets_model_and_tier() -> None:
    found = document(Chat, chat(FULL, service_tier="priority"))
    assert (found.state, found.why, found.flags) == ("measured", "", ())
    assert only(found) == FULL_BUCKETS
    assert (found.call_id, found.model, found.service_tier) == ("chatcmpl-1", "gpt-5.6-sol-2026-07", "priority")
    assert '"cache_write_tokens":2500' in found.raw


def test_a_stream_tells_in_its_last_chunk() -> None:
    usage = {**piece(), "choices": [], "usage": FULL}
    found = events(Chat, piece("a", usage=None), piece("b", usage=None), usage, "[DONE]")
    assert (found.state, only(found)) == ("measured", FULL_BUCKETS)


def test_a_stream_that_ends_behind_its_usage_without_a_mark_is_measured() -> None:
    assert events(Chat, piece(), {**piece(), "choices": [], "usage": FULL}, whole=False).state == "measured"


def test_running_totals_count_only_when_the_stream_has_ended() -> None:
    first = piece(usage={"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10})
    last = piece(usage={"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16})
    cut = events(Chat, first, last, whole=False)
    assert (cut.state, only(cut)) == ("estimated", {"uncached_input": 9, "output": 7})
    assert "cut off" in cut.why
    assert events(Chat, first, last, "[DONE]").state == "measured"


def test_a_stream_without_usage_is_counted_by_its_pieces() -> None:
    asked = Asked("openai", input_tokens=25)
    found = events(Chat, piece("a"), *(piece("word") for _ in range(9)), "[DONE]", asked=asked)
    assert (found.state, only(found)) == ("estimated", {"uncached_input": 25, "output": 9})
    assert found.why == ("the answer tells no usage; tokens are counted from the sizes of request and answer")
    long = events(Chat, piece("a"), piece("x"), piece("four" * 100), "[DONE]", asked=asked)
    assert only(long) == {"uncached_input": 25, "output": 101}


@pytest.mark.parametrize(
    ("usage", "expected", "flag"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, {"uncached_input": 8}, ""),
        ({"total_tokens": 8}, {"uncached_input": 8}, ""),
        ({"prompt_tokens": 976, "prompt_cache_hit_tokens": 896, "prompt_cache_miss_tokens": 80, "completion_tokens": 1},
         {"uncached_input": 80, "cache_read": 896, "output": 1}, ""),
        ({"prompt_tokens": 5, "num_cached_tokens": 2, "completion_tokens": 1},
         {"uncached_input": 3, "cache_read": 2, "output": 1}, ""),
        ({"prompt_tokens": 5, "prompt_tokens_details": None, "completion_tokens": 1},
         {"uncached_input": 5, "output": 1}, ""),
        ({"prompt_tokens": 2168, "completion_tokens": 5, "total_tokens": 2173,
          "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161}},
         {"cache_read": 2161, "cache_write_other": 2161, "output": 5}, "more cached and written than input"),
        ({"prompt_tokens": 5, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 9}},
         {"uncached_input": 5, "output": 3, "reasoning": 3}, "more reasoning than output"),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 9}, {"uncached_input": 5, "output": 3},
         "total_tokens is not input and output"),
    ],
)  # fmt: skip
def test_dialects_and_contradictions(usage: dict[str, Any], expected: dict[str, int], flag: str) -> None:
    found = document(Chat, chat(usage))
    assert (found.state, only(found), found.flags) == ("measured", expected, (flag,) if flag else ())


def test_googles_dialect_hides_thoughts_in_the_total() -> None:
    usage = {"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100}
    found = document(Chat, chat(usage), Asked("gcp.gemini"))
    assert (only(found), found.flags) == ({"uncached_input": 66, "output": 34, "reasoning": 28}, ())


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -1}, {"prompt_tokens": "many"}, {"prompt_tokens": True}, {"prompt_tokens": 1.5}, {},
     {"prompt_tokens": 10**30}, {"prompt_tokens": [1]}, {"completion_tokens": 4}],
)  # fmt: skip
def test_a_usage_that_cannot_be_read_is_missing(usage: dict[str, Any]) -> None:
    found = document(Chat, chat(usage))
    assert (found.state, found.parts) == ("missing", ())
    assert found.why


def test_what_a_router_says_that_it_charges_is_kept_as_written() -> None:
    found = document(Chat, chat({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 7.5e-05}))
    assert found.cost in {"7.5e-05", "0.000075", "7.5e-5"}


def test_images_are_counted_and_sound_by_its_seconds() -> None:
    pictures = document(Chat, {"created": 1, "data": [{"b64_json": "x"}, {"b64_json": "y"}]})
    assert (pictures.state, pictures.parts, pictures.fees) == ("measured", (), {"images": 2})
    sound = document(Chat, {"text": "a", "usage": {"type": "duration", "seconds": 12.2}})
    assert (sound.state, sound.fees) == ("measured", {"audio_seconds": 13})
    assert document(Chat, {"text": "a", "usage": {"type": "duration", "seconds": "x"}}).state == "missing"


def response(status: str, usage: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": status, "model": "gpt-5.6-sol", "usage": usage,
            "service_tier": "default", **more}  # fmt: skip


RESPONSE_USAGE = {
    "input_tokens": 142,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 27},
    "output_tokens": 33,
    "output_tokens_details": {"reasoning_tokens": 11},
    "total_tokens": 175,
}


def test_a_response_tells_fees_of_tools_beside_its_tokens() -> None:
    found = document(
        Responses,
        response(
            "completed",
            RESPONSE_USAGE,
            output=[{"type": "web_search_call"}, {"type": "web_search_call"}, {"type": "file_search_call"}],
            tool_usage={"web_search": {"num_requests": 1}, "image_gen": {"input_tokens": 7, "output_tokens": 900}},
        ),
    )
    assert found.fees == {"web_searches": 1, "file_searches": 1}
    whole, drawn = found.parts
    expected = {"uncached_input": 75, "cache_read": 40, "cache_write_other": 27, "output": 33, "reasoning": 11}
    assert (buckets(whole), buckets(drawn)) == (expected, {"uncached_input": 7, "output": 900})
    assert drawn.kind == "image_generation"


def test_a_streamed_response_tells_in_the_event_that_ends_it() -> None:
    begun = {"type": "response.created", "response": response("in_progress")}
    delta = {"type": "response.output_text.delta", "delta": "Hi"}
    ended = {"type": "response.completed", "response": response("completed", RESPONSE_USAGE)}
    assert events(Responses, begun, delta, ended).state == "measured"
    cut = events(Responses, begun, delta, delta, whole=False)
    assert (cut.state, only(cut), cut.call_id) == ("estimated", {"output": 2}, "resp_1")
    failed = {"type": "response.failed", "response": {**response("failed"), "error": {"code": "server_error"}}}
    wrong = events(Responses, begun, failed)
    assert (wrong.state, "server_error" in wrong.why) == ("missing", True)


def test_a_response_in_the_background_tells_nothing_yet() -> None:
    found = document(Responses, response("queued"))
    assert (found.state, found.call_id) == ("missing", "resp_1")


def test_an_error_names_its_kind_and_never_its_message() -> None:
    asked = Asked("openai", input_tokens=9, status=429)
    error = {"error": {"message": "You said: my secret", "type": "insufficient_quota", "code": None}}
    found = document(Chat, error, asked)
    assert (found.state, found.parts) == ("missing", ())
    assert found.why == "the provider answered 429 (insufficient_quota) and told no usage"
    assert "secret" not in repr(document(Chat, {"error": "you said my secret"}, asked))


def test_a_run_of_an_assistant_tells_when_it_is_completed() -> None:
    run = {"id": "run_1", "object": "thread.run", "status": "in_progress", "usage": None}
    assert document(Chat, run).state == "missing"
    done = {**run, "status": "completed", "usage": {"prompt_tokens": 6, "completion_tokens": 5, "total_tokens": 11}}
    assert only(document(Chat, done)) == {"uncached_input": 6, "output": 5}
    step = {"id": "step_1", "object": "thread.run.step", "usage": {"prompt_tokens": 9, "completion_tokens": 9}}
    assert only(events(Chat, run, step, done, "[DONE]")) == {"uncached_input": 6, "output": 5}


def test_a_batch_tells_once_it_is_done() -> None:
    usage = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
    asked = {"id": "batch_1", "object": "batch", "model": "gpt-5.6-sol", "usage": usage}
    assert document(Batch, {**asked, "status": "in_progress"}).state == "missing"
    found = document(Batch, {**asked, "status": "completed"})
    assert (found.state, found.call_id, only(found)) == ("measured", "batch_1", {"uncached_input": 100, "output": 50})
    assert document(Batch, {"id": "batch_1", "status": "failed", "usage": {"total_tokens": 0}}).state == "missing"


def test_text_never_passes_for_an_identifier() -> None:
    found = document(Chat, chat(FULL, id="x" * 300, model="what did\nyou say?", service_tier={"a": 1}))
    assert (found.call_id, found.model, found.service_tier) == (None, None, None)
    assert "sunset" not in document(Chat, chat({**FULL, "note": "a poem about the sunset, line by line " * 9})).raw
    assert document(Chat, b"null", OPENAI).state == "missing"
