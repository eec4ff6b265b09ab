"""Where payloads go: to a gateway, or into a folder of usage."""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

_LOG = logging.getLogger("apportion.litellm")
_TIMEOUT_SECONDS: Final = 10.0


class Way(Protocol):
    """Where payloads go."""

    def take(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Take payloads for good.

        Raises:
            ComeAgainError: They cannot be taken now.
            OSError: The same.
        """

    def idle(self) -> None:
        """Do what is due while nothing comes."""

    def close(self) -> None:
        """End."""


class ComeAgainError(Exception):
    """Payloads cannot be taken now, and may be later."""


class GatewayWay:
    """A gateway, over a connection that is kept.

    Args:
        url: Its address, such as `http://127.0.0.1:4141`.
        key: One of its keys; empty where it takes usage from anyone.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"APPORTION_URL is no address of a gateway: {url!r}; write it as http://127.0.0.1:4141"
            raise ValueError(message)
        self._path = parts.path.rstrip("/") + "/v1/litellm"
        self._headers = {"content-type": "application/x-ndjson"} | ({"x-apportion-key": key} if key else {})
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)

    def take(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Send payloads; those that the gateway will never take are told and let go."""
        body = b"\n".join(json.dumps(payload, allow_nan=False).encode() for payload in payloads)
        status, said = self._post(body)
        if status == 413 and len(payloads) > 1:  # noqa: PLR2004 - HTTP's
            half = len(payloads) // 2
            self.take(payloads[:half])
            self.take(payloads[half:])
        elif status in {200, 422}:
            if rejected := said.get("rejected"):
                _LOG.error("the gateway cannot read %s of %s calls: %s", rejected, len(payloads), said.get("errors"))
        elif status in {400, 413, 415}:
            _LOG.error("the gateway does not take %s calls: %s %s", len(payloads), status, said.get("detail"))
        else:
            raise ComeAgainError(f"the gateway answered {status}: {said.get('detail', '')}")

    def _post(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Send a body; over a new connection where the one that was kept is gone."""
        for last in (False, True):
            fresh = self._connection.sock is None
            try:
                self._connection.request("POST", self._path, body, self._headers)
                answer = self._connection.getresponse()
                content = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if last or fresh:
                    raise ComeAgainError(f"the gateway cannot be reached: {error}") from error
        try:
            said = json.loads(content)
        except ValueError:
            said = {}
        return answer.status, said if isinstance(said, dict) else {}

    def idle(self) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class FolderWay:
    """A folder of usage, in the segments of a gateway's log; apportion is loaded to write them.

    Args:
        folder: Of them.
    """

    def __init__(self, folder: Path) -> None:
        receivers = "apportion.gateway.receivers"
        self._receive = importlib.import_module(f"{receivers}.litellm").receive
        self._received = importlib.import_module(f"{receivers}.receiver").Received
        log = importlib.import_module("apportion.gateway.usage_log")
        log.recover(folder)
        self._log = log.UsageLog(folder, f"litellm-{socket.gethostname()}-{os.getpid()}")

    def take(self, payloads: Sequence[Mapping[str, Any]]) -> None:
        """Write payloads down."""
        body = b"\n".join(json.dumps(payload, allow_nan=False).encode() for payload in payloads)
        kinds = {"content-type": "application/x-ndjson"}
        found = self._receive(self._received("/v1/litellm", kinds, body, "none", {}, time.time()))
        if found.counts.get("rejected") or not found.counts.get("accepted"):
            _LOG.error("calls could not be read: %s", found.body.decode())
        for group in found.groups:
            self._log.append(group)
        self._log.tick()

    def idle(self) -> None:
        """Seal a segment that is due."""
        self._log.tick()

    def close(self) -> None:
        """Seal the segment."""
        self._log.close()
