"""Of a stream only the chunk goes that the gateway asked for, in whatever pieces the stream comes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.usage_chunk import UsageChunk

CHUNK = b'data: {"choices":[{"delta":{"content":"usage"}}],"usage":null}'
# What speaks of usage and is not the chunk: a text, a chunk that has choices, a comment, an event of two lines.
OTHERS = (
    CHUNK,
    b'data: {"choices":[{"delta":{"content":"\\"usage\\":{}"}}],"usage": null}',
    b'data: {"choices":[{"index":0}],"usage":{"total_tokens":3}}',
    b': "usage" "choices"',
    b'event: x\ndata: {"choices":[],"usage":{"total_tokens":3}}',
    b'data: {"choices":[],"usage":null}',
    b"data: [DONE]",
    b"",
)
USAGE = b'data: {"choices":[],"usage":{"total_tokens":3}}'


@given(
    before=st.lists(st.sampled_from(OTHERS), max_size=5),
    after=st.lists(st.sampled_from(OTHERS), max_size=3),
    end=st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
    tells=st.booleans(),
    data=st.data(),
)
def test_every_other_byte_stays(
    before: list[bytes],
    after: list[bytes],
    end: bytes,
    tells: bool,
    data: st.DataObject,
) -> None:
    events = [*before, *([USAGE] if tells else []), *after]
    raw = b"".join(event + end for event in events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    places = [0, *cuts, len(raw)]
    chunk = UsageChunk()
    found = b"".join(chunk.feed(raw[a:b]) for a, b in pairwise(places)) + chunk.close()
    assert found == b"".join(event + end for event in [*before, *after])


def test_whole_events_go_on_at_once() -> None:
    chunk = UsageChunk()
    assert chunk.feed(CHUNK + b"\n\n") == CHUNK + b"\n\n"
    assert chunk.feed(CHUNK) == b""
    assert chunk.feed(b"\n\n") == CHUNK + b"\n\n"
