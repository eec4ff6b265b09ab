"""Addresses of servers that calls may go to."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

# The addresses of the clouds' own metadata: whoever reads them has the machine's credentials.
_METADATA: Final = frozenset({"fd00:ec2::254", "metadata.google.internal", "100.100.100.200"})
_LINK_LOCAL: Final = "169.254."
PORTS: Final = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A server, and the path on it under which its API lies.

    Attributes:
        host: Its name or address.
        port: Of it.
        secure: Whether it is spoken to with TLS.
        prefix: Stands before every path; empty or begins with a slash.
    """

    host: str
    port: int
    secure: bool
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an address such as `https://api.openai.com`.

        Raises:
            ValueError: It is none, or one that no provider has.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(f"`{url}` is no address such as https://api.openai.com") from None
        host = (parts.hostname or "").strip("[]").lower()
        plain = not (parts.query or parts.fragment or parts.username) and url.isprintable() and " " not in url
        if parts.scheme not in PORTS or not host or not plain:
            raise ValueError(f"`{url}` is no address such as https://api.openai.com")
        if host in _METADATA or host.startswith(_LINK_LOCAL):
            raise ValueError(f"`{url}` is where a machine keeps its own credentials, and no provider")
        return cls(host, port or PORTS[parts.scheme], parts.scheme == "https", parts.path.rstrip("/"))
