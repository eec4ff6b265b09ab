"""Payloads on their way: a bounded queue, and a thread that sends what is in it until it is taken."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from apportion.litellm_callback.ways import ComeAgainError, Way

_LOG = logging.getLogger("apportion.litellm")
# Payloads that wait for the gateway, each of about a kilobyte; more are lost, and that is told.
MOST_WAITING: Final = 20_000
MOST_AT_ONCE: Final = 500
_GROUP_SECONDS: Final = 0.2
_IDLE_SECONDS: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_LEAVING_SECONDS: Final = 10.0
_LAST_TRIES: Final = 3


class Outbox:
    """What waits to be told.

    Args:
        way: Where it goes.
        pause: In seconds, before what was not taken is tried again; it doubles with each try.

    Attributes:
        sent: How many payloads were taken.
        lost: How many there was no room for, or could not be told at all.
    """

    def __init__(self, way: Way, *, pause: float = 0.5) -> None:
        self.sent = 0
        self.lost = 0
        self._way = way
        self._first_pause = self._pause = pause
        self._failed = 0
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="apportion-litellm", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many are not told yet."""
        return len(self._waiting)

    def put(self, payload: Mapping[str, Any]) -> None:
        """Tell a payload as soon as it can be; never waits."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(payload)
                self._wake.set()
                return
            self.lost += 1
            if self.lost % 1000 == 1:
                _LOG.error("%s calls are lost: %s wait already", self.lost, MOST_WAITING)

    def close(self, seconds: float = _LEAVING_SECONDS) -> None:
        """Tell what waits, for so long, and end."""
        self._leaving.set()
        self._wake.set()
        self._thread.join(seconds)
        if self._waiting:
            self.lost += len(self._waiting)
            _LOG.error("%s calls could not be told before the process ended, and are lost", len(self._waiting))

    def _run(self) -> None:
        while not self._leaving.is_set():
            self._wake.wait(_IDLE_SECONDS)
            self._wake.clear()
            # What comes together goes together.
            self._leaving.wait(_GROUP_SECONDS)
            self._send()
            self._way.idle()
        for _ in range(_LAST_TRIES):
            self._send()
        self._way.close()

    def _send(self) -> None:
        """Send all that waits, as far as it is taken."""
        while self._waiting:
            with self._lock:
                payloads = [self._waiting[place] for place in range(min(len(self._waiting), MOST_AT_ONCE))]
            try:
                self._way.take(payloads)
            except (ComeAgainError, OSError) as error:
                self._later(error)
                return
            except Exception:  # noqa: BLE001 - whatever it is, the next ones may be told
                _LOG.exception("%s calls could not be told, and are lost", len(payloads))
                self.lost += len(payloads)
            else:
                self.sent += len(payloads)
            with self._lock:
                for _ in payloads:
                    self._waiting.popleft()
            if self._failed:
                _LOG.warning("usage is told again; what waited is not lost")
            self._failed, self._pause = 0, self._first_pause

    def _later(self, error: Exception) -> None:
        if not self._failed:
            _LOG.error("usage cannot be told now, and waits: %s", error)
        self._failed += 1
        self._leaving.wait(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._wake.set()
