"""Recorded answers of providers, metered: exactly the buckets that a second opinion finds in them.

`EXPECTED_USAGE.jsonl` was derived by a script from the rules of each provider's reference. Where it finds no usage and
the meter does, `BETTER` says by hand what is right.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.body import DocumentBody, EventBody, FrameBody, Meter
from apportion.gateway.meters.format import Asked, Format
from apportion.gateway.meters.gemini import GenerateContent
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.meters.openai import Chat, Responses

PROVIDERS = {
    "openai": "openai",
    "azure-openai": "azure.ai.openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "openrouter": "openrouter",
}
FORMS: dict[str, type[Format]] = {
    **dict.fromkeys(("chat", "completions_legacy", "embeddings", "images", "assistants_run"), Chat),
    **dict.fromkeys(("responses", "responses_compact", "responses_get"), Responses),
    **dict.fromkeys(
        ("generateContent", "streamGenerateContent", "batchEmbedContents", "embedContent", "predict"), GenerateContent
    ),
    **dict.fromkeys(("converse", "converse-stream"), Converse),
    **dict.fromkeys(("invoke", "invoke-with-response-stream"), Invoke),
    "messages": Messages,
}
# The image has no tokens and is billed as one; Vertex counts the text of an embedding in its statistics (4 tokens).
BETTER = {
    "openai/images/nonstream/openllmetry__test_image_gen_metrics_4.json": [],
    "vertex/predict/nonstream/pydantic-ai__TestGoogle.test_vertex_query_0.json": [{"uncached_input": 4}],
}
COUNTED = (
    "uncached_input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_unspecified",
    "tool_prompt",
    "output",
    "reasoning_in_output",
)


class Transcript(NamedTuple):
    """A recorded answer and what is expected of it."""

    path: Path
    asked: Asked
    row: dict[str, Any]

    def meter(self) -> Meter:
        """A new meter for it."""
        form = FORMS[self.path.parts[-3]](self.asked)
        if self.path.name.endswith(".sse"):
            return EventBody(form)
        if self.path.name.endswith(".bin"):
            assert isinstance(form, Converse | Invoke)
            return FrameBody(form)
        return DocumentBody(form)

    def measure(self, *pieces: bytes, whole: bool = True) -> Measure:
        """What a meter says of bytes."""
        meter = self.meter()
        for piece in pieces:
            meter.feed(piece)
        return meter.finish(whole=whole)


@pytest.fixture(scope="module")
def transcripts(shared: Path) -> list[Transcript]:
    folder = shared / "providers"
    found = []
    for line in (folder / "EXPECTED_USAGE.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = folder / row["file"]
        stem = path.name.removesuffix(".json").removesuffix(".sse").removesuffix(".eventstream.bin")
        answer = json.loads((path.parent / f"{stem}.meta.json").read_text(encoding="utf-8"))["response"]
        headers = {
            name.lower(): value if isinstance(value, str) else value[0]
            for name, value in (answer.get("headers") or {}).items()
        }
        provider = PROVIDERS[row["file"].split("/")[0]]
        found.append(Transcript(path, Asked(provider, row["request_model"], 0, 0, headers, answer["status"]), row))
    return found


def told(part: Part) -> dict[str, int]:
    """A part in the words of the second opinion, which does not tell the times of OpenAI's writes apart."""
    written = part.cache_write_30m + part.cache_write_12h + part.cache_write_other
    numbers = (part.uncached_input, part.cache_read, part.cache_write_5m, part.cache_write_1h, written,
               part.tool_prompt, part.output, part.reasoning)  # fmt: skip
    return {name: number for name, number in zip(COUNTED, numbers, strict=True) if number}


def test_every_answer_gives_the_expected_buckets(transcripts: list[Transcript]) -> None:
    assert len(transcripts) == 231
    measured = 0
    for each in transcripts:
        found = each.measure(each.path.read_bytes())
        expected = BETTER.get(each.row["file"], each.row["expected"])
        if expected is None:
            assert found.state != "measured", each.row["file"]
            continue
        measured += 1
        wanted = [{name: part[name] for name in COUNTED if part.get(name)} for part in expected]
        assert (found.state, [told(part) for part in found.parts]) == ("measured", wanted), each.row["file"]
        models = [part["model"] for part in expected if part.get("model")]
        assert [part.model for part in found.parts if part.model] == models, each.row["file"]
        searches = sum(part.get("web_search_requests") or 0 for part in expected)
        assert found.fees.get("web_searches", 0) == searches, each.row["file"]
        costs = [part["provider_reported_cost_usd"] for part in expected if part.get("provider_reported_cost_usd")]
        assert [float(found.cost)] == costs if costs and found.cost else not costs, each.row["file"]
    assert measured == 206


def test_pieces_of_any_size_give_the_same(transcripts: list[Transcript]) -> None:
    sizes = random.Random(20261127)  # noqa: S311 - no secret hangs on it
    for each in transcripts:
        body = each.path.read_bytes()
        expected = each.measure(body)
        assert each.measure(*(body[at : at + 1] for at in range(len(body)))) == expected, each.row["file"]
        pieces, at = [], 0
        while at < len(body):
            step = sizes.choice((1, 2, 3, 7, 64, 500, 1460))
            pieces.append(body[at : at + step])
            at += step
        assert each.measure(*pieces) == expected, each.row["file"]


def test_cut_at_any_byte_it_is_never_measured_wrongly(transcripts: list[Transcript]) -> None:
    for each in transcripts:
        body = each.path.read_bytes()
        expected = each.measure(body).parts
        # Every byte of the last 1,000, where usage stands, and each 97th before them; each one where time is no matter.
        near = 0 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else max(0, len(body) - 1_000)
        for cut in (*range(0, near, 97), *range(near, len(body))):
            for whole in (False, True):
                found = each.measure(body[:cut], whole=whole)
                assert found.state != "measured" or found.parts == expected, (each.row["file"], cut, whole)


def test_no_text_of_an_answer_is_kept(transcripts: list[Transcript]) -> None:
    longest = max(
        (len(word), word)
        for each in transcripts
        for word in repr(each.measure(each.path.read_bytes())).replace('"', " ").replace("'", " ").split()
    )
    # What is kept are numbers, names and ids.
    assert longest[0] < 120, longest
