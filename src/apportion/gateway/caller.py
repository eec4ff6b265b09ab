"""What an exchange asks of the connection that its call came by."""

from __future__ import annotations

from typing import Protocol


class Caller(Protocol):
    """What an exchange asks of the inbound connection."""

    def send(self, data: bytes) -> None:
        """Send more of the answer."""

    def proceed(self) -> None:
        """Ask for the body of a request that waits to be asked."""

    def finished(self, *, keep: bool) -> None:
        """The exchange has ended; the connection stays or goes."""

    def broken(self) -> None:
        """The answer cannot be completed: close, so that nobody takes it for whole."""

    def hold(self, *, held: bool) -> None:
        """Read no more of the request for now, or read again."""
