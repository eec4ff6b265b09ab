"""The limits of a gateway as its workers are told them, with the prices that they asked for and what runs allocated."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import orjson

from apportion.gateway.budgets import WANTED
from apportion.gateway.counters import totals
from apportion.gateway.limits import NOBODY, Budget, Calendar, Limit
from apportion.gateway.tariff import Priced, Rate, Tariff, from_rows, to_rows
from apportion.gateway.usage_log import SEAL_SECONDS
from apportion.gateway.windows import window
from apportion.money import from_minor
from apportion.period import Period

if TYPE_CHECKING:
    from apportion.books.view import BooksView
    from apportion.config.settings import Settings
    from apportion.price.book import PriceBook

_NANO: Final = 10**9
_SAMPLE_SECONDS: Final = 60.0
_KEPT_SAMPLES: Final = 2 * 24 * 60
# Whole periods of accounting: only of these do the books say what was allocated.
_MONTHS: Final = frozenset({"month", "quarter", "year"})

# A month that begins at midnight somewhere lies in that month by noon in UTC, or nearly.
_NOON: Final = 43_200.0
_RATES, _OFFSETS, _SAMPLES = "rates.json", "offsets.json", "samples.json"

Totals = dict[tuple[str, ...], int]


class Budgeting:
    """Makes the budget, and again when a price was asked for or a run has published.

    Args:
        folder: Of the project.
        state: Of the gateway.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        self._project = folder
        self.counters = state / "limits"
        self._book: PriceBook | None = None
        self._day = _today()
        self._rates: dict[Priced, Sequence[Rate]] = {}
        self._offsets: dict[str, int] = {}
        self._run = ""
        self._samples: deque[tuple[float, Totals]] = deque(maxlen=_KEPT_SAMPLES)
        self._take_kept()

    def budget(self, settings: Settings) -> Budget:
        """What the workers are told."""
        gateway = settings.gateway
        if gateway is None or not gateway.limits:
            return Budget()
        limits = tuple(
            Limit(
                one.name,
                one.unit,
                one.most,
                one.per,
                dict(one.only),
                one.each,
                one.at_limit,
                one.warn_at,
                float(one.pace),
            )
            for one in gateway.limits
        )
        rate = int((gateway.usd_rate or Decimal(1)) * _NANO)
        return Budget(
            limits, settings.time_zone, settings.currency, Tariff(dict(self._rates), rate), dict(self._offsets)
        )

    # --- prices

    def look(self, settings: Settings) -> bool:
        """Whether prices were asked for that the workers have not been told, or the day is another."""
        wanted = self._wanted()
        if _today() != self._day:
            self._day, self._book = _today(), None
            wanted |= set(self._rates)
            self._rates = {}
        new = wanted - set(self._rates)
        for priced in new:
            self._rates[priced] = self._looked_up(settings, priced)
        if new:
            self._keep(_RATES, {"day": self._day.isoformat(), "rates": to_rows(Tariff(self._rates))})
        return bool(new)

    def _wanted(self) -> set[Priced]:
        found: set[Priced] = set()
        for path in self.counters.glob(f"*{WANTED}"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found |= {Priced(*json.loads(line)) for line in path.read_text().splitlines()}
        return found

    def _looked_up(self, settings: Settings, priced: Priced) -> tuple[Rate, ...]:
        """The list prices of a kind of call today, one for each length of input that changes them."""
        from apportion.price.book import Context, PriceBook, Unpriced

        if self._book is None:
            overrides = settings.prices.overrides
            self._book, _ = PriceBook.load(self._project / overrides if overrides else None)
        book = self._book
        found = []
        for above in (0, *book.thresholds([(priced.provider, priced.model)])):
            context = Context(
                priced.provider,
                priced.model,
                priced.service_tier,
                "batch" if priced.batch else None,
                priced.region,
                priced.speed,
                above,
            )
            price = book.price(context, self._day)
            found.append(
                Rate(above, {}, 0, price.reason)
                if isinstance(price, Unpriced)
                else Rate(above, dict(price.picos), price.request_picos)
            )
        return tuple(found)

    # --- what was allocated

    def rebase(self, settings: Settings, view: BooksView, now: float) -> bool:
        """Whether a run has published since; what is counted of its months then begins at what it allocated.

        The run has seen what was metered until some minutes before it began; all that came later is counted on top.
        """
        limits = [limit for limit in self.budget(settings).limits if is_booked(limit, settings.owner)]
        if not limits:
            return False
        self._sample(now, {limit.name for limit in limits})
        run = view.current_run(str(Period.of(datetime.fromtimestamp(now, UTC).date())))
        if run is None or run.run_id == self._run:
            return False
        until = datetime.fromisoformat(run.started_at).timestamp() - SEAL_SECONDS
        # Where no look at the counters is as old as that, nothing ran that could have changed them.
        before = next((found for at, found in reversed(self._samples) if at <= until), self._samples[0][1])
        zone = ZoneInfo(settings.time_zone)
        calendar = Calendar(zone)
        for limit in limits:
            for values, nano in allocated(view, limit, settings, now).items():
                counter = calendar.counter(limit, values, now)
                self._offsets[counter.key.hex()] = nano - before.get(counter.label, 0)
        self._run = run.run_id
        self._keep(_OFFSETS, {"run": self._run, "offsets": self._offsets})
        return True

    def _sample(self, now: float, names: set[str]) -> None:
        """Note what the counters said, now and then."""
        if self._samples and now - self._samples[-1][0] < _SAMPLE_SECONDS:
            return
        found = {label: total.settled for label, total in totals(self.counters) if label[0] in names}
        if self._samples and found == self._samples[-1][1]:
            return
        self._samples.append((now, found))
        self._keep(_SAMPLES, [(at, list(each.items())) for at, each in self._samples])

    # --- what is kept for the next start

    def _keep(self, name: str, said: object) -> None:
        self.counters.mkdir(parents=True, exist_ok=True)
        beside = self.counters / f"{name}.new"
        with contextlib.suppress(OSError):
            beside.write_bytes(orjson.dumps(said))
            beside.replace(self.counters / name)

    def _take_kept(self) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            rates = orjson.loads((self.counters / _RATES).read_bytes())
            if rates["day"] == self._day.isoformat():
                self._rates = dict(from_rows(rates["rates"], _NANO).rates)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = orjson.loads((self.counters / _OFFSETS).read_bytes())
            self._run, self._offsets = kept["run"], kept["offsets"]
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            for at, each in orjson.loads((self.counters / _SAMPLES).read_bytes()):
                self._samples.append((at, {tuple(label): number for label, number in each}))


def is_booked(limit: Limit, owner: str) -> bool:
    """Whether the books say what was allocated to whom a limit is for: money of whole months, by who is charged."""
    of_owner = (set(limit.only) <= {owner} and not limit.each) or (not limit.only and limit.each == (owner,))
    return limit.unit == "money" and limit.per in _MONTHS and of_owner


def allocated(view: BooksView, limit: Limit, settings: Settings, now: float) -> dict[tuple[str, ...], int]:
    """What the books have of a limit's period up to now, by the values of its counters, in nano-units."""
    start = datetime.fromtimestamp(window(limit.per, now, ZoneInfo(settings.time_zone)).start + _NOON, UTC).date()
    found: dict[tuple[str, ...], int] = {}
    period, last = Period.of(start), Period.of(datetime.fromtimestamp(now, UTC).date())
    wanted = limit.only.get(settings.owner)
    while period <= last:
        for account, minor in view.balances(str(period), "owner:%").items():
            name = account.removeprefix("owner:")
            values = ((NOBODY if name == "unallocated" else name),) if limit.each else ()
            if wanted in {None, name}:
                nano = int(from_minor(minor, settings.currency) * _NANO)
                found[values] = found.get(values, 0) + nano
        period = period.next
    return found


def _today() -> date:
    return datetime.now(UTC).date()
