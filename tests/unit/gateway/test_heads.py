"""What could mean different things to different servers is refused; what is passed on is passed on as it was sent."""

from __future__ import annotations

import pytest

from apportion.gateway.heads import Head, Header, acceptable, compose, passed_on, read

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
