"""Who takes the records of a call that begins now: the captures that are on, the one that began last in front."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from apportion.addresses import PORTS, Address
from apportion.capturing.log_writer import LogWriter
from apportion.known_providers import Found, provider_at


class Taking(NamedTuple):
    """A capture that is on.

    Attributes:
        writer: Of its usage log.
        tags: Of every call of the process while it is on.
        servers: Further ones that speak a provider's dialect: host and port, and whose it is.
    """

    writer: LogWriter
    tags: Mapping[str, Any]
    servers: Mapping[tuple[str, int], Found]


# The one that began last is the last. It is replaced and never changed, so that a thread that reads it needs no lock.
_ON: list[tuple[Taking, ...]] = [()]


def on() -> tuple[Taking, ...]:
    """Every capture that is on, in the order in which they began."""
    return _ON[0]


def begin(taking: Taking) -> None:
    """Let a capture have the records from now on."""
    _ON[0] = (*_ON[0], taking)


def end(taking: Taking) -> None:
    """Let it have none any more; the one that began before it has them again."""
    _ON[0] = tuple(each for each in _ON[0] if each is not taking)


def whose(host: str, port: int) -> Found | None:
    """Whose usage a call to a server is; None where it is nobody's, or nobody captures.

    Args:
        host: As it was written.
        port: Of it.
    """
    named = host.strip("[]").lower().rstrip(".")
    for each in _ON[0][::-1]:
        if found := each.servers.get((named, port)):
            return found
    return _known(named, port) if _ON[0] else None


@lru_cache(maxsize=1024)
def _known(host: str, port: int) -> Found | None:
    return provider_at(host) if port in PORTS.values() else None


_NAMES: Final = {"azure.ai.openai": "azure", "azure.ai.inference": "azure", "gcp.vertex_ai": "vertex"}


def server(url: str, provider: str) -> tuple[tuple[str, int], Found]:
    """A further server.

    Args:
        url: Its base address.
        provider: Whose dialect it speaks, as OpenTelemetry names it.

    Raises:
        ValueError: The address is none, or one that no provider has.
    """
    address = Address.of(url)
    return (address.host, address.port), Found(_NAMES.get(provider, address.host), provider)
