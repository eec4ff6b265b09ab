"""Gemini: thoughts and tools stand beside prompt and candidates, and the last chunk counts."""

from __future__ import annotations

import json
from typing import Any

from apportion.gateway.meters.body import DocumentBody
from apportion.gateway.meters.format import Asked
from apportion.gateway.meters.gemini import GenerateContent
from tests.unit.gateway.meters.answers import document, events, only

ASKED = Asked("gcp.gemini", "gemini-3.8-flash")
USAGE = {
    "promptTokenCount": 147,
    "cachedContentTokenCount": 100,
    "candidatesTokenCount": 108,
    "totalTokenCount": 783,
    "toolUsePromptTokenCount": 360,
    "thoughtsTokenCount": 168,
    "serviceTier": "flex",
}
BUCKETS = {"uncached_input": 47, "cache_read": 100, "tool_prompt": 360, "output": 276, "reasoning": 168}


def chunk(usage: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": "Hi"}]}, **({"finishReason": finish} if finish else {})}
    return {"candidates": [{**candidate, **more}], "usageMetadata": usage, "modelVersion": "gemini-3.8-flash",
            "responseId": "r-1"}  # fmt: skip


def test_an_answer_tells_its_buckets() -> None:
    found = document(GenerateContent, chunk(USAGE, "STOP"), ASKED)
    assert (found.state, only(found), found.flags) == ("measured", BUCKETS, ())
    assert (found.call_id, found.model, found.service_tier) == ("r-1", "gemini-3.8-flash", "flex")


def test_totals_that_go_down_on_the_way_end_with_the_last() -> None:
    high = {"promptTokenCount": 198, "candidatesTokenCount": 1, "totalTokenCount": 199}
    low = {"promptTokenCount": 46, "candidatesTokenCount": 1, "totalTokenCount": 47}
    found = events(GenerateContent, chunk(high), chunk(low), chunk(USAGE, "STOP"), asked=ASKED)
    assert (found.state, only(found)) == ("measured", BUCKETS)
    cut = events(GenerateContent, chunk(high), chunk(low), asked=ASKED, whole=False)
    assert (cut.state, only(cut)) == ("estimated", {"uncached_input": 46, "output": 1})
    silent = events(GenerateContent, chunk(high), chunk(low), asked=ASKED)
    assert silent.state == "estimated"


def test_an_array_that_grows_is_a_stream() -> None:
    low = {"promptTokenCount": 46, "candidatesTokenCount": 1, "totalTokenCount": 47}
    assert only(document(GenerateContent, [chunk(low), chunk(USAGE, "STOP")], ASKED)) == BUCKETS
    body = json.dumps([chunk(low), chunk(USAGE, "STOP")], indent=1).encode()
    for cut in range(len(body)):
        meter = DocumentBody(GenerateContent(ASKED))
        meter.feed(body[:cut])
        assert meter.finish(whole=False).state != "measured"


def test_enumerations_as_numbers_and_sums_that_do_not_fit() -> None:
    found = document(GenerateContent, chunk({"promptTokenCount": 5, "totalTokenCount": 6, "trafficType": 2}), ASKED)
    assert (found.service_tier, found.flags) == ("PROVISIONED_THROUGHPUT", ("totalTokenCount is not its parts",))
    wrong = document(GenerateContent, chunk({"promptTokenCount": "many"}), ASKED)
    assert wrong.state == "missing"


def test_embeddings_are_counted_where_they_are_told() -> None:
    assert only(document(GenerateContent, {"embedding": {}, "usageMetadata": {"promptTokenCount": 11}}, ASKED)) == {
        "uncached_input": 11
    }
    vertex = {"predictions": [{"embeddings": {"values": [0.1], "statistics": {"token_count": n}}} for n in (4, 5)]}
    assert only(document(GenerateContent, vertex, ASKED)) == {"uncached_input": 9}
    assert document(GenerateContent, {"embeddings": [{"values": [0.1]}]}, ASKED).state == "missing"


def test_queries_of_a_search_are_a_fee() -> None:
    answer = chunk(USAGE, "STOP", groundingMetadata={"webSearchQueries": ["a", "b"]})
    assert document(GenerateContent, answer, ASKED).fees == {"grounding_queries": 2}
