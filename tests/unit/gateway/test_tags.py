"""Tags come from headers, baggage and bodies, the first that is there stays, and none is without bounds."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.asking import Asking, read
from apportion.gateway.routes import route
from apportion.gateway.tags import MOST_TAGS, Tags, from_headers, others_baggage

CHAT = route("POST", "/v1/chat/completions")


def test_headers_and_baggage() -> None:
    tags = Tags({"team": "search"})
    from_headers(
        tags,
        [
            (b"X-Apportion-Team", b"growth"),
            (b"x-apportion-cost-center", "Büro".encode()),
            (b"X-Apportion-Key", b"apk-secret"),
            (b"baggage", b"apportion.feature=answers%20two;prop=1, other=1"),
            (b"Baggage", b"apportion.team=late, apportion.env=prod"),
        ],
    )
    assert tags.values == {"team": "search", "cost_center": "Büro", "feature": "answers two", "env": "prod"}
    assert tags.dropped == 0


def test_baggage_of_others_goes_on() -> None:
    assert others_baggage(b"a=1,apportion.team=x, b=2") == b"a=1, b=2"
    assert others_baggage(b"apportion.team=x") == b""


def test_bounds() -> None:
    tags = Tags()
    tags.add_all({f"k{number}": "v" for number in range(MOST_TAGS + 5)})
    assert (len(tags.values), tags.dropped) == (MOST_TAGS, 5)
    odd = Tags()
    odd.add_all({"long": "x" * 257, "x" * 65: "v", "nul": "a\x00b", "line": "a\nb", "list": [1], "": "v", "a b": "v"})
    assert (odd.values, odd.dropped) == ({}, 7)
    odd.add_all({"n": 5, "b": True, "none": None, "empty": ""})
    assert odd.values == {"n": "5", "b": "true"}
    odd.add_all("no object")


def asked(body: Any, path: str = "/v1/chat/completions", **more: Any) -> tuple[Asking, Tags]:
    tags = Tags()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(route("POST", path), raw, tags, ask_usage=more.get("ask_usage", True)), tags


def test_each_provider_has_a_field_of_its_own() -> None:
    found, tags = asked({"model": "gpt-4o", "metadata": {"team": "search", "n": "1"}, "user": "u-1"})
    assert (found.model, found.streams, found.user_id, tags.values) == (
        "gpt-4o",
        False,
        "u-1",
        {"team": "search", "n": "1"},
    )
    found, tags = asked({"model": "claude", "metadata": {"user_id": "u-2"}}, "/v1/messages")
    assert (found.user_id, tags.values) == ("u-2", {})
    found, tags = asked(
        {"labels": {"team": "ml"}}, "/v1/projects/p/locations/l/publishers/google/models/g:generateContent"
    )
    assert (found.model, tags.values) == ("g", {"team": "ml"})
    _, tags = asked({"requestMetadata": {"team": "ops"}}, "/model/m/converse")
    assert tags.values == {"team": "ops"}
    found, _ = asked({"model": "tts-1", "input": "Hello"}, "/v1/audio/speech")
    assert found.characters == 5


def test_the_size_of_a_request_is_told_without_its_pictures() -> None:
    text = {"model": "m", "messages": [{"role": "user", "content": "word " * 800}]}
    picture = {"model": "m", "messages": [{"content": "word " * 800, "url": "data:image/png;base64," + "A" * 90_000}]}
    assert 1000 <= asked(text)[0].input_tokens <= 1030
    assert 1000 <= asked(picture)[0].input_tokens <= 1040


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"plain"])
def test_a_body_that_is_none_says_nothing(body: bytes) -> None:
    found, tags = asked(body)
    assert (found.body, found.model, found.asked_for_usage, tags.values) == (body, None, False, {})


@pytest.mark.parametrize(
    "options",
    [..., None, {}, {"include_obfuscation": False}, {"include_usage": False}, {"include_usage": None, "x": [1]}],
)
def test_a_stream_is_made_to_tell_its_usage_by_a_splice(options: Any) -> None:
    body = {
        "model": "m",
        "stream": True,
        "messages": [{"content": 'a "quoted" {text}'}],
        "temperature": 0.30000000000000004,
    }
    if options is not ...:
        body["stream_options"] = options
    raw = json.dumps(body, indent=1).encode()
    found, _ = asked(raw)
    assert found.asked_for_usage
    again = json.loads(found.body)
    assert again.pop("stream_options") == {**(options if isinstance(options, dict) else {}), "include_usage": True}
    body.pop("stream_options", None)
    assert again == body
    assert b"0.30000000000000004" in found.body
    assert asked(raw, ask_usage=False)[0].body == raw


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"stream": True, "stream_options": {"include_usage": True}}, "/v1/chat/completions"),
        ({"stream": False}, "/v1/chat/completions"),
        ({"stream": True}, "/v1/responses"),
        ({"stream": True}, "/v1/messages"),
        (
            {"stream": True, "stream_options": {}, "messages": [{"content": '"stream_options": {'}]},
            "/v1/chat/completions",
        ),
        ({"stream": True, "messages": ['{"stream_options":null}']}, "/v1/chat/completions"),
    ],
)
def test_a_body_that_need_not_or_cannot_be_changed_for_certain_is_not(body: Any, path: str) -> None:
    raw = json.dumps(body).encode()
    found, _ = asked(raw, path)
    if found.asked_for_usage:
        # A quoted look-alike is text and no key; the splice still means what it should.
        assert json.loads(found.body)["stream_options"]["include_usage"] is True
    else:
        assert found.body == raw


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
)


@given(
    st.dictionaries(
        st.sampled_from(["stream_options", "messages", "metadata", "model", "include_usage"]) | st.text(), _JSON
    ),
    st.integers(0, 3),
)
def test_no_body_is_changed_into_another(body: dict[str, Any], spaces: int) -> None:
    body["stream"] = True
    raw = json.dumps(body, indent=spaces or None, ensure_ascii=bool(spaces % 2)).encode("utf-8", "surrogatepass")
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return
    found, tags = asked(raw)
    again = json.loads(found.body)
    if found.asked_for_usage:
        assert again["stream_options"]["include_usage"] is True
        again.pop("stream_options")
        body.pop("stream_options", None)
    assert again == json.loads(json.dumps(body))
    assert len(tags.values) <= MOST_TAGS
