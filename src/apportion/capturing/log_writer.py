"""The usage log of a process that has other things to do: written from any thread, across forks, to its last moment.

A record is in the file when `write` returns. Three things are different from the gateway. A call may end while memory
is cleared away, in whatever thread that happens, perhaps in the middle of another `write`: such a record is put aside
and written next. A forked child writes a segment of its own, and lets go of its parent's. And while the disk is full
records wait in memory, because nobody is there to be told to come again.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import socket
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from apportion.gateway.usage_log import LogFullError, UsageLog, recover

_LOG = logging.getLogger("apportion.capture")
_TICK_SECONDS: Final = 1.0
# Records that could not be written wait in memory for the disk to have room again.
MOST_WAITING: Final = 10_000
# As the usage log names the thread that brings records to the disk, which must never wait for itself.
_SYNCER: Final = "usage-log"

Records = Sequence[Mapping[str, Any]]


class _Segments(UsageLog):
    """A usage log that a forked child can let go of."""

    def let_go(self) -> None:
        """Close what the parent writes, without a word to the file: the parent goes on with it."""
        if self._segment is not None:
            with contextlib.suppress(OSError):
                os.close(self._segment.descriptor)


class LogWriter:
    """The writer of a folder.

    Args:
        folder: Of the usage log.

    Raises:
        OSError: Nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for found in recover(folder):
            _LOG.info("%s: sealed with %d records, %d torn bytes cut off", found.path, found.records, found.torn_bytes)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13), str(folder))
        self._prepare()
        _WRITERS.add(self)

    def _prepare(self) -> None:
        self._log: _Segments | None = None
        self._lock = threading.RLock()
        self._busy = threading.local()
        self._aside: SimpleQueue[Records] = SimpleQueue()
        self._waiting: list[Records] = []
        self._full = False
        self._lost = 0
        self._stop = threading.Event()

    def write(self, records: Records) -> None:
        """Write the records of an attempt; never raises, and tells once what cannot be written.

        Args:
            records: At least one.
        """
        self._aside.put(records)
        if getattr(self._busy, "now", False) or threading.current_thread().name == _SYNCER:
            # This came out of the middle of a write or a sync: whoever is at it writes this too, or the next tick does.
            return
        self._busy.now = True
        try:
            with self._lock:
                self._catch_up()
        finally:
            self._busy.now = False

    def _catch_up(self) -> None:
        """Write what was put aside, behind what waits for the disk."""
        with contextlib.suppress(Empty):
            while True:
                records = self._aside.get_nowait()
                if len(self._waiting) < MOST_WAITING:
                    self._waiting.append(records)
                else:
                    self._lost += 1
        while self._waiting:
            try:
                self._open().append(self._waiting[0])
            except (OSError, RuntimeError) as error:
                if not self._full:
                    _LOG.error("the usage log cannot be written: %s; records are kept in memory meanwhile", error)
                self._full = True
                return
            self._waiting.pop(0)
        if self._full:
            _LOG.warning("the usage log can be written again; %d records were lost", self._lost)
            self._full, self._lost = False, 0

    def _open(self) -> _Segments:
        if self._log is None:
            # Two logs of one process may begin in the same second: each has a name that no other has.
            self._log = _Segments(self.folder, f"capture-{socket.gethostname()}-{secrets.token_hex(4)}")
            self._stop = threading.Event()
            threading.Thread(
                target=self._tick_forever, args=(self._stop,), name="apportion-capture", daemon=True
            ).start()
            util = sys.modules.get("multiprocessing.util")
            if util is not None:
                # A process of multiprocessing ends without `atexit`.
                util.Finalize(self, LogWriter.close, args=(self,), exitpriority=0)
        return self._log

    def _tick_forever(self, stop: threading.Event) -> None:
        self._busy.now = True
        while not stop.wait(_TICK_SECONDS):
            with self._lock, contextlib.suppress(LogFullError):
                self._catch_up()
                if self._log is not None:
                    self._log.tick()

    def close(self) -> None:
        """Write what is left and seal the segment; what comes later begins another."""
        busy, self._busy.now = getattr(self._busy, "now", False), True
        try:
            with self._lock:
                self._catch_up()
                log, self._log = self._log, None
                self._stop.set()
                if log is not None:
                    log.close()
        finally:
            self._busy.now = busy
        if self._waiting or self._lost:
            _LOG.error("%d records could not be written and are lost", len(self._waiting) + self._lost)

    def let_go(self) -> None:
        """Begin anew in a child: what the parent has open, and what it has yet to write, is the parent's."""
        log = self._log
        self._prepare()
        if log is not None:
            log.let_go()


_WRITERS: weakref.WeakSet[LogWriter] = weakref.WeakSet()


def close_all() -> None:
    """Seal what every writer of this process has open."""
    for writer in list(_WRITERS):
        writer.close()


def _forked() -> None:
    for writer in list(_WRITERS):
        writer.let_go()


atexit.register(close_all)
os.register_at_fork(after_in_child=_forked)
