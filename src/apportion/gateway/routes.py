"""What a request asks for, told by its method and path alone: the operation, the model in it, and how it is metered.

Sources: the API references of OpenAI, Azure OpenAI, Anthropic, Gemini, Vertex AI and Amazon Bedrock, read 2026-11-27.
Paths are told by their ends, so that any server that speaks one of these dialects is understood wherever it puts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.batches import Batch, Results
from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.body import DocumentBody, EventBody, FrameBody, Inflated, Meter
from apportion.gateway.meters.format import Asked, Format
from apportion.gateway.meters.gemini import GenerateContent
from apportion.gateway.meters.opaque import Opaque
from apportion.gateway.meters.openai import Chat, Responses

_EVENTS: Final = "text/event-stream"
_FRAMES: Final = "application/vnd.amazon.eventstream"
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of request.

    Attributes:
        name: As OpenTelemetry names the operation of a call, or in our words where it has none.
        form: How the answer tells its usage; None for one that does not.
        bills: Whether the provider charges for it; a list of models is free.
        asks_usage: Whether a stream tells its usage only to a request that asks for it.
        batch: Whether its calls are billed as a batch.
        lines: Whether the answer is one document a line.
    """

    name: str
    form: type[Format] | None = None
    bills: bool = True
    asks_usage: bool = False
    batch: bool = False
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A request, as far as its path tells.

    Attributes:
        operation: What is asked for.
        model: In the path; None where it stands in the body.
        deployment: Of Azure, which is not the model.
        project: Of Google.
        region: In the path.
        item: The id of what is asked for, such as a batch.
    """

    operation: Operation
    model: str | None = None
    deployment: str | None = None
    project: str | None = None
    region: str | None = None
    item: str | None = None


FREE: Final = Operation("other", bills=False)
_CHAT = Operation("chat", Chat, asks_usage=True)
_COMPLETION = Operation("text_completion", Chat, asks_usage=True)
_RESPONSES = Operation("responses", Responses)
_EMBEDDINGS = Operation("embeddings", Chat)
_IMAGES = Operation("image_generation", Chat)
_AUDIO = Operation("transcription", Chat)
_SPEECH = Operation("speech")
_RUN = Operation("run", Chat)
_BATCH = Operation("batch", Batch, batch=True)
_MESSAGES = Operation("chat", Messages)
_RESULTS = Operation("batch", Messages, batch=True, lines=True)
_GENERATE = Operation("generate_content", GenerateContent)
_EMBED = Operation("embeddings", GenerateContent)
_CONVERSE = Operation("chat", Converse)
_INVOKE = Operation("invoke", Invoke)

_AZURE: Final = r"/openai/deployments/(?P<deployment>[^/]+)"
_VERTEX: Final = r"/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)"
_MODEL: Final = r"/(?P<model>[^/:]+)"
# The first that matches the whole path counts. A name in a group is an attribute of the route.
_TABLE: Final[tuple[tuple[str, re.Pattern[str], Operation], ...]] = tuple(
    (method, re.compile(rf"(?:/[^/]+)*?{pattern}"), operation)
    for method, pattern, operation in (
        ("POST", rf"(?:{_AZURE})?/chat/completions", _CHAT),
        ("POST", rf"(?:{_AZURE})?/completions", _COMPLETION),
        ("POST", rf"(?:{_AZURE})?/embeddings", _EMBEDDINGS),
        ("POST", rf"(?:{_AZURE})?/images/(?:generations|edits|variations)", _IMAGES),
        ("POST", rf"(?:{_AZURE})?/audio/(?:transcriptions|translations)", _AUDIO),
        ("POST", rf"(?:{_AZURE})?/audio/speech", _SPEECH),
        ("POST", r"/responses(?:/compact)?", _RESPONSES),
        ("POST", r"/responses/(?P<item>[^/]+)/cancel", _RESPONSES),
        ("GET", r"/responses/(?P<item>[^/]+)", _RESPONSES),
        ("POST", r"/threads/runs", _RUN),
        ("POST", r"/threads/[^/]+/runs(?:/[^/]+/submit_tool_outputs)?", _RUN),
        ("GET", r"/threads/[^/]+/runs/(?P<item>[^/]+)", _RUN),
        ("GET", r"/messages/batches/(?P<item>[^/]+)/results", _RESULTS),
        ("GET", r"/batches/(?P<item>batch_[^/]+)", _BATCH),
        ("POST", r"/messages", _MESSAGES),
        ("POST", r"/model/(?P<model>[^/]+)/converse(?:-stream)?", _CONVERSE),
        ("POST", r"/model/(?P<model>[^/]+)/invoke(?:-with-response-stream)?", _INVOKE),
        ("POST", rf"{_VERTEX}/publishers/anthropic/models{_MODEL}:(?:streamRawPredict|rawPredict)", _MESSAGES),
        ("POST", rf"{_VERTEX}/publishers/[^/]+/models{_MODEL}:(?:streamRawPredict|rawPredict)", _CHAT),
        ("POST", rf"(?:{_VERTEX}/.*)?{_MODEL}:(?:generateContent|streamGenerateContent)", _GENERATE),
        ("POST", rf"(?:{_VERTEX}/.*)?{_MODEL}:(?:embedContent|batchEmbedContents|predict)", _EMBED),
    )
)


@lru_cache(maxsize=4096)
def route(method: str, path: str) -> Route:
    """What a request asks for.

    Args:
        method: Of HTTP.
        path: Without its query, as it was sent.
    """
    for wanted, pattern, operation in _TABLE:
        if method == wanted and (found := pattern.fullmatch(path)):
            return Route(operation, **{name: unquote(value) for name, value in found.groupdict().items() if value})
    return Route(FREE)


def meter(route_of: Route, asked: Asked) -> Meter:
    """A meter for the answer of a request.

    Args:
        route_of: The request.
        asked: What is known of it, with the headers of the answer.
    """
    kind = (asked.header("content-type") or "").partition(";")[0].strip().lower()
    made = _meter(route_of, asked, kind)
    coding = (asked.header("content-encoding") or "").strip().lower()
    return Inflated(made, coding.removeprefix("x-")) if coding in _CODINGS else made


def _meter(route_of: Route, asked: Asked, kind: str) -> Meter:
    operation = route_of.operation
    if operation.form is None:
        return Opaque(asked, bills=operation.bills)
    if operation.lines:
        return Results(asked, route_of.item)
    made: Callable[[Asked], Format] = operation.form
    form = made(asked)
    if kind == _FRAMES and isinstance(form, Converse | Invoke):
        return FrameBody(form)
    return EventBody(form) if kind == _EVENTS else DocumentBody(form)
