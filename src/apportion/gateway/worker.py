"""A worker: one process, one event loop, everything that its calls share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from apportion.gateway.budgets import Budgets
from apportion.gateway.call import Call
from apportion.gateway.delivery import Delivery
from apportion.gateway.exchange import Exchange
from apportion.gateway.heads import Head
from apportion.gateway.inbound import Inbound
from apportion.gateway.injection import inject
from apportion.gateway.keys import KeyTable
from apportion.gateway.metrics import Metrics
from apportion.gateway.outbound import Pool
from apportion.gateway.passage import Passage
from apportion.gateway.plan import Plan
from apportion.gateway.receivers import jobs
from apportion.gateway.receivers.table import PATHS
from apportion.gateway.signing import Endpoint, Signer
from apportion.gateway.telling import Seldom, fault, tell, tell_call
from apportion.gateway.upstream import Terms, Upstream
from apportion.gateway.usage_log import LogFullError, UsageLog

_SWEEP_SECONDS: Final = 1.0
# Records that could not be written wait in memory for the disk to have room again.
MOST_WAITING: Final = 10_000


class Worker:
    """What the connections of a process share.

    Args:
        terms: How it works.
        keys: Who may call.
        log: Where usage is written down.
        loop: Of the process.
        metrics: Where it counts; where nobody else looks if there are none.
    """

    def __init__(
        self,
        terms: Terms,
        keys: KeyTable,
        log: UsageLog,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics | None = None,
    ) -> None:
        self.terms = terms
        self.keys = keys
        self.loop = loop
        self.time = loop.time
        self.exchanges: set[Exchange | Delivery] = set()
        self.inbounds: set[Inbound] = set()
        self.draining = False
        self.settled = asyncio.Event()
        self.full = False
        self.metrics = metrics or Metrics()
        self.seldom = Seldom()
        # One thread: what is sent is read one after the other, beside the calls.
        self.reader = ThreadPoolExecutor(1, "reader")
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = log
        self._pools: dict[Upstream, Pool] = {}
        self._signers: dict[Endpoint, Signer] = {}
        # None where there are no limits, so that a call without them costs nothing.
        self.budgets: Budgets | None = None
        self._waiting: list[Sequence[Mapping[str, Any]]] = []
        self._seen_bytes = self._seen_segments = 0
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)

    def take_up(self, plan: Plan) -> None:
        """Work as a plan says from now on; calls at work go on as they began.

        Raises:
            ValueError: An address in it is none.
            OSError: The counters of its limits cannot be kept.
        """
        self.terms, self.keys = plan.terms(), plan.keys
        jobs.keep_in(plan.jobs)
        if self.budgets is not None:
            self.budgets.take(plan.budget)
        elif plan.budget.limits:
            self.budgets = Budgets(plan.counters, plan.budget, time.time())

    def pool(self, upstream: Upstream) -> Pool:
        """The connections to an upstream."""
        found = self._pools.get(upstream)
        if found is None:
            found = self._pools[upstream] = Pool(upstream, self.terms, self.loop, self._unreachable)
        return found

    def _unreachable(self, upstream: Upstream, error: BaseException) -> None:
        self.metrics.add("upstream_failures", upstream.name)
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        message = f"{upstream.name} cannot be reached at {upstream.host}:{upstream.port}: {why}"
        self.seldom.tell("upstream-unreachable", upstream.name, message, upstream=upstream.name)

    def signer(self, upstream: Upstream) -> Signer | None:
        """Who signs the requests to an upstream; None where nobody does."""
        if upstream.endpoint is None:
            return None
        found = self._signers.get(upstream.endpoint)
        if found is None:
            found = self._signers[upstream.endpoint] = Signer(*upstream.endpoint, loop=self.loop)
        return found

    def inject(self, call: Call) -> None:
        """Write a call's tags into the provider's own field, where it has one."""
        result = inject(call)
        if result and call.upstream is not None:
            self.metrics.add("injections", call.upstream.name, result)

    def write_down(self, records: Sequence[Mapping[str, Any]], durable: Callable[[], None] | None = None) -> None:
        """Write the records of an attempt.

        Args:
            records: Of one attempt.
            durable: Called in this loop when they are on the disk.

        Raises:
            LogFullError: They cannot be written now; they are kept in memory while there is room.
        """
        self.metrics.ended(records)
        if self.terms.access_log:
            tell_call(records)
        call = None if durable is None else self._in_loop(durable)
        try:
            self._log.append(records, call)
        except LogFullError as error:
            self._log_failed(error)
            self.full = True
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(records)
            else:
                self.metrics.add("records_lost")
            raise

    def _log_failed(self, error: LogFullError, *, then: str = "records are kept in memory meanwhile") -> None:
        self.metrics.add("log_failures")
        message = f"the usage log cannot be written: {error.strerror}; {then}"
        self.seldom.tell("log-full", "", message, level=logging.ERROR)

    def _in_loop(self, durable: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            self.loop.call_soon_threadsafe(durable)

        return call

    def taken(self, caller: Inbound, head: Head) -> Exchange | Delivery:
        """What answers a request: a call on its way to a provider, or usage that others measured."""
        given, passage = None, caller.passage
        if self.terms.trust is not None:
            # What somebody else says of a call is said of that one.
            passage = None
            head, given = self.terms.trust.given(caller.peer, head)
            if given is not None and given.ignored:
                self.metrics.add("untrusted_headers", number=given.ignored)
        made: Exchange | Delivery
        if head.path in PATHS:
            made = Delivery(self, caller, head, time.time())
        else:
            if passage is None or not passage.is_of(self.terms, self.keys):
                caller.passage = passage = Passage(head, self.terms, self.keys, given)
            made = Exchange(self, caller, head, passage)
        self.exchanges.add(made)
        return made

    def take_in(self, records: Sequence[Mapping[str, Any]], durable: Callable[[], None]) -> None:
        """Write records that others measured; their sender keeps them until it is told that they are on the disk.

        Args:
            records: Any number; all of them or none are written.
            durable: Called in this loop when they are on the disk.

        Raises:
            LogFullError: They cannot be written now.
        """
        try:
            self._log.append(records, self._in_loop(durable))
        except LogFullError as error:
            self._log_failed(error, then="who sends usage is told to come again")
            raise

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in this loop, beside what is at work."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count_received(self, path: str, counts: Mapping[str, int]) -> None:
        """Count what was sent to a receiver."""
        for what, number in counts.items():
            self.metrics.add("received", path.rpartition("/")[2], what, number=number)

    def failed(self, what: str, error: BaseException) -> None:
        """Tell whoever runs the gateway of a fault in it."""
        self.metrics.add("faults")
        fault(what, error)

    def done(self, exchange: Exchange | Delivery) -> None:
        """Forget an exchange that has ended."""
        self.exchanges.discard(exchange)
        self._settle()

    def left(self, inbound: Inbound) -> None:
        """Forget a connection that is gone."""
        self.inbounds.discard(inbound)
        self._settle()

    def _settle(self) -> None:
        if self.draining and not self.exchanges and not self.inbounds:
            self.settled.set()

    def refused(self, code: str) -> None:
        """Count a request that was answered without a provider."""
        self.metrics.add("refused", code)
        self.seldom.tell("refused", code, f"a request was refused: {code}", code=code)

    def own_answer(self, head: Head) -> bytes | None:
        """The answer to a question about the gateway itself; None for everything else."""
        if head.path == "/healthz":
            return _text(200, "ok\n")
        if head.path == "/readyz":
            return _text(200, "ready\n") if self.ready else _text(503, "not ready\n")
        return None

    @property
    def ready(self) -> bool:
        """Whether it takes calls."""
        return not self.draining and not (self.full and self.terms.refuse_when_full)

    def drain(self) -> None:
        """Take no more; what is at work goes on, and `settled` is set when nothing is."""
        self.draining = True
        for inbound in list(self.inbounds):
            inbound.drain()
        self._settle()

    def close(self) -> None:
        """End what is still at work, each with a record, and seal the log."""
        self._sweeper.cancel()
        for exchange in list(self.exchanges):
            exchange.shut_down()
        for inbound in list(self.inbounds):
            inbound.broken()
        for pool in self._pools.values():
            pool.close()
        self._retry()
        if self._waiting:
            self.metrics.add("records_lost", number=len(self._waiting))
            message = f"{len(self._waiting)} records could not be written and are lost"
            tell("records-lost", message, level=logging.ERROR, records=len(self._waiting))
        if self.budgets is not None:
            self.budgets.close()
        self.reader.shutdown(cancel_futures=True)
        self._log.close()
        self._count()
        self.seldom.close()

    def _sweep(self) -> None:
        now = self.time()
        for exchange in list(self.exchanges):
            exchange.too_late(now)
        for inbound in list(self.inbounds):
            inbound.sweep(now)
        for pool in self._pools.values():
            pool.sweep(now)
        for signer in self._signers.values():
            signer.tick()
        if self.budgets is not None:
            self.budgets.look(time.time())
        self._retry()
        self._log.tick()
        self._count()
        self.seldom.look()
        self._sweeper = self.loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _count(self) -> None:
        """Count what is not counted where it happens."""
        metrics, log = self.metrics, self._log
        metrics.add("log", number=log.written_bytes - self._seen_bytes)
        metrics.add("segments_sealed", number=log.sealed_segments - self._seen_segments)
        self._seen_bytes, self._seen_segments = log.written_bytes, log.sealed_segments
        metrics.set("calls_in_flight", len(self.exchanges))
        metrics.set("connections", len(self.inbounds))
        metrics.set("records_waiting", len(self._waiting))
        metrics.set("log_full", int(self.full))
        metrics.beat(ready=self.ready)

    def _retry(self) -> None:
        """Write what had to wait for the disk."""
        if not self.full:
            return
        while self._waiting:
            try:
                self._log.append(self._waiting[0])
            except LogFullError:
                return
            self._waiting.pop(0)
        self.full = False
        message = "the usage log can be written again; nothing that waited is missing"
        tell("log-writable", message, level=logging.WARNING)


def _text(status: int, text: str) -> bytes:
    reason = "OK" if status == 200 else "Service Unavailable"  # noqa: PLR2004 - HTTP's
    head = (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n\r\n"
    )
    return (head + text).encode()
