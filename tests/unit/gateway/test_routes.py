"""A request is understood by its method and path alone, wherever a server puts its dialect."""

from __future__ import annotations

import gzip

import pytest

from apportion.gateway.meters.body import DocumentBody, EventBody, FrameBody
from apportion.gateway.meters.format import Asked
from apportion.gateway.routes import FREE, meter, route
from tests.unit.gateway.meters.answers import CHAT_USAGE, sse

VERTEX = "/v1/projects/p-1/locations/europe-west4"


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("/v1/chat/completions", "chat", {}),
        ("/api/v1/chat/completions", "chat", {}),
        ("/v1beta/openai/chat/completions", "chat", {}),
        ("/openai/deployments/gpt%2D4o/chat/completions", "chat", {"deployment": "gpt-4o"}),
        ("/v1/completions", "text_completion", {}),
        ("/v1/responses", "responses", {}),
        ("/openai/v1/responses/compact", "responses", {}),
        ("/v1/embeddings", "embeddings", {}),
        ("/openai/deployments/e/embeddings", "embeddings", {"deployment": "e"}),
        ("/v1/images/edits", "image_generation", {}),
        ("/v1/audio/transcriptions", "transcription", {}),
        ("/v1/audio/speech", "speech", {}),
        ("/v1/threads/t/runs", "run", {}),
        ("/v1/messages", "chat", {}),
        ("/anthropic/v1/messages", "chat", {}),
        ("/v1beta/models/gemini-3.8-flash:streamGenerateContent", "generate_content", {"model": "gemini-3.8-flash"}),
        ("/v1beta/models/e:batchEmbedContents", "embeddings", {"model": "e"}),
        (f"{VERTEX}/publishers/google/models/gemini-3:generateContent", "generate_content",
         {"model": "gemini-3", "project": "p-1", "region": "europe-west4"}),
        (f"{VERTEX}/publishers/anthropic/models/claude-opus-5@2026:streamRawPredict", "chat",
         {"model": "claude-opus-5@2026", "project": "p-1", "region": "europe-west4"}),
        (f"{VERTEX}/publishers/mistralai/models/m:rawPredict", "chat", {"model": "m"}),
        (f"{VERTEX}/endpoints/openapi/chat/completions", "chat", {}),
        ("/model/us.anthropic.claude-opus-5-v1%3A0/converse", "chat", {"model": "us.anthropic.claude-opus-5-v1:0"}),
        ("/model/arn%3Aaws%3Abedrock%3A%3A1%3Aapplication-inference-profile%2Fx/invoke", "invoke",
         {"model": "arn:aws:bedrock::1:application-inference-profile/x"}),
    ],
)  # fmt: skip
def test_posts(path: str, name: str, said: dict[str, str]) -> None:
    found = route("POST", path)
    assert (found.operation.name, found.operation.bills) == (name, True)
    assert {key: getattr(found, key) for key in said} == said


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/messages/count_tokens"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1beta/models/g:countTokens"),
        ("GET", "/v1/batches/batch_1/x"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/"),
        ("POST", ""),
    ],
)
def test_what_costs_nothing_or_is_not_known(method: str, path: str) -> None:
    assert route(method, path).operation is FREE


def test_what_is_asked_for_later_is_known_by_its_id() -> None:
    assert route("GET", "/v1/responses/resp_1").item == "resp_1"
    assert route("GET", "/v1/batches/batch_1").operation.batch
    results = route("GET", "/v1/messages/batches/msgbatch_1/results")
    assert (results.item, results.operation.lines) == ("msgbatch_1", True)


def test_the_kind_of_an_answer_decides_how_it_is_read() -> None:
    def made(path: str, **headers: str) -> object:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return meter(route("POST", path), Asked("x", headers=said))

    assert isinstance(made("/v1/messages", content_type="text/event-stream; charset=utf-8"), EventBody)
    assert isinstance(made("/v1/messages", content_type="application/json"), DocumentBody)
    assert isinstance(made("/model/a/converse-stream", content_type="application/vnd.amazon.eventstream"), FrameBody)
    assert isinstance(made("/v1/messages", content_type="application/vnd.amazon.eventstream"), DocumentBody)
    packed = meter(
        route("POST", "/v1/chat/completions"),
        Asked("openai", headers={"content-type": "text/event-stream", "content-encoding": "gzip"}),
    )
    packed.feed(gzip.compress(sse({"choices": [], "usage": CHAT_USAGE}, "[DONE]")))
    assert packed.finish(whole=True).state == "measured"


def test_a_long_and_odd_path_takes_no_time() -> None:
    for odd in ("/a" * 4000, "/projects/a/locations/b" * 200, "/openai/deployments/x" * 200, "/a:b" * 900):
        assert route("POST", odd + "/x").operation is FREE
