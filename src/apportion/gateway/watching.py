"""The address at which the gateway is watched: metrics, and whether it lives and is ready.

The supervisor answers it and not a worker, so that a scrape holds up no call and has its answer while workers are stuck
or gone. It is an address of its own, because at the address of the callers nobody could tell a scraper from a caller:
behind a proxy on the same machine everybody comes from there.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any, Final, NamedTuple

_SECONDS: Final = 5.0
_MOST_AT_ONCE: Final = 16


class Said(NamedTuple):
    """An answer.

    Attributes:
        status: Of HTTP.
        kind: Its content-type.
        body: The whole of it.
    """

    status: int
    kind: str
    body: bytes


# What answers a path, told what the asker accepts; None for a path that there is none of.
Says = Callable[[str, str], Said | None]


class Watching:
    """Answers, in threads of its own, until it is closed.

    Args:
        listening: Bound, and listening already.
        says: The answers.
    """

    def __init__(self, listening: socket.socket, says: Says) -> None:
        self._server = _Server(listening, says)
        self._thread = threading.Thread(target=self._server.serve_forever, name="watching", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, says: Says) -> None:
        super().__init__(listening.getsockname()[:2], _Answering, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.says = says
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; who comes while all of them are busy is turned away."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one asker."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An asker that left, or took too long, is nothing to tell of."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        said = self.server.says(path, self.headers.get("accept", ""))
        if said is None:
            said = Said(404, "text/plain; charset=utf-8", b"there are /metrics, /healthz and /readyz\n")
        self.send_response(said.status)
        self.send_header("Content-Type", said.kind)
        self.send_header("Content-Length", str(len(said.body)))
        # One answer a connection: what is here is asked for every few seconds, and holds no thread in between.
        self.send_header("Connection", "close")
        self.end_headers()
        if with_body:
            self.wfile.write(said.body)

    def version_string(self) -> str:
        """Tell nobody which software this is."""
        return "apportion"

    def log_message(self, *_: object) -> None:
        """Say nothing of those who watch."""
