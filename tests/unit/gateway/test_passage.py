"""What the head of a request tells is shared by the calls of a connection, and by nothing that it does not hold for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apportion.gateway.heads import Head, Header, read
from apportion.gateway.keys import Key, KeyTable, digest
from apportion.gateway.onward import signed
from apportion.gateway.passage import Passage
from apportion.gateway.trust import Given
from apportion.gateway.upstream import Terms, Upstream

SECRET = "apk-secret"  # noqa: S105 - of no gateway
UP = Upstream("up", "openai", "provider.example", 443, prefix="/base", secret="sk-own")  # noqa: S106 - of nobody
TERMS = Terms(upstreams={"up": UP})
KEY = Key("ak_1", "search", {"team": "search"}, expires_at=100.0)
KEYS = KeyTable({digest(SECRET): KEY})


def head(*headers: Header, target: bytes = b"/up/v1/chat/completions") -> Head:
    own = [(b"Host", b"gateway"), (b"Authorization", b"Bearer " + SECRET.encode()), *headers]
    found = read("POST", target, own, keep_alive=True, old=False)
    assert isinstance(found, Head)
    return found


def test_calls_by_one_passage_have_nothing_in_common_that_changes() -> None:
    asked = head((b"x-apportion-customer", b"acme"), (b"Content-Length", b"2"))
    passage = Passage(asked, TERMS, KEYS)
    first, second = passage.call(asked, 1.0, 1.0), passage.call(asked, 2.0, 2.0)
    first.tags.add("product", "assistant")
    first.tags.dropped += 1
    assert (second.tags.values, second.tags.dropped) == ({"team": "search", "customer": "acme"}, 0)
    assert second.who.key is KEY
    assert passage.call(asked, 3.0, 3.0).tags.values == second.tags.values


def test_each_call_is_sent_with_its_own_length() -> None:
    passage = Passage(head((b"Content-Length", b"2")), TERMS, KEYS)
    lengths = []
    for body in (b"{}", b'{"model":"m"}', b'{"model":"m","stream":true}'):
        call = passage.call(head((b"Content-Length", b"%d" % len(body))), 1.0, 1.0)
        call.look_into(body, ask_usage=True)
        lines = passage.onward(call).decode().split("\r\n")
        assert lines[0] == "POST /base/v1/chat/completions HTTP/1.1"
        assert "Authorization: Bearer sk-own" in lines
        # Only the stream that is made to tell its usage has to come unpacked.
        assert ("Accept-Encoding: identity" in lines) is call.asking.asked_for_usage
        lengths.append((lines[-3], len(call.asking.body)))
        assert lines[-2:] == ["", ""]
    assert [said for said, _ in lengths] == [f"Content-Length: {size}" for _, size in lengths]
    assert len({size for _, size in lengths}) == 3


def test_a_key_that_expires_is_of_no_use_to_the_next_call_by_the_same_passage() -> None:
    passage = Passage(head(), TERMS, KEYS)
    assert passage.refused(99.0) is None
    refused = passage.refused(100.0)
    assert refused is not None
    assert (refused.status, refused.code) == (401, "key-refused")


@pytest.mark.parametrize("upstreams", [frozenset({"other"}), frozenset[str]()])
def test_what_has_become_of_a_key_goes_before_what_it_may_be_used_for(upstreams: frozenset[str]) -> None:
    key = Key("ak_1", upstreams=upstreams, revoked=True)
    terms = Terms(upstreams={"up": replace(UP, secret=None)})
    refused = Passage(head(), terms, KeyTable({digest(SECRET): key})).refused(1.0)
    assert refused is not None
    assert (refused.status, refused.code) == (401, "key-refused")


def test_other_keys_or_terms_have_other_passages() -> None:
    passage = Passage(head(), TERMS, KEYS)
    assert passage.is_of(TERMS, KEYS)
    assert not passage.is_of(TERMS, KeyTable(dict(KEYS.keys)))
    assert not passage.is_of(Terms(upstreams={"up": UP}), KEYS)


@pytest.mark.parametrize(
    ("target", "keys", "code"), [(b"/nowhere/x", KEYS, "upstream-unknown"), (b"/up/x", KeyTable(), "key-unknown")]
)
def test_who_may_not_call_has_a_call_all_the_same_to_be_refused(target: bytes, keys: KeyTable, code: str) -> None:
    asked = head((b"x-apportion-team", b"mine"), target=target)
    passage = Passage(asked, TERMS, keys)
    refused = passage.refused(1.0)
    assert refused is not None
    assert refused.code == code
    assert passage.call(asked, 1.0, 1.0).tags.values == {}


def test_what_a_key_says_goes_before_a_proxy_and_that_before_the_caller() -> None:
    asked = head((b"x-apportion-team", b"mine"), (b"x-apportion-product", b"mine"), (b"x-apportion-stage", b"mine"))
    given = Given((("team", "theirs"), ("product", "theirs"), ("user", "ada")))
    call = Passage(asked, TERMS, KEYS, given).call(asked, 1.0, 1.0)
    assert call.tags.values == {"team": "search", "product": "theirs", "stage": "mine"}
    assert call.user == "ada"


def test_what_is_injected_into_a_head_is_of_one_call() -> None:
    terms = Terms(upstreams={"up": replace(UP, inject=("*",))})
    passage = Passage(head(), terms, KEYS)
    for tag in (b"one", b"two"):
        call = passage.call(head(), 1.0, 1.0)
        call.head = call.head._replace(headers=[*call.head.headers, (b"X-Amzn-Metadata", tag)])
        assert b"X-Amzn-Metadata: %b\r\n" % tag in passage.onward(call)


class _Signs:
    def sign(self, *_: object) -> list[Header]:
        return [(b"Authorization", b"signed")]


def test_a_signed_stream_that_is_made_to_tell_its_usage_comes_unpacked_too() -> None:
    call = Passage(head((b"Accept-Encoding", b"gzip")), TERMS, KEYS).call(head((b"Accept-Encoding", b"gzip")), 1.0, 1.0)
    for body, coding in ((b'{"model":"m"}', b"gzip"), (b'{"model":"m","stream":true}', b"identity")):
        call.look_into(body, ask_usage=True)
        lines = signed(call, _Signs()).split(b"\r\n")  # type: ignore[arg-type]
        assert b"Accept-Encoding: " + coding in lines
        assert b"Authorization: signed" in lines
