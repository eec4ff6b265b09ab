"""Whom a connection speaks for: what a proxy in front says in its headers, and what a caller's certificate says.

A header is worth what its sender is worth. It is taken from the addresses that the settings name and from no other,
by the address at the other end of the connection and never by what a header says of it; wherever it comes from, it
does not reach the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, NamedTuple

from apportion.gateway.admission import Refused
from apportion.gateway.heads import Head
from apportion.gateway.tags import LONGEST_VALUE, Tags, header_text

# What the user is called among the names that a header may stand for; every other name is a tag's.
USER: Final = "user"
_MOST_KNOWN: Final = 4096


class Peer(NamedTuple):
    """Who is at the other end of a connection.

    Attributes:
        host: Its address; empty where it has none.
        subject: Whom its certificate names; empty where it has shown none.
    """

    host: str = ""
    subject: str = ""


NOBODY: Final = Peer()


class Given(NamedTuple):
    """What is known of a call before it says anything itself.

    Attributes:
        names: Values by the names that they stand for, those that go before others first.
        ignored: Headers that were taken from nobody, because their sender is not trusted.
        refused: Why the call does not go on.
    """

    names: tuple[tuple[str, str], ...] = ()
    ignored: int = 0
    refused: Refused | None = None

    def put_on(self, tags: Tags) -> str | None:
        """Add the tags to those that are there and stay; the user is handed back.

        Args:
            tags: Of the call: those of its key.
        """
        user = None
        for name, value in self.names:
            if name != USER:
                tags.add(name, value)
            elif user is None and value:
                if len(value) <= LONGEST_VALUE and value.isprintable():
                    user = value
                else:
                    tags.dropped += 1
        return user


@dataclass(frozen=True)
class Trust:
    """Who is trusted with what.

    Attributes:
        networks: From which headers are taken, such as `10.0.0.0/8`.
        headers: What each stands for, by its name in lower case: a tag, or `user`.
        subject: The same for the subject of a caller's certificate; empty where it stands for nothing.
    """

    networks: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    _nets: list[IPv4Network | IPv6Network] = field(default_factory=list, compare=False, repr=False)
    _names: dict[bytes, str] = field(default_factory=dict, compare=False, repr=False)
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._nets.extend(ip_network(each) for each in self.networks)
        self._names.update((name.encode("latin-1"), stands_for) for name, stands_for in self.headers.items())

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Trust:
        """One from what `said` made."""
        return cls(tuple(said["networks"]), dict(said["headers"]), said["subject"])

    def said(self) -> dict[str, Any]:
        """As the control plane hands it over."""
        return {"networks": list(self.networks), "headers": dict(self.headers), "subject": self.subject}

    def given(self, peer: Peer, head: Head) -> tuple[Head, Given | None]:
        """What a call is given, and its head without the headers that say so.

        Args:
            peer: Who sends it.
            head: Of the request.
        """
        mine = ((self.subject, peer.subject),) if self.subject and peer.subject else ()
        names = self._names
        if not names or names.keys().isdisjoint(head.known):
            return head, Given(mine) if mine else None
        found: dict[bytes, str] = {}
        twice: bytes | None = None
        kept = []
        for name, value in head.headers:
            key = name.lower()
            if key not in names:
                kept.append((name, value))
                continue
            twice = key if key in found else twice
            found[key] = header_text(value).strip()
        known = {key: value for key, value in head.known.items() if key not in names}
        head = head._replace(headers=kept, known=known)
        if not self.trusts(peer.host):
            return head, Given(mine, ignored=len(found))
        if twice is not None:
            # A proxy that adds its header behind the caller's own lets the caller choose who it is.
            shown = twice.decode("latin-1")
            message = f"the header {shown} came twice; the proxy has to replace what callers send, not to add to it"
            return head, Given(refused=Refused(400, "identity-unclear", message))
        theirs = tuple((stands_for, found[key]) for key, stands_for in names.items() if key in found)
        # The certificate is that of the proxy, who speaks for somebody else.
        return head, Given((*theirs, *mine))

    def trusts(self, host: str) -> bool:
        """Whether headers are taken from an address."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[host] = _within(host, self._nets)
        return known


def _within(host: str, networks: list[IPv4Network | IPv6Network]) -> bool:
    address = _address(host)
    return address is not None and any(address in network for network in networks)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """An address as networks are written: an IPv4 address that came over IPv6 is one of IPv4."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
