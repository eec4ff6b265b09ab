"""Whatever bytes a provider sends, in whatever pieces: no meter falls over, miscounts or takes more than its share.

Deeper with `HYPOTHESIS_PROFILE=deep`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.gateway.meters import batches, body, frames, sse
from apportion.gateway.meters.format import Asked
from apportion.gateway.meters.measure import BUCKETS, Measure
from apportion.gateway.routes import meter, route
from tests.gateway.clients.shapes import LINES, SHAPES, Shape, message, said, shape
from tests.gateway.mutants import TEXT, any_bytes, mutants
from tests.unit.gateway.meters.answers import frame

# Each format in each of the ways in which it comes.
NAMES: Final = (
    "chat", "chat stream", "responses", "responses stream", "batch", "images", "translation", "speech", "messages",
    "messages stream", "results", "generate", "generate stream", "vertex generate array", "vertex embed", "converse",
    "converse stream", "invoke", "invoke by headers", "invoke stream", "azure chat stream", "openrouter chat stream",
)  # fmt: skip
_IDENTIFIER: Final = re.compile(r"[\w.:/@+ -]{1,200}", re.ASCII)
_MOST: Final = 10**13
# The answers are small: many more of them fit into the time of other laws.
MANY: Final = settings(max_examples=5 * settings().max_examples)
SIZES: Final = st.lists(st.integers(1, 60), min_size=1, max_size=8)


class Told(NamedTuple):
    """What a meter is made with."""

    shape: Shape
    coding: str = ""
    status: int = 200

    def measure(self, pieces: Iterable[bytes], *, whole: bool = True) -> Measure:
        """What a new meter says of some bytes."""
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in self.shape.headers)}
        headers["content-type"] = self.shape.kind
        if self.coding:
            headers["content-encoding"] = self.coding
        asked = Asked(self.shape.provider, "asked-for", 25, self.shape.fees.get("characters", 0), headers, self.status)
        made = meter(route(self.shape.method, self.shape.path), asked)
        for piece in pieces:
            made.feed(piece)
        return made.finish(whole=whole)


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Bytes in pieces of these sizes, again and again."""
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def check(found: Measure) -> None:
    """What holds of every measure, whatever the answer was."""
    assert found.state in {"measured", "estimated", "missing"}
    assert (found.why == "") == (found.state == "measured")
    assert found.state != "missing" or not found.parts
    for part in found.parts:
        numbers = [getattr(part, name) for name in (*BUCKETS, "reasoning")]
        assert all(type(number) is int and 0 <= number < _MOST for number in numbers)
        assert part.reasoning <= part.output
    for name, number in found.fees.items():
        assert type(number) is int
        assert number > 0
        assert _IDENTIFIER.fullmatch(name)
    names = [found.call_id, found.model, found.service_tier, found.region, found.speed]
    names += [name for part in found.parts for name in (part.model, part.service_tier, part.kind or None)]
    assert all(name is None or _IDENTIFIER.fullmatch(name) for name in names)
    assert len(found.raw) <= 4096
    if found.raw:
        json.loads(found.raw)
    assert len(found.why) <= 300
    assert len(set(found.flags)) == len(found.flags)
    assert not any(word in repr(found) for word in ("sunset", "She asked"))


def same_in_any_pieces(told: Told, data: bytes, sizes: list[int], *, whole: bool) -> Measure:
    """The measure of some bytes, which does not hang on how they come."""
    found = told.measure([data], whole=whole)
    check(found)
    assert told.measure(cut(data, sizes), whole=whole) == found
    assert told.measure(cut(data, [1]), whole=whole) == found
    return found


@pytest.mark.parametrize("name", NAMES)
@MANY
@given(any_bytes(), SIZES, st.booleans(), st.sampled_from([200, 429]))
def test_bytes_of_no_meaning(name: str, data: bytes, sizes: list[int], whole: bool, status: int) -> None:
    same_in_any_pieces(Told(shape(name), status=status), data, sizes, whole=whole)


@pytest.mark.parametrize("name", NAMES)
@MANY
@given(st.data(), SIZES, st.booleans())
def test_answers_that_went_wrong(name: str, data: st.DataObject, sizes: list[int], whole: bool) -> None:
    answer = shape(name)
    same_in_any_pieces(Told(answer), data.draw(mutants(answer)), sizes, whole=whole)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate"])
@MANY
@given(st.sampled_from(NAMES), st.data(), SIZES, st.booleans())
def test_packed_answers_that_went_wrong(
    coding: str, name: str, data: st.DataObject, sizes: list[int], whole: bool
) -> None:
    answer = shape(name)
    packed = pack(data.draw(mutants(answer)), coding)
    at = data.draw(st.integers(0, len(packed)))
    told = Told(answer, coding.removeprefix("raw "))
    same_in_any_pieces(told, data.draw(st.sampled_from([packed, packed[:at], packed + b"more"])), sizes, whole=whole)
    spoilt = packed[:at] + b"\0\1" + packed[at:]
    for pieces in ([spoilt], cut(spoilt, sizes)):
        # How much can be unpacked before the fault hangs on the pieces.
        check(told.measure(pieces, whole=whole))


def pack(data: bytes, coding: str) -> bytes:
    """Bytes in a coding of HTTP; `raw deflate` is what some servers send for `deflate`."""
    if coding == "gzip":
        return gzip.compress(data, mtime=0)
    if coding == "deflate":
        return zlib.compress(data)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("answer", SHAPES, ids=lambda each: each.name)
def test_an_answer_is_measured_whole_and_in_any_coding(answer: Shape) -> None:
    found = same_in_any_pieces(Told(answer), answer.body, [7, 1, 30], whole=True)
    assert (found.state, dict(found.fees)) == (answer.state, dict(answer.fees))
    for coding in ("gzip", "deflate", "raw deflate"):
        told = Told(answer, coding.removeprefix("raw "))
        assert same_in_any_pieces(told, pack(answer.body, coding), [5, 1], whole=True) == found


@pytest.mark.parametrize("answer", SHAPES, ids=lambda each: each.name)
def test_an_answer_that_was_cut_is_not_measured(answer: Shape) -> None:
    told = Told(answer)
    full = told.measure([answer.body])
    # Lines are no document: one that ends behind a line is whole if the transport says so.
    for at, whole in itertools.product(range(len(answer.body)), (False, True) if answer.kind != LINES else (False,)):
        found = told.measure([answer.body[:at]], whole=whole)
        assert found.state != "measured" or found.parts == full.parts, (at, whole)
    packed = gzip.compress(answer.body, mtime=0)
    unpacked = Told(answer, "gzip")
    for at in range(len(packed)):
        found = unpacked.measure([packed[:at]], whole=True)
        assert found.state != "measured" or found.parts == full.parts, at


@pytest.mark.parametrize("answer", [each for each in SHAPES if each.ends], ids=lambda each: each.name)
def test_an_answer_without_the_piece_that_tells_is_not_measured(answer: Shape) -> None:
    for missing, whole in itertools.product(answer.ends, (False, True)):
        left = [piece for place, piece in enumerate(answer.pieces) if place != missing]
        assert Told(answer).measure(left, whole=whole).state != "measured", (missing, whole)


# --- memory


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bounds that a test can go past in no time, in bytes."""
    bound = 1 << 16
    monkeypatch.setattr(body, "MOST_BYTES", bound)
    monkeypatch.setattr(batches, "MOST_BYTES", bound)
    monkeypatch.setattr(sse, "MOST_BYTES", bound)
    monkeypatch.setattr(frames, "_MOST", bound)
    return bound


def endless(piece: bytes) -> Iterator[bytes]:
    """A piece again and again, for a megabyte."""
    # Each an object of its own, as sockets make them.
    return (bytes(bytearray(piece)) for _ in range((1 << 20) // len(piece)))


def _events(*documents: Any) -> bytes:
    return b"".join(said(*documents))


_DELTA: Final = _events({"type": "message_delta", "usage": {"output_tokens": 5, "server_tool_use": {"a": 1}}})
_ODD: Final = message({"input_tokens": 1, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 9}})
_ODD_RESULT: Final = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": _ODD}}).encode() + b"\n"


def _of_model(number: int) -> bytes:
    answer = message({"input_tokens": 1, "output_tokens": 1}, model=f"{number:0200d}")
    return json.dumps({"result": {"type": "succeeded", "message": answer}}).encode() + b"\n"


HOSTILE: Final = {
    "a line without an end": ("chat stream", b"data: " + b"x" * 1000),
    "an event without an end": ("chat stream", b"data: " + b"x" * 1000 + b"\n"),
    "many small pieces of a document": ("chat", b"[9"),
    "many small pieces of a stream": ("messages stream", b"xy"),
    "a line that grows by little": ("chat stream", b"data"),
    "deltas without end": ("messages stream", _DELTA),
    "chunks with usage": ("chat stream", _events({"choices": [], "usage": {"prompt_tokens": 5}, "id": "x" * 300})),
    "a result without an end": ("results", b"x" * 1000),
    "results that contradict themselves": ("results", _ODD_RESULT),
    "results of ever other models": ("results", b""),
    "frames of no meaning": ("converse stream", frame("contentBlockDelta", {"p": "x" * 500})),
    "chunks of no meaning": ("invoke stream", frame("chunk", {"bytes": "x" * 500})),
    "what is no frame": ("converse stream", b"x" * 1000),
    "an array without an end": ("vertex generate array", b'[{"a":1},' * 50),
    "sound": ("speech", b"x" * 1000),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_endless_answer_takes_no_more_memory_than_its_bound(case: str, small: int) -> None:
    name, piece = HOSTILE[case]
    told = Told(shape(name))
    pieces = endless(piece) if piece else (_of_model(number) for number in range(4_000))
    tracemalloc.start()
    try:
        found = told.measure(pieces, whole=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    check(found)
    # A thousand models with long names are more than the bounds that this test has made small.
    assert peak < (32 if "models" in case else 8) * small


@pytest.mark.parametrize("name", ["chat", "chat stream", "results", "converse stream"])
@pytest.mark.parametrize("case", ["a bomb", "what stands behind the end"])
def test_what_is_packed_takes_no_more_memory_than_its_bound(name: str, case: str, small: int) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(b"0" * (32 << 20)) + packer.flush()
    pieces = cut(bomb, [4096]) if case == "a bomb" else itertools.chain([gzip.compress(b"{}")], endless(b"x" * 1000))
    told = Told(shape(name), "gzip")
    tracemalloc.start()
    try:
        found = told.measure(pieces, whole=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    check(found)
    assert peak < 12 * small


@given(
    SIZES,
    st.integers(-8, 8),
    st.sampled_from([b"data: ", b"data:", b": ", b"event: "]),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_an_event_that_is_too_long_is_passed_over_and_no_other(
    sizes: list[int], more: int, start: bytes, end: bytes
) -> None:
    with pytest.MonkeyPatch.context() as bounded:
        bounded.setattr(sse, "MOST_BYTES", 400)
        long = start + b"data:".rjust(400 + more, b"x") + end + b"data: more" + end + end
        last = b'data: {"id":"c-1","choices":[],"usage":{"prompt_tokens":5}}' + end + end
        splitter = sse.EventSplitter()
        found = [event for piece in cut(long + last, sizes) for event in splitter.feed(piece)]
        whole = sse.EventSplitter()
        assert whole.feed(long + last) == found
        assert (whole.over, found[-1][:11]) == (splitter.over, b'{"id":"c-1"')
        assert splitter.over == (start.startswith(b"data") and more + len(b"more") > 0)
        assert splitter.torn is False


@pytest.mark.parametrize(("kind", "name"), [("exception", ":exception-type"), ("error", ":error-code")])
def test_what_an_exception_calls_itself_is_kept_if_it_is_a_name(kind: str, name: str) -> None:
    for text, told in ((TEXT, "(error)"), ("throttlingException", "(throttlingException)")):
        head = b"".join(
            bytes([len(key)]) + key.encode() + b"\x07" + len(value.encode()).to_bytes(2) + value.encode()
            for key, value in ((":message-type", kind), (name, text))
        )
        prelude = (len(head) + 16).to_bytes(4) + len(head).to_bytes(4)
        made = prelude + zlib.crc32(prelude).to_bytes(4) + head
        found = Told(shape("converse stream")).measure([made + zlib.crc32(made).to_bytes(4)])
        check(found)
        assert (found.state, told in found.why) == ("missing", True)


def test_text_in_a_usage_object_is_not_kept() -> None:
    answer = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [],
              "usage": {"prompt_tokens": 5, "completion_tokens": 1, "note": TEXT, TEXT: {"deep": [TEXT]}}}  # fmt: skip
    check(Told(shape("chat")).measure([json.dumps(answer).encode()]))
