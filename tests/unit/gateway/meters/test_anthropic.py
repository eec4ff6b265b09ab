"""Anthropic's messages: a delta's totals stand, the split by time is the start's, and iterations are billed apart."""

from __future__ import annotations

import json
from typing import Any

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.batches import Results
from apportion.gateway.meters.format import Asked
from tests.unit.gateway.meters.answers import buckets, document, events, only

ASKED = Asked("anthropic", "claude-opus-5", input_tokens=30)


def message(usage: Any, **more: Any) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "model": "claude-opus-5-2026", "usage": usage, **more}


def start(usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": message(usage)}


def delta(usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


CONTENT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
STOP = {"type": "message_stop"}
USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 418,
    "cache_read_input_tokens": 1111,
    "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 18},
    "output_tokens": 33,
    "output_tokens_details": {"thinking_tokens": 4},
    "service_tier": "priority",
    "inference_geo": "us",
    "speed": "fast",
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
}
BUCKETS = {"uncached_input": 3, "cache_read": 1111, "cache_write_5m": 400, "cache_write_1h": 18, "output": 33,
           "reasoning": 4}  # fmt: skip


def test_a_message_tells_everything() -> None:
    found = document(Messages, message(USAGE), ASKED)
    assert (found.state, only(found), found.fees, found.flags) == ("measured", BUCKETS, {"web_searches": 2}, ())
    assert (found.model, found.service_tier, found.region, found.speed) == (
        "claude-opus-5-2026",
        "priority",
        "us",
        "fast",
    )


def test_a_delta_takes_the_place_of_the_start_and_keeps_its_split() -> None:
    last = {
        "input_tokens": 22397,
        "cache_creation_input_tokens": 418,
        "cache_read_input_tokens": 0,
        "output_tokens": 90,
    }
    found = events(
        Messages, start(USAGE), CONTENT, delta({"output_tokens": 9}), CONTENT, delta(last), STOP, asked=ASKED
    )
    assert found.state == "measured"
    expected = {"uncached_input": 22397, "cache_write_5m": 400, "cache_write_1h": 18, "output": 90, "reasoning": 4}
    assert (only(found), found.service_tier) == (expected, "priority")


def test_a_stream_that_is_cut_counts_what_came() -> None:
    first = {"input_tokens": 52, "output_tokens": 2}
    found = events(Messages, start(first), *[CONTENT] * 7, asked=ASKED, whole=False)
    assert (found.state, only(found)) == ("estimated", {"uncached_input": 52, "output": 7})
    between = events(Messages, start(first), delta({"output_tokens": 216}), asked=ASKED, whole=False)
    assert (between.state, only(between)) == ("estimated", {"uncached_input": 52, "output": 216})
    nothing = events(Messages, asked=ASKED, whole=False)
    assert (nothing.state, only(nothing)) == ("estimated", {"uncached_input": 30})


def test_iterations_that_are_no_messages_are_billed_each_by_itself() -> None:
    usage = {
        "input_tokens": 229,
        "output_tokens": 5,
        "service_tier": "standard",
        "iterations": [
            {"type": "compaction", "input_tokens": 100, "output_tokens": 131, "cache_creation_input_tokens": 55096,
             "cache_creation": {"ephemeral_5m_input_tokens": 55096, "ephemeral_1h_input_tokens": 0}},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22},
            {"type": "message", "input_tokens": 229, "output_tokens": 5},
        ],
    }  # fmt: skip
    found = document(Messages, message(usage), ASKED)
    assert [(part.kind, part.model, buckets(part)) for part in found.parts] == [
        ("compaction", None, {"uncached_input": 100, "cache_write_5m": 55096, "output": 131}),
        ("advisor_message", "claude-opus-4-8", {"uncached_input": 2518, "output": 22}),
        ("", None, {"uncached_input": 229, "output": 5}),
    ]


def test_iterations_of_messages_alone_are_the_whole() -> None:
    rounds = [{"type": "message", "input_tokens": 5, "output_tokens": 1}] * 2
    good = document(Messages, message({"input_tokens": 10, "output_tokens": 2, "iterations": rounds}), ASKED)
    assert (only(good), good.flags) == ({"uncached_input": 10, "output": 2}, ())
    odd = document(Messages, message({"input_tokens": 11, "output_tokens": 2, "iterations": rounds}), ASKED)
    assert (only(odd), odd.flags) == ({"uncached_input": 11, "output": 2}, ("the iterations are not the whole",))


def test_writes_without_a_split_and_splits_that_do_not_fit() -> None:
    plain = document(
        Messages, message({"input_tokens": 1, "cache_creation_input_tokens": 9, "output_tokens": 1}), ASKED
    )
    assert only(plain) == {"uncached_input": 1, "cache_write_other": 9, "output": 1}
    split = {"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": 1}
    alone = document(Messages, message({"input_tokens": 1, "cache_creation": split, "output_tokens": 1}), ASKED)
    assert only(alone) == {"uncached_input": 1, "cache_write_5m": 9, "cache_write_1h": 1, "output": 1}
    odd = document(
        Messages, message({"input_tokens": 1, "cache_creation": split, "cache_creation_input_tokens": 4}), ASKED
    )
    assert (only(odd), odd.flags) == (
        {"uncached_input": 1, "cache_write_other": 4},
        ("more written by time than written",),
    )


def test_an_error_in_a_stream_is_told() -> None:
    wrong = {"type": "error", "error": {"type": "overloaded_error", "message": "secret"}}
    found = events(Messages, start({"input_tokens": 5, "output_tokens": 1}), CONTENT, wrong, asked=ASKED)
    assert (found.state, only(found)) == ("estimated", {"uncached_input": 5, "output": 1})
    first = events(Messages, wrong, asked=ASKED)
    assert (first.state, "overloaded_error" in first.why) == ("missing", True)


def test_the_results_of_a_batch_are_summed_by_model() -> None:
    def line(model: str, number: int) -> bytes:
        answer = {**message({"input_tokens": number, "output_tokens": 1, "service_tier": "batch"}), "model": model}
        return json.dumps({"custom_id": "x", "result": {"type": "succeeded", "message": answer}}).encode() + b"\n"

    failed = json.dumps({"custom_id": "y", "result": {"type": "errored", "error": {}}}).encode()
    body = line("a", 10) + line("b", 1) + line("a", 5) + b"\n" + failed
    meter = Results(ASKED, "msgbatch_1")
    for at in range(0, len(body), 7):
        meter.feed(body[at : at + 7])
    found = meter.finish(whole=True)
    assert (found.state, found.call_id) == ("measured", "msgbatch_1")
    assert [(part.model, part.service_tier, buckets(part)) for part in found.parts] == [
        ("a", "batch", {"uncached_input": 15, "output": 2}),
        ("b", "batch", {"uncached_input": 1, "output": 1}),
    ]
    cut = Results(ASKED, "msgbatch_1")
    cut.feed(line("a", 10) + b'{"custom')
    assert cut.finish(whole=False).state == "estimated"
    assert Results(ASKED, None).finish(whole=True).state == "missing"
