"""Bodies in whatever pieces they come: the same measure, and never a measured one of what is not whole."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.gateway.meters import body as bodies
from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.body import DocumentBody, EventBody, FrameBody, Inflated, Meter
from apportion.gateway.meters.format import Asked, Format
from apportion.gateway.meters.frames import FrameSplitter
from apportion.gateway.meters.gemini import GenerateContent
from apportion.gateway.meters.opaque import Opaque
from apportion.gateway.meters.openai import Chat, Responses
from apportion.gateway.meters.sse import EventSplitter
from tests.unit.gateway.meters import test_anthropic, test_gemini, test_openai
from tests.unit.gateway.meters.answers import OPENAI, chunk, frame, sse

CHAT = sse(
    test_openai.piece("a"),
    test_openai.piece("b"),
    {**test_openai.piece(), "choices": [], "usage": test_openai.FULL},
    "[DONE]",
)
MESSAGES = sse(
    test_anthropic.start(test_anthropic.USAGE),
    test_anthropic.CONTENT,
    test_anthropic.delta({"output_tokens": 40}),
    test_anthropic.delta({"output_tokens": 90}),
    test_anthropic.STOP,
)
CONTENTS = sse(test_gemini.chunk({"promptTokenCount": 9}), test_gemini.chunk(test_gemini.USAGE, "STOP"))
CONVERSED = frame("contentBlockDelta", {"delta": {"text": "a"}}) + frame("metadata", {"usage": {"inputTokens": 3}})
INVOKED = chunk({"outputText": "a"}) + chunk({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}})
WHOLE: list[tuple[str, Callable[[], Meter], bytes]] = [
    ("chat", lambda: EventBody(Chat(OPENAI)), CHAT),
    ("chat, CR LF", lambda: EventBody(Chat(OPENAI)), CHAT.replace(b"\n", b"\r\n")),
    ("chat, CR", lambda: EventBody(Chat(OPENAI)), b": hello\r\r" + CHAT.replace(b"\n", b"\r")),
    ("messages", lambda: EventBody(Messages(OPENAI)), MESSAGES),
    ("contents", lambda: EventBody(GenerateContent(OPENAI)), CONTENTS),
    ("document", lambda: DocumentBody(Chat(OPENAI)), json.dumps(test_openai.chat(test_openai.FULL)).encode()),
    ("packed", lambda: Inflated(EventBody(Chat(OPENAI)), "gzip"), gzip.compress(CHAT, mtime=0)),
    ("deflated", lambda: Inflated(EventBody(Chat(OPENAI)), "deflate"), zlib.compress(CHAT)),
    ("converse", lambda: FrameBody(Converse(OPENAI)), CONVERSED),
    ("invoke", lambda: FrameBody(Invoke(OPENAI)), INVOKED),
]


@pytest.mark.parametrize(("make", "answer"), [each[1:] for each in WHOLE], ids=[each[0] for each in WHOLE])
@given(data=st.data())
@settings(max_examples=40)
def test_any_pieces_give_the_same_measure(make: Callable[[], Meter], answer: bytes, data: st.DataObject) -> None:
    whole = make()
    whole.feed(answer)
    expected = whole.finish(whole=True)
    assert expected.state == "measured"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=30)))
    meter = make()
    for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True):
        meter.feed(answer[start:end])
    assert meter.finish(whole=True) == expected


@pytest.mark.parametrize(("make", "answer"), [each[1:] for each in WHOLE], ids=[each[0] for each in WHOLE])
def test_cut_at_any_byte_it_is_never_measured_wrongly(make: Callable[[], Meter], answer: bytes) -> None:
    whole = make()
    whole.feed(answer)
    expected = whole.finish(whole=True)
    for cut in range(len(answer)):
        for ended in (False, True):
            meter = make()
            meter.feed(answer[:cut])
            found = meter.finish(whole=ended)
            assert found.state != "measured" or found.parts == expected.parts, cut


_FORMS: list[type[Format]] = [Chat, Responses, Messages, GenerateContent]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["usage", "choices", "error", "message", "response", "type", "usageMetadata", "candidates", "iterations",
             "input_tokens", "prompt_tokens", "output_tokens", "promptTokenCount", "cache_creation", "id", "model",
             "predictions", "tool_usage", "output", "x_groq", "metadata", "results", "status", "trace", "guardrail"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(st.sampled_from(_FORMS), _JSON, st.booleans(), st.integers(100, 599))
@settings(max_examples=400)
def test_no_document_is_too_strange(form: type[Format], answer: Any, whole: bool, status: int) -> None:
    asked = Asked("openai", status=status)
    for meter in (DocumentBody(form(asked)), EventBody(form(asked))):
        meter.feed(json.dumps(answer).encode() if isinstance(meter, DocumentBody) else sse(answer, answer, "[DONE]"))
        found = meter.finish(whole=whole)
        assert all(part.tokens >= 0 for part in found.parts)
        assert found.state in {"measured", "estimated"} or not found.parts


@given(_JSON)
@settings(max_examples=200)
def test_no_frame_is_too_strange(answer: Any) -> None:
    for form in (Converse, Invoke):
        meter = FrameBody(form(Asked("aws.bedrock")))
        meter.feed(frame("metadata", answer) + chunk(answer) + frame("chunk", answer))
        meter.finish(whole=True)


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=300)
def test_no_bytes_are_too_strange(noise: bytes, whole: bool) -> None:
    for _, make, answer in WHOLE:
        meter = make()
        meter.feed(noise)
        meter.feed(answer[: len(answer) // 2] + noise)
        assert meter.finish(whole=whole).state in {"measured", "estimated", "missing"}
    FrameSplitter().feed(noise)


def test_events_as_the_standard_has_them() -> None:
    splitter = EventSplitter()
    text = b"\xef\xbb\xbf: note\nevent: x\ndata: a\ndata:b\ndata\nid: 1\n\n\ndata:  c\n\ndata: never ended"
    found = [event for at in range(len(text)) for event in splitter.feed(text[at : at + 1])]
    assert (found, splitter.torn) == ([b"a\nb", b" c"], True)
    assert splitter.close() == [b"never ended"]


def test_what_is_too_large_is_passed_over_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1 << 20)
    meter = DocumentBody(Chat(Asked("openai", input_tokens=4)))
    tracemalloc.start()
    for _ in range(64):
        meter.feed(bytes(1 << 16))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1 << 18
    found = meter.finish(whole=True)
    assert (found.state, "larger than 1 MiB" in found.why) == ("estimated", True)


def test_a_packed_body_that_swells_is_fed_in_pieces() -> None:
    sizes: list[int] = []

    class Sized(Opaque):
        def feed(self, data: bytes) -> None:
            sizes.append(len(data))

    meter = Inflated(Sized(OPENAI, bills=True), "gzip")
    meter.feed(gzip.compress(bytes(bodies.MOST_BYTES * 3)))
    assert (sum(sizes), max(sizes)) == (bodies.MOST_BYTES * 3, bodies.MOST_BYTES)


def test_bodies_that_are_not_looked_into() -> None:
    spoken = Opaque(Asked("openai", "tts-1", characters=12), bills=True)
    spoken.feed(b"sound")
    assert spoken.finish(whole=True).fees == {"characters": 12}
    assert spoken.finish(whole=False).state == "estimated"
    assert Opaque(Asked("openai"), bills=False).finish(whole=True).why == "the route bills no usage"
    assert Opaque(Asked("openai", status=500), bills=True).finish(whole=True).state == "missing"
    assert Opaque(Asked("openai"), bills=True).finish(whole=True).state == "missing"
