"""What a receiver is: it reads one request and says what to write down and what to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Received(NamedTuple):
    """A request.

    Attributes:
        path: Of it, such as `/v1/traces`.
        headers: By names in lower case.
        body: The whole of it; its content-encoding is undone.
        key_id: Of the gateway's key that it was sent with; `none` where it came without.
        tags: Of that key; they go before whatever the body says.
        received_at: In seconds of the epoch.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    key_id: str
    tags: Mapping[str, str]
    received_at: float


class Answered(NamedTuple):
    """What comes of it.

    Attributes:
        status: Of HTTP.
        kind: The answer's content-type.
        body: Of the answer.
        groups: Records for the usage log; those of a group belong together. They are in the log before the answer
            is sent, and where they cannot be written the sender is told to come again.
        counts: For the metrics, by what was counted: `accepted`, `rejected`, `ignored`.
    """

    status: int
    kind: str
    body: bytes
    groups: Sequence[Sequence[Mapping[str, Any]]] = ()
    counts: Mapping[str, int] = {}


class Receiver(Protocol):
    """Reads requests of one kind."""

    def __call__(self, received: Received) -> Answered:
        """What comes of a request."""
