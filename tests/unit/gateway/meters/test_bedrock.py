"""Bedrock: the usage stands in the last frame, in headers, or in the model's own answer; guardrails are units."""

from __future__ import annotations

from typing import Any

import pytest

from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.format import Asked
from tests.unit.gateway.meters.answers import chunk, document, frame, frames, only

ASKED = Asked("aws.bedrock", "anthropic.claude-opus-5", headers={"x-amzn-requestid": "req-1"})
USAGE = {
    "inputTokens": 2,
    "outputTokens": 5,
    "totalTokens": 1429,
    "cacheReadInputTokens": 1322,
    "cacheReadInputTokenCount": 1322,
    "cacheWriteInputTokens": 100,
    "cacheWriteInputTokenCount": 100,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 60}],
}
BUCKETS = {"uncached_input": 2, "cache_read": 1322, "cache_write_1h": 60, "cache_write_other": 40, "output": 5}
GUARD = {"inputAssessment": {"g1": {"invocationMetrics": {"usage": {"contentPolicyUnits": 2, "wordPolicyUnits": 0,
         "sensitiveInformationPolicyFreeUnits": 9}}}},
         "outputAssessments": {"g1": [{"invocationMetrics": {"usage": {"contentPolicyUnits": 1}}}]}}  # fmt: skip


def test_converse_counts_the_cache_beside_the_input_and_once() -> None:
    answer = {"output": {}, "usage": USAGE, "serviceTier": {"type": "flex"}, "trace": {"guardrail": GUARD}}
    found = document(Converse, answer, ASKED)
    assert (found.state, only(found), found.flags) == ("measured", BUCKETS, ())
    assert (found.call_id, found.service_tier, found.fees) == ("req-1", "flex", {"guardrail_content_policy_units": 3})


def test_a_routed_prompt_names_the_model_that_answered() -> None:
    answer = {
        "usage": {"inputTokens": 1, "outputTokens": 1},
        "trace": {"promptRouter": {"invokedModelId": "amazon.nova-pro"}},
    }
    assert document(Converse, answer, ASKED).model == "amazon.nova-pro"


def test_a_stream_of_converse_tells_in_its_last_frame() -> None:
    piece = frame("contentBlockDelta", {"delta": {"text": "Hi"}, "p": "abc"})
    found = frames(Converse, piece, piece, frame("metadata", {"usage": USAGE}), asked=ASKED)
    assert (found.state, only(found)) == ("measured", BUCKETS)
    cut = frames(Converse, piece, piece, asked=ASKED, whole=False)
    assert (cut.state, only(cut)) == ("estimated", {"output": 2})
    broken = frames(Converse, piece, piece[:-1] + b"\0", frame("metadata", {"usage": USAGE}), asked=ASKED)
    assert (broken.state, "checksum" in broken.why) == ("estimated", True)
    refused = frames(Converse, frame("", {"message": "secret"}, "exception"), asked=ASKED)
    assert (refused.state, "secret" in refused.why) == ("missing", False)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"type": "message", "id": "msg_1", "usage": {"input_tokens": 16, "output_tokens": 19,
          "cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 5}}},
         {"uncached_input": 16, "cache_write_5m": 5, "output": 19}),
        ({"inputTextTokenCount": 28, "results": [{"tokenCount": 197}]}, {"uncached_input": 28, "output": 197}),
        ({"embedding": [0.1], "inputTextTokenCount": 6}, {"uncached_input": 6}),
        ({"output": {}, "usage": {"inputTokens": 5, "outputTokens": 9}}, {"uncached_input": 5, "output": 9}),
        ({"generation": "a", "prompt_token_count": 7, "generation_token_count": 8}, {"uncached_input": 7, "output": 8}),
        ({"choices": [], "usage": {"prompt_tokens": 6, "completion_tokens": 100, "total_tokens": 106}},
         {"uncached_input": 6, "output": 100}),
    ],
)  # fmt: skip
def test_each_model_answers_in_its_own_way(answer: dict[str, Any], expected: dict[str, int]) -> None:
    found = document(Invoke, answer, ASKED)
    assert (found.state, only(found)) == ("measured", expected)


def test_headers_are_the_only_source_of_some_and_stand_against_others() -> None:
    headers = {"x-amzn-bedrock-input-token-count": "6", "x-amzn-bedrock-output-token-count": "40"}
    asked = Asked("aws.bedrock", headers=headers)
    silent = document(Invoke, {"outputs": [{"text": "a"}]}, asked)
    assert (silent.state, only(silent)) == ("measured", {"uncached_input": 6, "output": 40})
    against = document(Invoke, {"type": "message", "usage": {"input_tokens": 6, "output_tokens": 41}}, asked)
    assert (only(against), against.flags) == (
        {"uncached_input": 6, "output": 40},
        ("the model counted other tokens than Bedrock",),
    )
    assert (
        document(
            Invoke, {"outputs": []}, Asked("aws.bedrock", headers={**headers, "x-amzn-bedrock-input-token-count": "x"})
        ).state
        == "missing"
    )


def test_a_stream_of_invoke_ends_with_bedrocks_counts() -> None:
    metrics = {"inputTokenCount": 602, "outputTokenCount": 97, "cacheWriteInputTokenCount": 7}
    start = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-3-5-sonnet", "usage": {
        "input_tokens": 602, "output_tokens": 2, "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_1h_input_tokens": 7}}}}  # fmt: skip
    delta = {"type": "message_delta", "usage": {"output_tokens": 133}}
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
    given = [chunk(each) for each in (start, {"type": "content_block_delta"}, delta, stop)]
    found = frames(Invoke, *given, asked=ASKED)
    assert (found.state, found.model) == ("measured", "claude-3-5-sonnet")
    assert only(found) == {"uncached_input": 602, "cache_write_1h": 7, "output": 97}
    assert found.flags == ("the model counted other tokens than Bedrock",)
    cut = frames(Invoke, *given[:3], asked=ASKED, whole=False)
    assert (cut.state, only(cut)["output"]) == ("estimated", 133)
    assert frames(Invoke, frame("chunk", {"bytes": "no base64!"}), asked=ASKED).state == "estimated"
