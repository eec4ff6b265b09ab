"""What could mean different things to different servers is refused; what is passed on is passed on as it was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.heads import AnswerHead, Head, Header, acceptable, again, compose, passed_on, read, texts

HOST: Header = (b"Host", b"gateway")


def head(target: bytes = b"/openai/v1/chat/completions", *headers: Header, old: bool = False) -> Head | str:
    return read("POST", target, [HOST, *headers], keep_alive=True, old=old)


def test_a_plain_head() -> None:
    found = head(b"/openai/v1/models?limit=2&x=%20", (b"X-One", b"1"), (b"x-one", b"2"))
    assert isinstance(found, Head)
    assert (found.path, found.query, found.get(b"x-one")) == ("/openai/v1/models", b"?limit=2&x=%20", "2")
    assert (found.has_body, found.length) == (False, None)


@pytest.mark.parametrize(
    "target",
    [
        b"/openai/../anthropic",
        b"/openai/%2e%2e/x",
        b"/openai/.%2E/x",
        b"/openai/v1/..",
        b"/openai/x%2f..%2fy",
        b"/openai/./x",
        b"//evil.example/x",
        b"/openai//x",
        b"/openai/\\..\\x",
        b"/openai/x y",
        b"/openai/\x00",
        b"/openai/\xff",
        b"http://evil.example/openai/v1",
        b"*",
        b"",
        b"/openai/<x>",
        b"/x?a\tb",
        b"/x?a b",
    ],
)
def test_tricks_with_the_path_are_refused(target: bytes) -> None:
    assert isinstance(head(target), str)


@pytest.mark.parametrize(
    "target", [b"/bedrock/model/arn%3Aaws%2Fx/converse", b"/a/..b/c", b"/a/b..", b"/m:generate@1,2;x='y'"]
)
def test_odd_but_plain_paths_pass(target: bytes) -> None:
    assert isinstance(head(target), Head)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Content-Length", b"5"), (b"content-length", b"5")],
        [(b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")],
        [(b"Transfer-Encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"Transfer-Encoding", b"xchunked")],
        [(b"Content-Length", b"+5")],
        [(b"Content-Length", b"5, 5")],
        [(b"host", b"other")],
    ],
)
def test_a_length_that_is_not_certain_is_refused(headers: list[Header]) -> None:
    assert isinstance(head(b"/x", *headers), str)
    assert isinstance(head(b"/x", (b"Transfer-Encoding", b"chunked"), old=True), str)


NAMES = st.sampled_from([b"Host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"X-One", b"Accept"])
VALUES = st.sampled_from([b"0", b"5", b"17", b"+5", b"chunked", b"a", b""])
REQUESTS = st.tuples(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([b"/openai/v1/x", b"/openai/v1/x?a", b"/openai/../x"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)


@given(REQUESTS, REQUESTS, st.booleans(), st.integers(0, 4), VALUES)
def test_what_is_taken_for_the_same_head_again_is_what_reading_it_gives(
    first: tuple[str, bytes, list[Header]],
    other: tuple[str, bytes, list[Header]],
    alike: bool,
    at: int,
    value: bytes,
) -> None:
    last = read(*first, keep_alive=True, old=False)
    if not isinstance(last, Head):
        return
    if alike:
        # Most of what follows on a connection is the same but for one value.
        headers = [(name, value if number == at else was) for number, (name, was) in enumerate(first[2])]
        other = (*first[:2], headers)
    found = again(last, *other, keep_alive=True, old=False)
    assert found is None or found == read(*other, keep_alive=True, old=False)
    assert again(last, *first, keep_alive=True, old=False) is not None
    assert again(last, *first, keep_alive=False, old=False) is None
    assert again(last, *first, keep_alive=True, old=True) is None


def test_another_length_is_all_that_may_differ() -> None:
    def headers(length: bytes, team: bytes) -> list[Header]:
        return [HOST, (b"Content-Length", length), (b"x-apportion-team", team)]

    last = read("POST", b"/x", headers(b"5", b"a"), keep_alive=True, old=False)
    assert isinstance(last, Head)
    found = again(last, "POST", b"/x", headers(b"70", b"a"), keep_alive=True, old=False)
    assert found is not None
    assert (found.length, found.known[b"content-length"], found.has_body) == (70, b"70", True)
    assert again(last, "POST", b"/x", headers(b"5", b"b"), keep_alive=True, old=False) is None
    assert again(last, "POST", b"/x", headers(b"five", b"a"), keep_alive=True, old=False) is None
    # Not where the length takes the place of another header, and stands there twice then.
    first = read("POST", b"/x", [(b"X-One", b"5"), (b"Content-Length", b"5")], keep_alive=True, old=False)
    assert isinstance(first, Head)
    twice = [(b"Content-Length", b"7"), (b"Content-Length", b"5")]
    assert again(first, "POST", b"/x", twice, keep_alive=True, old=False) is None


@pytest.mark.parametrize(
    ("start", "header", "chunked", "passes"),
    [
        (b"HTTP/1.1 200 OK", (b"X-Request-Id", b"1"), False, True),
        (b"HTTP/1.1 200 OK", (b"Transfer-Encoding", b"chunked"), True, True),
        (b"HTTP/1.1 200 OK", (b"Transfer-Encoding", b"gzip"), False, False),
        (b"HTTP/1.1 200 OK", (b"Connection", b"keep-alive"), False, False),
        (b"HTTP/1.1 200 OK", (b"X-Apportion-Refused", b"limit-reached"), False, False),
        (b"HTTP/1.0 200 OK", (b"X-Request-Id", b"1"), False, False),
    ],
)
def test_the_head_of_an_answer_passes_as_it_is_where_nothing_in_it_is_for_one_connection(
    start: bytes,
    header: Header,
    chunked: bool,
    passes: bool,
) -> None:
    headers = [(b"Date", b"today"), header]
    raw = compose(start, headers)
    assert AnswerHead(200, b"OK", headers, texts(headers), chunked, raw).passes is passes


def test_what_is_for_one_connection_or_for_the_gateway_stays() -> None:
    given = [
        (b"Accept", b"*/*"),
        (b"Connection", b"keep-alive, X-Mine"),
        (b"x-mine", b"1"),
        (b"TE", b"trailers"),
        (b"X-Apportion-Team", b"search"),
        (b"Authorization", b"Bearer x"),
        (b"X-Custom", b"  spaced  "),
    ]
    kept = passed_on(given, drop=frozenset({b"authorization"}))
    assert kept == [(b"Accept", b"*/*"), (b"X-Custom", b"  spaced  ")]
    assert compose(b"GET /x HTTP/1.1", kept) == b"GET /x HTTP/1.1\r\nAccept: */*\r\nX-Custom:   spaced  \r\n\r\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"gzip, deflate, br, zstd", b"gzip, deflate"),
        (b"br", b"identity"),
        (b"GZIP;q=0.5, *;q=0", b"GZIP;q=0.5"),
        (b"", b"identity"),
    ],
)
def test_only_what_can_be_unpacked_is_asked_for(given: bytes, kept: bytes) -> None:
    assert acceptable(given) == kept
