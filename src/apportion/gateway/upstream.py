"""Where calls go: a provider's address, how it is told who calls, and whose usage an answer is."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from apportion.addresses import PORTS, Address
from apportion.gateway.signing import Endpoint, endpoint

if TYPE_CHECKING:
    from apportion.gateway.trust import Trust

Receives = Literal["keys", "anyone", "nobody"]
Auth = Literal["bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4", "none"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider, or any server that speaks its dialect.

    Attributes:
        name: The first part of the paths that lead to it.
        provider: As OpenTelemetry names it.
        host: Its name or address.
        port: Of it.
        secure: Whether it is spoken to with TLS.
        prefix: Stands before every path; empty or begins with a slash.
        auth: How it is told who calls.
        secret: The gateway's own key for it; None where callers bring theirs.
        endpoint: What the gateway signs its requests for; None where it signs none, or its address names no region.
        inject: Tags that are written into the provider's own field for such things; `*` for all.
    """

    name: str
    provider: str
    host: str
    port: int
    secure: bool = True
    prefix: str = ""
    auth: Auth = "bearer"
    secret: str | None = None
    inject: tuple[str, ...] = ()
    endpoint: Endpoint | None = None

    @classmethod
    def of(
        cls,
        name: str,
        provider: str,
        url: str,
        auth: Auth = "bearer",
        secret: str | None = None,
        inject: tuple[str, ...] = (),
        region: str | None = None,
    ) -> Upstream:
        """An upstream at an address.

        Raises:
            ValueError: The address is no plain one, or one that no provider has.
        """
        found = Address.of(url)
        signed = endpoint(found.host, region) if auth == "sigv4" else None
        return cls(name, provider, found.host, found.port, found.secure, found.prefix, auth, secret, inject, signed)

    @property
    def host_header(self) -> bytes:
        """As the `host` header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = PORTS["https" if self.secure else "http"]
        return (host if self.port == usual else f"{host}:{self.port}").encode("latin-1")


@dataclass(frozen=True, slots=True)
class Terms:
    """How the gateway works; a change makes a new one.

    Attributes:
        upstreams: By the first part of the path.
        pass_through: Whether callers may bring the provider's own key.
        ask_usage: Whether streams of OpenAI's dialect are made to tell their usage.
        requires: Tags that every call must carry, beside those of its key.
        rejects: Whether a call without them is refused.
        refuse_when_full: Whether calls are refused while the usage log cannot be written.
        receives: Who may send usage that others measured: those with a key of the gateway, anyone or nobody.
        strict: Whether the last byte of an answer waits until its record is on the disk.
        connect_seconds: For a connection to an upstream.
        first_byte_seconds: For the first byte of an answer.
        idle_seconds: Between two bytes of an answer, or of a request.
        total_seconds: For a whole call.
        keep_seconds: For a connection that nobody uses.
        drain_seconds: How long an answer that its caller has left is read on.
        drain_bytes: How much of it.
        most_body_bytes: Of a request that is looked into; a larger one is passed on unseen.
        most_connections: To one upstream, of one worker.
        tls: For upstreams that are spoken to with it.
        trust: Who is trusted to say whom a call is for; None for nobody.
        access_log: Whether each call is told in the gateway's log.
    """

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    pass_through: bool = False
    ask_usage: bool = True
    requires: tuple[str, ...] = ()
    rejects: bool = False
    refuse_when_full: bool = False
    receives: Receives = "keys"
    strict: bool = False
    connect_seconds: float = 10.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 300.0
    total_seconds: float = 3600.0
    keep_seconds: float = 75.0
    drain_seconds: float = 30.0
    drain_bytes: int = 8 << 20
    most_body_bytes: int = 32 << 20
    most_connections: int = 1000
    tls: ssl.SSLContext | None = None
    trust: Trust | None = None
    access_log: bool = False
