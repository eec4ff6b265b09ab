"""The base price list: genai-prices as it was installed, never updated at run time.

Its own calculation ignores what it does not know of a call (a service tier, a region), so that a price is
only taken where the model's record really has it. Its prices are per million tokens, and its input includes
cached tokens; here every bucket has its own price.

Source: genai-prices 0.2.3, its `types.py` and data (read 2026-11-23).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from typing import TYPE_CHECKING

from apportion.price.entries import Field, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

# OpenTelemetry's provider names and the list's own (read 2026-11-23). Others are looked up as they are.
_PROVIDERS = {
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
}
# Which price of the list each bucket has, the first that is there.
_KEYS = {
    "uncached_input": ("input_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok",),
    "cache_write_other": ("cache_write_mtok",),
    "tool_prompt": ("input_mtok",),
    "output": ("output_mtok",),
}
_PREFIX = re.compile(r"^(models/|publishers/[^/]+/models/|arn:aws[^/]*:(inference-profile|foundation-model)/)")


@dataclass(frozen=True)
class Variant:
    """The rates that the list has for a batch, a tier or a speed.

    Attributes:
        rates: A price that the variant does not name is not in them.
        fields: What of the call they take care of.
    """

    rates: Rates
    fields: frozenset[Field]


@dataclass(frozen=True)
class Listed:
    """A model of the base list.

    Attributes:
        provider: The list's own name of the provider.
        name: The list's own name of the model.
        info: Its record.
        own: Whether the provider itself lists it; else it is another provider's price for the same model.
        source: The provider's price page.
    """

    provider: str
    name: str
    info: ModelInfo
    own: bool
    source: str

    def changes(self, *, variants: bool = True) -> set[date]:
        """The days from which another price may hold.

        Args:
            variants: Also those of batches, tiers and speeds.
        """
        from genai_prices.types import ModelPrice, StartDateConstraint

        prices = [] if isinstance(self.info.prices, ModelPrice) else self.info.prices
        others = (self.info.price_variants or ()) if variants else ()
        constraints = [one.constraint for one in (*prices, *others)]
        return {one.start_date for one in constraints if isinstance(one, StartDateConstraint)}

    def hourly(self) -> bool:
        """Whether its price depends on the time of day."""
        from genai_prices.types import ModelPrice, TimeOfDateConstraint

        prices = [] if isinstance(self.info.prices, ModelPrice) else self.info.prices
        every = (*prices, *(self.info.price_variants or ()))
        return any(isinstance(one.constraint, TimeOfDateConstraint) for one in every)

    def limits(self) -> set[int]:
        """Input token counts above which another price holds for the whole request."""
        from genai_prices.types import ModelPrice, TieredPrices

        every: list[ModelPrice] = []
        if isinstance(self.info.prices, ModelPrice):
            every.append(self.info.prices)
        else:
            every += [one.prices for one in self.info.prices]
        every += [one.prices for one in self.info.price_variants or ()]
        tiered = (v for price in every for v in vars(price).values() if isinstance(v, TieredPrices))
        return {tier.start for value in tiered for tier in value.tiers}

    def standard(self, day: date, context: int) -> Rates:
        """The standard rates on a day, of calls whose input exceeds a limit (0: none)."""
        return _rates(self.info.get_prices(_instant(day)), context)

    def variant(self, day: date, context: int, asked: Mapping[Field, str]) -> Variant | None:
        """The rates that the list has for a tier, a speed or a batch.

        Args:
            day: When.
            context: The highest limit that the input exceeds; 0 for none.
            asked: What is not standard about the call.

        Returns:
            None where the list has no variant, or two that it does not combine.
        """
        if not self.own:
            return None
        wanted = {str(name): value for name, value in asked.items()}
        fitting = [
            variant
            for variant in self.info.price_variants or ()
            if variant.when.items() <= wanted.items()
            and (variant.constraint is None or variant.constraint.active(_instant(day)))
        ]
        if not fitting:
            return None
        whole = max((variant.when for variant in fitting), key=len)
        if any(not variant.when.items() <= whole.items() for variant in fitting):
            return None
        merged: dict[str, object] = {}
        for variant in fitting:
            for key, value in vars(variant.prices).items():
                if value is not None:
                    merged.setdefault(key, value)
        from genai_prices.types import ModelPrice

        base = _rates(self.info.get_prices(_instant(day)), context)
        rates = _rates(ModelPrice(**merged), context)  # type: ignore[arg-type] # copied from such a record
        used = frozenset(name for name in asked if name in whole)
        return Variant(Rates(rates.tokens, rates.request or base.request), used)


class Catalogue:
    """The installed release of genai-prices."""

    def __init__(self) -> None:
        from genai_prices.data import providers

        self.version = version("genai-prices")
        self._providers: dict[str, Provider] = {provider.id: provider for provider in providers}
        self._all: list[Provider] = list(providers)
        self._found: dict[tuple[str, str], Listed | None] = {}

    def find(self, provider: str, model: str) -> Listed | None:
        """A model by our provider name and the name in the call; None if the list does not know it."""
        key = (provider, model)
        if key not in self._found:
            self._found[key] = self._find(provider, model)
        return self._found[key]

    def knows(self, provider: str) -> bool:
        """Whether the list has this provider at all."""
        return _PROVIDERS.get(provider, provider) in self._providers

    def limits(self) -> set[int]:
        """Every context limit of the list."""
        return {
            limit
            for provider in self._all
            for model in provider.models
            for limit in Listed(provider.id, model.id, model, own=True, source="").limits()
        }

    def _find(self, provider: str, model: str) -> Listed | None:
        vendor = self._providers.get(_PROVIDERS.get(provider, provider))
        if vendor is None:
            return None
        info = vendor.find_model(_PREFIX.sub("", model), all_providers=self._all)
        if info is None:
            return None
        own = any(info is one for one in vendor.models)
        return Listed(vendor.id, info.id, info, own, (vendor.pricing_urls or [""])[0])


def _instant(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _rates(prices: ModelPrice, context: int) -> Rates:
    tokens = {}
    for bucket, keys in _KEYS.items():
        for key in keys:
            if (rate := _at(getattr(prices, key, None), context)) is not None:
                tokens[bucket] = rate
                break
    reasoning = _at(getattr(prices, "output_reasoning_mtok", None), context)
    if reasoning is not None and reasoning != tokens.get("output"):
        # Reasoning with a price of its own would need its tokens apart from the output's.
        tokens.pop("output", None)
    request = _at(getattr(prices, "requests_kcount", None), context) or Fraction(0)
    return Rates(tokens, request / 1000)


def _at(price: object, context: int) -> Fraction | None:
    """A price at a context size; a tier holds for the whole request once the input exceeds its start."""
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        found = price.base
        for tier in price.tiers:
            if tier.start <= context:
                found = tier.price
        return Fraction(found)
    return Fraction(price) if isinstance(price, Decimal) else None
