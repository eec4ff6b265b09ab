"""A request with usage in it, for the gateway itself: from its head to the answer that says it is on the disk.

A delivery takes the place of an exchange at its inbound connection. Its body is read whole, within bounds; a thread of
its own reads what it says, so that calls on their way do not wait for it; and its sender is answered when the records
are on the disk, because it forgets them then.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from apportion.gateway import keys
from apportion.gateway.admission import Refused
from apportion.gateway.caller import Caller
from apportion.gateway.heads import Head
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.receivers.table import receiver
from apportion.gateway.refusals import plain, problem
from apportion.gateway.usage_log import LogFullError

if TYPE_CHECKING:
    from apportion.gateway.worker import Worker

MOST_BYTES: Final = 16 << 20
# A body of zeros shrinks a thousandfold: what is unpacked is bounded, too.
MOST_UNPACKED_BYTES: Final = 64 << 20
_COME_AGAIN_SECONDS: Final = 5


class Delivery:
    """A request to one of the receivers.

    Args:
        worker: Whose it is.
        caller: The connection that it came by.
        head: Of it.
        received_at: In seconds of the epoch.
    """

    head_only = False

    def __init__(self, worker: Worker, caller: Caller, head: Head, received_at: float) -> None:
        self._worker = worker
        self._caller = caller
        self._head = head
        self._received_at = received_at
        self.moved = worker.time()
        self._pieces: list[bytes] = []
        self._size = 0
        self._key_id = "none"
        self._tags: dict[str, str] = {}
        self._whole = False
        self._gone = False
        self.ended = False

    # --- the request

    def begin(self) -> None:
        """Find out who sends, and ask for the body."""
        refused = self._refused()
        if refused is not None:
            self._refuse(refused)
            return
        self._caller.proceed()
        if not self._head.has_body:
            self.request_ends()

    def _refused(self) -> Refused | None:
        head = self._head
        if head.method != "POST":
            return Refused(405, "post-only", f"{head.path} takes POST and nothing else")
        if head.length is not None and head.length > MOST_BYTES:
            return _too_large()
        return self._unknown(head)

    def _unknown(self, head: Head) -> Refused | None:
        """Why the sender may not; else its key's tags are taken."""
        terms = self._worker.terms
        if terms.receives == "nobody":
            return Refused(404, "not-received", "this gateway takes no usage that others measured")
        brought = keys.secret_of(head.known, head.query)
        secret = brought[0] if brought else ""
        if secret.startswith(keys.PREFIX):
            key = self._worker.keys.find(secret)
            if key is None:
                return Refused(401, "key-unknown", "the key is not one of this gateway's")
            if why := key.refused(self._received_at):
                return Refused(401, "key-refused", why)
            self._key_id, self._tags = key.key_id, dict(key.tags)
            return None
        if terms.receives == "anyone":
            return None
        how = "`authorization: Bearer apk-…` or `x-apportion-key: apk-…`"
        return Refused(401, "key-needed", f"usage is taken from those who send a key of this gateway, as {how}")

    def request_goes_on(self, data: bytes) -> None:
        """More of the body is here."""
        self.moved = self._worker.time()
        if self.ended:
            return
        self._size += len(data)
        if self._size > MOST_BYTES:
            self._refuse(_too_large())
            return
        self._pieces.append(data)

    def request_ends(self) -> None:
        """The whole request is here."""
        if self.ended:
            return
        self._whole = True
        body, self._pieces = b"".join(self._pieces), []
        self._worker.in_background(self._read(body))

    # --- what it says

    async def _read(self, body: bytes) -> None:
        path = self._head.path
        try:
            answered = await asyncio.get_running_loop().run_in_executor(self._worker.reader, self._understood, body)
        except _UnreadableError as error:
            self._refuse(Refused(error.status, error.code, str(error)))
            return
        except Exception as error:  # noqa: BLE001 - a receiver's fault ends no worker; its sender keeps what it has
            self._worker.failed(f"what was sent to {path} could not be read", error)
            self._refuse(Refused(500, "not-read", "what was sent could not be read; the gateway's log says why"))
            return
        self._worker.count_received(path, answered.counts)
        records = [record for group in answered.groups for record in group]
        if not records:
            self._answer(answered)
            return
        try:
            self._worker.take_in(records, lambda: self._answer(answered))
        except LogFullError:
            why = "usage cannot be written down now; send it again"
            self._refuse(Refused(503, "log-full", why), retry_after=_COME_AGAIN_SECONDS)

    def _understood(self, body: bytes) -> Answered:
        head = self._head
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.known.items()}
        body = _unpacked(body, headers.get("content-encoding", "").strip().lower())
        made = receiver(head.path)
        return made(Received(head.path, headers, body, self._key_id, self._tags, self._received_at))

    # --- the end

    def _answer(self, answered: Answered) -> None:
        self._end(plain(answered.status, answered.kind, answered.body))

    def _refuse(self, why: Refused, *, retry_after: int | None = None) -> None:
        self._worker.refused(why.code)
        self._end(problem(why.status, why.code, why.message, retry_after=retry_after))

    def _end(self, answer: bytes) -> None:
        if self.ended:
            return
        self.ended = True
        if not self._gone:
            self._caller.send(answer)
            self._caller.finished(keep=self._head.keep_alive)
        self._worker.done(self)

    def caller_leaves(self) -> None:
        """The sender has closed its connection; what it has sent whole is still written down."""
        self._gone = True
        if not self._whole:
            self.ended = True
            self._worker.done(self)

    def caller_is_slow(self, *, slow: bool) -> None:
        """An answer is short: there is nothing to hold back."""

    def too_late(self, now: float) -> bool:
        """Whether the request has taken longer than it may; it is refused then."""
        if self.ended or self._whole or now - self.moved <= self._worker.terms.idle_seconds:
            return False
        self._refuse(Refused(408, "request-too-slow", "the request did not arrive in time"))
        return True

    def shut_down(self) -> None:
        """End at once; the sender is told to come again."""
        self._refuse(Refused(503, "gateway-closing", "the gateway closes"), retry_after=_COME_AGAIN_SECONDS)


class _UnreadableError(Exception):
    """The coding of a body cannot be undone."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _too_large() -> Refused:
    return Refused(413, "body-too-large", f"the body is larger than {MOST_BYTES >> 20} MiB; send less at a time")


def _unpacked(body: bytes, coding: str) -> bytes:
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise _UnreadableError(415, "coding-unknown", f"content-encoding `{coding}` is not read; send gzip or none")
    unpacker = zlib.decompressobj(wbits=47)
    try:
        found = unpacker.decompress(body, MOST_UNPACKED_BYTES)
    except zlib.error as error:
        raise _UnreadableError(400, "coding-broken", f"the body is no {coding}: {error}") from None
    if unpacker.unconsumed_tail:
        raise _UnreadableError(413, "body-too-large", f"the body unpacks to more than {MOST_UNPACKED_BYTES >> 20} MiB")
    if not unpacker.eof:
        raise _UnreadableError(400, "coding-broken", f"the body ends in the middle of its {coding}")
    if unpacker.unused_data:
        raise _UnreadableError(400, "coding-broken", f"more follows behind the end of the body's {coding}")
    return found
