"""Budgets at the gateway: a call reserves what it may use, settles what it used, and gives back what it did not.

Money here is a metered estimate at list prices. What has been allocated, where a run has told it, takes the place of
what was metered until then.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from apportion.gateway.admission import Refused
from apportion.gateway.call import Call
from apportion.gateway.counter_file import Total
from apportion.gateway.counters import Counters
from apportion.gateway.limits import Budget, Calendar, Counter, Held, Hold, Limit
from apportion.gateway.meters.format import CHARACTERS_PER_TOKEN
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.tariff import Priced
from apportion.gateway.telling import tell

# How the files end in which workers ask for prices.
WANTED: Final = ".wanted"
# Of a request that does not say how long its answer may be.
OUTPUT_TOKENS: Final = 1024
_MOST_PENDING: Final = 10_000
# Whatever a request says that it may use: thousands of them at once fit into a counter.
_MOST_RESERVED: Final = 10**15
_HUNDRED: Final = 100
_ERROR: Final = 400
_ASKS_ONLY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class Asks(NamedTuple):
    """What a call may use, as far as its request tells.

    Attributes:
        facts: What limits look at: its tags, and `key`, `provider`, `model` and `user`.
        priced: What its price will be decided by.
        input_tokens: Counted from its size.
        most_output: That it allows; None where it does not say.
    """

    facts: Mapping[str, str]
    priced: Priced
    input_tokens: int
    most_output: int | None


class Beyond(NamedTuple):
    """A call that a limit does not let through.

    Attributes:
        refused: The answer.
        retry_after: In seconds.
    """

    refused: Refused
    retry_after: int


class Budgets:
    """The limits of a worker.

    Args:
        folder: Of the counters that all workers share.
        budget: What the control plane says.
        now: In seconds of the epoch.

    Raises:
        OSError: The counters cannot be kept.
    """

    def __init__(self, folder: Path, budget: Budget, now: float) -> None:
        self._counters = Counters(folder, now)
        self._wanted = folder / f"{os.getpid()}{WANTED}"
        self._asked: set[Priced] = set()
        self._pending: list[tuple[Sequence[Held], Priced, Sequence[Part]]] = []
        self._told: set[tuple[bytes, int]] = set()
        self.unpriced = 0
        self.take(budget)

    def take(self, budget: Budget) -> None:
        """Take up changed limits and prices; counters go on."""
        self._budget = budget
        self._calendar = Calendar(ZoneInfo(budget.zone))
        self._offsets = {bytes.fromhex(key): number for key, number in budget.offsets.items()}
        pending, self._pending = self._pending, []
        for held, priced, parts in pending:
            self._settle_money(held, priced, parts)

    def admit(self, call: Call) -> Beyond | None:
        """Reserve what a call may use; why it may not where a limit stands against it.

        Requests that cost nothing are neither counted nor held up; those of which that is not known count as calls.
        """
        operation, asking = call.route.operation, call.asking
        if not operation.bills and call.head.method in _ASKS_ONLY:
            return None
        known = operation.bills
        asks = Asks(
            _facts(call),
            _priced(call, None),
            (asking.input_tokens or -(-(call.head.length or 0) // CHARACTERS_PER_TOKEN)) if known else 0,
            asking.most_output if known else 0,
        )
        found = self.reserve(asks, call.called_at)
        if isinstance(found, Beyond):
            return found
        call.hold, call.over = found, found.over
        return None

    def end(self, call: Call, measure: Measure, outcome: str) -> None:
        """Count what an attempt used; one that is made again keeps what the call reserved."""
        if call.hold is None or outcome == "sent_again":
            return
        hold, call.hold = call.hold, None
        failed = outcome == "refused_by_network" or (call.status or 0) >= _ERROR
        self.settle(hold, _priced(call, measure), measure, failed=failed)

    def drop(self, call: Call) -> None:
        """Give back what a call holds that was never made."""
        if call.hold is not None:
            hold, call.hold = call.hold, None
            self.release(hold)

    def reserve(self, asks: Asks, now: float) -> Hold | Beyond:
        """Reserve what a call may use, or say why it may not.

        What is settled and reserved never passes a limit but by what calls turn out to use beyond what they reserved.
        """
        held: list[Held] = []
        over: list[str] = []
        for limit in self._budget.limits:
            values = limit.values(asks.facts)
            if values is None:
                continue
            counter = self._calendar.counter(limit, values, now)
            wanted = self._most(limit, asks)
            self._counters.add(counter.key, counter.ends, counter.label, reserved=wanted)
            held.append(Held(limit, counter, wanted))
            total = self._counters.total(counter.key)
            counted = self._counted(counter, total) + total.reserved
            if counted <= limit.most:
                continue
            if limit.at_limit == "warn" or (limit.at_limit == "throttle" and self._paced(limit, counter, total, now)):
                over.append(limit.name)
                continue
            self.release(Hold(held))
            return self._beyond(limit, counter, self._counted(counter, total), total, wanted, now)
        return Hold(held, tuple(over))

    def release(self, hold: Hold) -> None:
        """Give back what a call reserved and did not use."""
        for each in hold.held:
            counter = each.counter
            self._counters.add(counter.key, counter.ends, counter.label, reserved=-each.reserved)

    def settle(self, hold: Hold, priced: Priced, measure: Measure, *, failed: bool) -> None:
        """Count what a call used.

        Args:
            hold: What it reserved.
            priced: What decides its price, now that its answer is known.
            measure: What it used.
            failed: Whether the provider refused it, or was never reached: nothing is counted then.
        """
        if failed and not measure.parts:
            self.release(hold)
            return
        money: list[Held] = []
        for each in hold.held:
            unit = each.limit.unit
            if unit == "calls":
                self._settled(each, 1)
            elif not measure.parts:
                # Nobody knows what it used: what it might have used stands for it.
                self._settled(each, each.reserved)
            elif unit == "tokens":
                self._settled(each, sum(part.tokens for part in measure.parts))
            else:
                money.append(each)
        if money:
            self._settle_money(money, priced, measure.parts)

    def look(self, now: float) -> None:
        """See which other workers there are; to be called now and then."""
        self._counters.look(now)

    def close(self) -> None:
        """Leave; what was settled stays."""
        self._counters.close()
        self._wanted.unlink(missing_ok=True)

    # --- inside

    def _most(self, limit: Limit, asks: Asks) -> int:
        """What a call may use at most."""
        if limit.unit == "calls":
            return 1
        output = OUTPUT_TOKENS if asks.most_output is None else asks.most_output
        if limit.unit == "tokens":
            return min(asks.input_tokens + output, _MOST_RESERVED)
        part = Part(uncached_input=asks.input_tokens, output=output)
        found = self._budget.tariff.nano(asks.priced, (part,))
        if found is None:
            self._want(asks.priced)
        return min(found, _MOST_RESERVED) if isinstance(found, int) else 0

    def _counted(self, counter: Counter, total: Total) -> int:
        """What counts as used: what was metered, or what a run has allocated and what was metered since."""
        return total.settled + self._offsets.get(counter.key, 0)

    def _settle_money(self, held: Sequence[Held], priced: Priced, parts: Sequence[Part]) -> None:
        found = self._budget.tariff.nano(priced, parts)
        if isinstance(found, int):
            for each in held:
                self._settled(each, found)
            return
        # What it held is given back: until its price is here, limits of money do not see it.
        self.release(Hold(held))
        if found is None and len(self._pending) < _MOST_PENDING:
            # The price is on its way; the call is counted when it is here.
            self._want(priced)
            self._pending.append(([each._replace(reserved=0) for each in held], priced, parts))
            return
        if not self.unpriced:
            why = found or "its price has not been told"
            message = f"{priced.model} of {priced.provider}: {why}; limits of money do not see such calls"
            tell("unpriced", message, level=logging.WARNING)
        self.unpriced += 1

    def _settled(self, held: Held, number: int) -> None:
        """Count what was used, and give back what was held for it in the same step."""
        limit, counter, reserved = held
        self._counters.add(counter.key, counter.ends, counter.label, settled=number, reserved=-reserved)
        used = self._counted(counter, self._counters.total(counter.key))
        for percent in (limit.warn_percent, _HUNDRED):
            if used * _HUNDRED >= limit.most * percent and (counter.key, percent) not in self._told:
                self._told.add((counter.key, percent))
                tell("limit", f"limit {self._said(limit, counter, used)}", level=logging.WARNING, limit=limit.name)

    def _said(self, limit: Limit, counter: Counter, used: int) -> str:
        """A limit and what is used of it, for people."""
        whose = " of " + ", ".join(counter.label[3:]) if counter.label[3:] else ""
        estimate = ", a metered estimate" if limit.unit == "money" else ""
        at_most = limit.amount(limit.most, self._budget.currency)
        amount = limit.amount(used, self._budget.currency)
        return f"`{limit.name}`{whose}: {amount} of {at_most} in {counter.label[2]} are used{estimate}"

    def _paced(self, limit: Limit, counter: Counter, total: Total, now: float) -> bool:
        """Whether the next call beyond a limit may go on now."""
        if now - total.mark / 1000 < limit.pace_seconds:
            return False
        self._counters.mark(counter.key, counter.ends, counter.label, int(now * 1000))
        return True

    def _beyond(self, limit: Limit, counter: Counter, used: int, total: Total, wanted: int, now: float) -> Beyond:
        ends = counter.ends - now
        if limit.at_limit == "throttle":
            ends = min(ends, limit.pace_seconds - (now - total.mark / 1000))
        flying = total.reserved - wanted
        held = f"; calls on their way hold {limit.amount(flying, self._budget.currency)}" if flying > 0 else ""
        asked = f"; this call may use {limit.amount(wanted, self._budget.currency)}" if limit.unit != "calls" else ""
        message = f"the limit {self._said(limit, counter, used)}{held}{asked}"
        return Beyond(Refused(429, "limit-reached", message), max(1, math.ceil(ends)))

    def _want(self, priced: Priced) -> None:
        """Ask the control plane for a price; it reads what is asked for and hands it to all workers."""
        if priced in self._asked or len(self._asked) >= _MOST_PENDING:
            return
        self._asked.add(priced)
        with contextlib.suppress(OSError), self._wanted.open("a") as file:
            file.write(json.dumps(list(priced)) + "\n")


def _facts(call: Call) -> dict[str, str]:
    """What limits look at."""
    key = call.who.key
    return {
        "provider": call.upstream.provider if call.upstream else "",
        "model": call.asking.model or call.route.model or "",
        "user": call.user or "",
        **call.tags.values,
        "key": key.name if key is not None else call.who.key_id,
    }


def _priced(call: Call, measure: Measure | None) -> Priced:
    """What decides a call's price, as far as it is known."""
    asked = call.asking.model or call.route.model or ""
    provider = call.upstream.provider if call.upstream else ""
    batch = call.route.operation.batch
    if measure is None:
        return Priced(provider, asked, None, batch, call.route.region)
    part = measure.parts[0] if measure.parts else Part()
    model = part.model or measure.model or asked
    tier = part.service_tier or measure.service_tier
    return Priced(provider, model, tier, batch, measure.region or call.route.region, measure.speed)
