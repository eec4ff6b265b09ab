"""The dated price book: what a call of a model costs on a day, or why nobody knows.

The user's prices win over the base list; the base list is genai-prices as installed. What neither knows is
unpriced with the reason: never 0, and never silently the standard price (law L3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

from apportion.errors import Problem
from apportion.money import half_up_div
from apportion.price.catalogue import Catalogue, Listed
from apportion.price.entries import (
    BUCKETS,
    FIELDS,
    AmbiguousError,
    Discount,
    Entry,
    Field,
    Modifier,
    Rates,
    choose,
)
from apportion.price.reader import PriceFile, read_prices

_PICOS = 10**12
_TOKENS = 10**6
# What each field says where the call is an ordinary one (read 2026-11-23).
_STANDARD: Mapping[Field, frozenset[str]] = {
    "processing": frozenset({"", "standard", "interactive"}),
    "service_tier": frozenset({"", "default", "standard", "auto", "on_demand", "on-demand"}),
    "region": frozenset({"", "default", "global", "not_available"}),
    "speed": frozenset({"", "default", "standard", "normal"}),
}


@dataclass(frozen=True)
class Context:
    """What decides the price of a call, beside the day.

    Attributes:
        provider: Canonical.
        model: As the call names it.
        service_tier: That really served, if known.
        processing: `batch` or nothing.
        region: Where it ran.
        speed: `fast` or nothing.
        above: The highest of the book's thresholds that its input tokens exceed; 0 for none.
    """

    provider: str | None
    model: str | None
    service_tier: str | None = None
    processing: str | None = None
    region: str | None = None
    speed: str | None = None
    above: int = 0

    def asked(self) -> dict[Field, str]:
        """What is not ordinary about the call."""
        said: dict[Field, str | None] = {
            "processing": self.processing,
            "service_tier": self.service_tier,
            "region": self.region,
            "speed": self.speed,
        }
        asked: dict[Field, str] = {}
        for field in FIELDS:
            value = (said[field] or "").strip().lower()
            if value not in _STANDARD[field]:
                asked[field] = value
        # Anthropic reports a batch as a service tier.
        if asked.get("service_tier") == "batch":
            del asked["service_tier"]
            asked["processing"] = "batch"
        return asked


@dataclass(frozen=True)
class Price:
    """A list price, discounts taken off.

    Attributes:
        price_id: Names the fact it is from, with its date and modifiers.
        picos: Per token and bucket, in 10^-12 USD; a bucket without a known price is not in it.
        request_picos: Per request.
        label: The model with its modifiers, for reasons.
        source: Where the price is from.
        checked: When somebody last looked; None if nobody did.
    """

    price_id: str
    picos: Mapping[str, int]
    request_picos: int
    label: str
    source: str
    checked: date | None


@dataclass(frozen=True)
class Unpriced:
    """Why there is no price.

    Attributes:
        reason: For people, with the real values.
    """

    reason: str


@dataclass(frozen=True)
class _Found:
    """Rates on their way to a price."""

    rates: Rates
    price_id: str
    source: str
    checked: date | None
    negotiated: bool = False


class PriceBook:
    """Prices by day.

    Args:
        own: The user's prices.
        built_in: The product's multipliers.
        catalogue: The base list.
        checked: When the base list was last compared with the providers' pages.
    """

    currency = "USD"

    def __init__(self, own: PriceFile, built_in: PriceFile, catalogue: Catalogue, checked: date | None = None) -> None:
        self._own = own
        self._built_in = built_in
        self._catalogue = catalogue
        self._checked = checked

    @classmethod
    def load(cls, overrides: Path | None = None, name: str | None = None) -> tuple[PriceBook, list[Problem]]:
        """The book of a project.

        Args:
            overrides: The user's price file, if there is one.
            name: The file as the user wrote it, for problems.

        Returns:
            The book without what is wrong in the file, and what is wrong.
        """
        own = read_prices(overrides, name) if overrides else PriceFile()
        folder = files("apportion.price") / "prices"
        with as_file(folder / "modifiers.yml") as path:
            built_in = read_prices(path)
        catalogue = Catalogue()
        checked = YAML(typ="safe").load((folder / "snapshot.yml").read_text(encoding="utf-8"))
        return cls(own, built_in, catalogue, checked.get(catalogue.version)), list(own.problems)

    @property
    def version(self) -> str:
        """Names the base list, for what must be repeatable."""
        return f"genai-prices {self._catalogue.version}"

    def thresholds(self, models: Iterable[tuple[str, str]] | None = None) -> tuple[int, ...]:
        """Input token counts above which some price changes for the whole request, ascending.

        Args:
            models: Provider and model of the calls, if known; fewer thresholds make fewer cells.
        """
        limits = {limit for entry in self._own.entries for limit, _ in entry.above}
        if models is None:
            return tuple(sorted(limits | self._catalogue.limits()))
        for provider, model in set(models):
            if listed := self._catalogue.find(provider.lower(), model):
                limits |= listed.limits()
        return tuple(sorted(limits))

    def price(self, context: Context, day: date) -> Price | Unpriced:
        """The price of a call on a day (UTC)."""
        provider, model = (context.provider or "").lower(), (context.model or "").strip()
        if not provider or not model:
            return Unpriced("the call names no provider" if not provider else "the call names no model")
        asked = context.asked()
        try:
            if entry := choose(self._own.entries, provider, model, day):
                found = self._of_entry(entry, model, context.above, asked)
            elif listed := self._catalogue.find(provider, model):
                found = self._of_list(listed, context, asked, day)
            elif self._catalogue.knows(provider):
                return Unpriced(f'model "{model}": no price for it from {provider}')
            else:
                return Unpriced(f'provider "{provider}": no prices for it')
            discount = choose(self._own.discounts, provider, model, day)
        except AmbiguousError as error:
            lines = " and ".join(str(line) for line in error.args)
            return Unpriced(f'model "{model}": the price file fits it twice, in lines {lines}')
        if isinstance(found, Unpriced):
            return found
        return _finish(found, model, asked, None if found.negotiated else discount)

    def changes(self, context: Context) -> set[date]:
        """The days on which the price of such calls may change."""
        provider, model = (context.provider or "").lower(), (context.model or "").strip()
        scopes = [fact.scope for fact in (*self._own.modifiers, *self._built_in.modifiers)]
        scopes += [fact.scope for fact in self._own.entries]
        scopes += [fact.scope for fact in self._own.discounts]
        days = {day for scope in scopes for day in (scope.start, scope.end)}
        if listed := self._catalogue.find(provider, model):
            days |= listed.changes()
        return days

    def spans(self, context: Context, start: date, end: date) -> list[tuple[date, date, Price | Unpriced]]:
        """The prices of such calls over some days.

        Args:
            context: Of the calls.
            start: The first day.
            end: The day after the last one.

        Returns:
            First day, day after the last one, and the price, in order and without gaps.
        """
        cuts = [start, *sorted(day for day in self.changes(context) if start < day < end), end]
        out: list[tuple[date, date, Price | Unpriced]] = []
        for first, last in pairwise(cuts):
            price = self.price(context, first)
            if out and out[-1][2] == price:
                out[-1] = (out[-1][0], last, price)
            else:
                out.append((first, last, price))
        return out

    def _of_entry(self, entry: Entry, model: str, above: int, asked: Mapping[Field, str]) -> _Found | Unpriced:
        rates = entry.at(above)
        for field, value in asked.items():
            if (field, value) not in entry.times:
                return _no_price(model, field, value, f"line {entry.line} of the price file")
            rates = rates.times(entry.times[field, value])
        price_id = f"own/{entry.scope.providers[0]}/{entry.scope.models[0]}@{entry.scope.start}"
        return _Found(rates, price_id, entry.source, entry.checked, entry.negotiated)

    def _of_list(self, listed: Listed, context: Context, asked: Mapping[Field, str], day: date) -> _Found | Unpriced:
        if listed.hourly():
            return Unpriced(f'model "{context.model}": its price depends on the time of day')
        names = ((context.provider or "").lower(), listed.name)
        open_, factors = dict(asked), []
        for field, value in asked.items():
            if own := _modifier(self._own, names, field, value, day):
                factors.append(own.times)
                del open_[field]
        standard = listed.standard(day, context.above)
        rates = self._fill(standard, names, day)
        variant = listed.variant(day, context.above, open_)
        if variant:
            # What the variant leaves out is unknown, unless the list left it out of the standard price too.
            absent = rates.tokens.keys() - standard.tokens.keys()
            full = self._fill(variant.rates, names, day)
            known = variant.rates.tokens.keys() | absent
            rates = Rates({b: rate for b, rate in full.tokens.items() if b in known}, full.request)
            open_ = {field: value for field, value in open_.items() if field not in variant.fields}
        for field, value in open_.items():
            built_in = _modifier(self._built_in, names, field, value, day)
            if built_in is None:
                return _no_price(context.model or "", field, value, self.version)
            factors.append(built_in.times)
        for factor in factors:
            rates = rates.times(factor)
        since = max((one for one in listed.changes(variants=bool(variant)) if one <= day), default=None)
        price_id = f"{self.version}/{listed.provider}/{listed.name}" + (f"@{since}" if since else "")
        return _Found(rates, price_id, listed.source, self._checked)

    def _fill(self, rates: Rates, names: tuple[str, str], day: date) -> Rates:
        """Cache prices that the list lacks but the provider's rule gives."""
        tokens = dict(rates.tokens)
        base = tokens.get("uncached_input")
        for bucket in ("cache_write_5m", "cache_write_1h"):
            fills = [fill for fill in self._built_in.fills if fill.bucket == bucket]
            if base is not None and bucket not in tokens and (fill := choose(fills, *names, day)):
                tokens[bucket] = base * fill.times
        if "cache_write_5m" in tokens and "cache_write_other" not in tokens:
            tokens["cache_write_other"] = tokens["cache_write_5m"]
        return Rates(tokens, rates.request)


def _modifier(file: PriceFile, names: tuple[str, str], field: Field, value: str, day: date) -> Modifier | None:
    return choose([one for one in file.modifiers if one.means(field, value)], *names, day)


def _no_price(model: str, field: Field, value: str, where: str) -> Unpriced:
    return Unpriced(f'{field} "{value}": no price for {model} in {where}')


def _finish(found: _Found, model: str, asked: Mapping[Field, str], discount: Discount | None) -> Price:
    """Whole picos: modifiers and discount are exact, and rounding is HALF_UP, once (decision D14)."""
    paid = (Fraction(100) - discount.percent) / 100 if discount else Fraction(1)
    modifiers = "".join(f"+{field}={value}" for field, value in asked.items())
    off = f"-{float(discount.percent):g}%" if discount else ""
    label = model + "".join(f' with {field} "{value}"' for field, value in asked.items())
    return Price(
        f"{found.price_id}{modifiers}{off}",
        {b: _picos(found.rates.tokens[b] * paid / _TOKENS) for b in BUCKETS if b in found.rates.tokens},
        _picos(found.rates.request * paid),
        label,
        found.source + (f"; {discount.source}" if discount and discount.source else ""),
        found.checked,
    )


def _picos(dollars: Fraction) -> int:
    return half_up_div(dollars.numerator * _PICOS, dollars.denominator)
