"""Whose word counts for whom a call is: addresses, headers and certificates, honest and forged."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway import heads
from apportion.gateway.certificates import subject
from apportion.gateway.heads import Head, Header
from apportion.gateway.tags import Tags
from apportion.gateway.trust import NOBODY, Peer, Trust

TRUST = Trust(("10.0.0.0/8", "fd00::/8"), {"x-forwarded-user": "user", "x-team": "team"}, "client")
PROXY = Peer("10.1.2.3")


def head(*headers: Header) -> Head:
    found = heads.read("POST", b"/up/v1/x", [(b"Host", b"g"), *headers], keep_alive=True, old=False)
    assert isinstance(found, Head)
    return found


def taken(peer: Peer, *headers: Header, trust: Trust = TRUST) -> tuple[str | None, dict[str, str]]:
    """The user and the tags that a call is given."""
    _, given_ = trust.given(peer, head(*headers))
    tags = Tags()
    user = None if given_ is None else given_.put_on(tags)
    return user, tags.values


def test_a_trusted_proxy_says_who_calls() -> None:
    assert taken(PROXY, (b"X-Forwarded-User", b"ada"), (b"X-Team", b"search")) == ("ada", {"team": "search"})


@pytest.mark.parametrize("host", ["11.0.0.1", "127.0.0.1", "::1", "fe80::1%eth0", "", "10.0.0.1.evil", "/run/socket"])
def test_nobody_else_does(host: str) -> None:
    sent = head((b"X-Forwarded-User", b"ada"), (b"x-TEAM", b"search"), (b"Accept", b"*/*"))
    onward, given_ = TRUST.given(Peer(host), sent)
    assert given_ is not None
    assert (given_.names, given_.ignored, given_.refused) == ((), 2, None)
    assert [name for name, _ in onward.headers] == [b"Host", b"Accept"]
    assert set(onward.known) == {b"host", b"accept"}


def test_what_a_header_says_of_the_address_is_nothing() -> None:
    forged = ((b"X-Forwarded-For", b"10.1.2.3"), (b"Forwarded", b"for=10.1.2.3"), (b"X-Real-IP", b"10.1.2.3"))
    assert taken(Peer("8.8.8.8"), (b"X-Team", b"search"), *forged) == (None, {})


@pytest.mark.parametrize("host", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "fd00::7%2"])
def test_an_address_counts_however_it_is_written(host: str) -> None:
    assert taken(Peer(host), (b"X-Team", b"search")) == (None, {"team": "search"})


def test_the_headers_do_not_go_on_from_the_proxy_either() -> None:
    onward, _ = TRUST.given(PROXY, head((b"X-Team", b"search"), (b"X-Other", b"1")))
    assert [name for name, _ in onward.headers] == [b"Host", b"X-Other"]
    assert b"x-team" not in onward.known


def test_a_header_that_came_twice_is_refused() -> None:
    _, given_ = TRUST.given(PROXY, head((b"X-Forwarded-User", b"admin"), (b"x-forwarded-user", b"ada")))
    assert given_ is not None
    assert given_.refused is not None
    assert (given_.refused.status, given_.refused.code, given_.names) == (400, "identity-unclear", ())
    assert "ada" not in given_.refused.message


def test_a_certificate_names_the_caller_and_behind_a_proxy_the_proxy() -> None:
    assert taken(Peer("8.8.8.8", "batch")) == (None, {"client": "batch"})
    both = Trust(("10.0.0.0/8",), {"x-forwarded-user": "user"}, "user")
    assert taken(Peer("10.0.0.1", "proxy"), (b"X-Forwarded-User", b"ada"), trust=both) == ("ada", {})
    assert taken(Peer("10.0.0.1", "proxy"), trust=both) == ("proxy", {})
    assert taken(Peer("8.8.8.8", "batch"), (b"X-Forwarded-User", b"ada"), trust=both) == ("batch", {})


def test_a_call_that_is_given_nothing_is_left_alone() -> None:
    sent = head((b"Accept", b"*/*"))
    assert TRUST.given(PROXY, sent) == (sent, None)
    assert TRUST.given(NOBODY, sent) == (sent, None)


@pytest.mark.parametrize("value", [b"", b"a\x1bb", b"x" * 300])
def test_a_user_that_is_none_is_not_taken(value: bytes) -> None:
    _, given_ = TRUST.given(PROXY, head((b"X-Forwarded-User", value)))
    assert given_ is not None
    tags = Tags()
    assert given_.put_on(tags) is None
    assert tags.dropped == (1 if value else 0)


def test_the_control_plane_hands_it_over_whole() -> None:
    assert Trust.of(TRUST.said()) == TRUST
    assert Trust.of(TRUST.said()).trusts("10.9.9.9")


@given(st.ip_addresses(), st.sampled_from(["10.0.0.0/8", "192.168.7.0/24", "fd00::/8", "203.0.113.9/32"]))
def test_an_address_is_trusted_where_its_network_is(address: Any, network: str) -> None:
    mapped = getattr(ip_address(address), "ipv4_mapped", None) or address
    assert Trust((network,)).trusts(str(address)) is (mapped in ip_network(network))


@pytest.mark.parametrize(
    ("certificate", "named"),
    [
        (None, ""),
        ({}, ""),
        ({"subject": ((("organizationName", "L"),), (("commonName", "batch"),))}, "batch"),
        ({"subject": (), "subjectAltName": (("DNS", "b.example"), ("URI", "spiffe://l/batch"))}, "spiffe://l/batch"),
        ({"subject": (), "subjectAltName": (("IP Address", "1.1.1.1"), ("DNS", "b.example"))}, "b.example"),
        ({"subject": ((("commonName", "a"),), (("commonName", "b"),)), "subjectAltName": ()}, ""),
    ],
)
def test_whom_a_certificate_names(certificate: dict[str, Any] | None, named: str) -> None:
    assert subject(certificate) == named
