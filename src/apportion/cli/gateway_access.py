"""Who may come in and is believed: TLS of the gateway's address, and what a proxy in front of it says."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from apportion.errors import ApportionError
from apportion.gateway.certificates import Files, context, ends_at
from apportion.gateway.telling import tell
from apportion.gateway.trust import Trust

if TYPE_CHECKING:
    from apportion.config.gateway import Gateway, GatewayTls

_SOON_SECONDS: Final = 14 * 86400.0


class Securing:
    """Keeps what TLS is done with: files that were tried before they are handed on.

    Args:
        folder: Of the project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = False
        self._files: Files | None = None
        self.ends_at: float | None = None

    def mark(self, written: GatewayTls | None) -> tuple[int, ...]:
        """What changes when one of the files does."""
        return () if written is None else self._meant(written).stamp

    def files(self, written: GatewayTls | None) -> Files | None:
        """The files, as they are now; those before where these are of no use and the gateway is at work.

        Args:
            written: In the settings.

        Raises:
            ApportionError: They are of no use, and there is nothing to go on with.
        """
        files = None if written is None else self._meant(written)
        if files != self._files or not self._started:
            self._take(files)
        self._started = True
        return self._files

    def _take(self, files: Files | None) -> None:
        try:
            if files is not None:
                context(files)
        except ApportionError as error:
            if not self._started:
                raise
            has = "with the certificate that it has" if self._files else "without TLS"
            tell("tls-refused", f"the gateway goes on {has}", level=logging.ERROR, block=error.text())
            return
        self._files = files
        self.ends_at = None
        if files is not None:
            self._tell(files)

    def _tell(self, files: Files) -> None:
        self.ends_at = ends_at(files)
        if self.ends_at is None:
            message = f"the certificate in {files.certificate} is not good today; callers will not trust it"
            tell("certificate", message, level=logging.ERROR)
            return
        day = time.strftime("%Y-%m-%d", time.gmtime(self.ends_at))
        soon = self.ends_at - time.time() < _SOON_SECONDS
        level = logging.WARNING if soon else logging.INFO
        tell("certificate", f"the certificate in {files.certificate} is good until {day}", level=level, until=day)

    def _meant(self, written: GatewayTls) -> Files:
        place = {name: str(self._folder / getattr(written, name)) for name in ("certificate", "key")}
        authorities = None if written.client_ca is None else str(self._folder / written.client_ca)
        return Files(place["certificate"], place["key"], authorities).stamped()


def trust_of(settings: Gateway) -> Trust | None:
    """Who is believed to say whom a call is for; None for nobody."""
    subject = settings.tls.subject if settings.tls is not None and settings.tls.client_ca is not None else ""
    if settings.trust is None:
        return Trust(subject=subject) if subject else None
    return Trust(settings.trust.peers, dict(settings.trust.headers), subject)
