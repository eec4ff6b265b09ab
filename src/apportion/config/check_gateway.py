"""Checks what the settings say of the gateway: its providers, what it requires, and its limits."""

from __future__ import annotations

from collections.abc import Iterator

from apportion.config.dimensions import BUILT_IN
from apportion.config.document import Document
from apportion.config.gateway import OWN_PATHS, Gateway, GatewayLimit
from apportion.config.settings import Settings
from apportion.config.shape import meant, nearest
from apportion.errors import Problem
from apportion.known_providers import KNOWN

Steps = tuple[str | int, ...]

# What a limit may look at beside dimensions.
_FACTS = ("key", "provider", "model", "user")


def check_gateway(settings: Settings, document: Document, left_out: frozenset[str]) -> Iterator[Problem]:
    """Everything about the gateway that its form does not show.

    Args:
        settings: What was written.
        document: Where it was written.
        left_out: Names whose definition has a fault of its own; references to them are not reported.
    """
    if settings.gateway is None:
        return
    yield from _providers(settings.gateway, document)
    yield from _required(settings, settings.gateway, document, left_out)
    yield from _named_by_others(settings, settings.gateway, document, left_out)
    for number, limit in enumerate(settings.gateway.limits):
        yield from _limit(settings, settings.gateway, document, left_out, number, limit)


def _providers(gateway: Gateway, document: Document) -> Iterator[Problem]:
    """Providers that cannot be reached as they are written."""
    for name, provider in gateway.providers.items():
        place: Steps = ("gateway", "providers", name)
        if name in OWN_PATHS:
            message = f"`/{name}` is a path of the gateway itself."
            yield document.problem("reserved-name", message, place, at="key", cure="Choose another name.")
        lacking = [key for key in ("provider", "url") if getattr(provider, key) is None]
        if name not in KNOWN and lacking:
            listed = " and ".join(f"`{key}`" for key in lacking)
            message = (
                f"The address of `{name}` is not known, and {listed} {'is' if len(lacking) == 1 else 'are'} missing."
            )
            near = nearest(name, list(KNOWN))
            cure = f"Did you mean `{near}`?" if near else "Write `{provider: azure.ai.openai, url: https://…}`."
            yield document.problem("missing-key", message, place, at="key", cure=cure)


def _required(settings: Settings, gateway: Gateway, document: Document, left_out: frozenset[str]) -> Iterator[Problem]:
    """Tags that no call can carry."""
    for number, tag in enumerate(gateway.requires):
        if tag not in {*settings.dimension_names, *left_out}:
            message = f"The gateway requires the tag `{tag}`, which no dimension is called."
            cure = meant(tag, [name for name in settings.dimension_names if name not in BUILT_IN])
            place = ("gateway", "requires", number)
            yield document.problem("unknown-dimension", message, place, cure=cure or None, severity="warning")


def _named_by_others(
    settings: Settings, gateway: Gateway, document: Document, left_out: frozenset[str]
) -> Iterator[Problem]:
    """Tags that a proxy's headers stand for, or that are injected, and that no dimension is called."""
    known = {*settings.dimension_names, *left_out}
    said: list[tuple[str, Steps]] = []
    if gateway.trust is not None:
        said += [(tag, ("gateway", "trust", "headers", name)) for name, tag in gateway.trust.headers.items()]
    places: list[tuple[object, Steps]] = [(gateway.inject, ("gateway", "inject"))]
    places += [(one.inject, ("gateway", "providers", name, "inject")) for name, one in gateway.providers.items()]
    for names, place in places:
        if isinstance(names, tuple):
            said += [(tag, (*place, number)) for number, tag in enumerate(names)]
    for tag, place in said:
        if tag not in known and tag != "user":
            message = f"No dimension is called `{tag}`, so nothing is made of that tag."
            cure = meant(tag, [name for name in settings.dimension_names if name not in BUILT_IN])
            yield document.problem("unknown-dimension", message, place, cure=cure or None, severity="warning")


def _limit(
    settings: Settings, gateway: Gateway, document: Document, left_out: frozenset[str], number: int, limit: GatewayLimit
) -> Iterator[Problem]:
    """A limit that counts nothing, or more than one thing, or what no call carries."""
    place: Steps = ("gateway", "limits", number)
    said = [unit for unit in ("calls", "tokens", "money") if getattr(limit, unit) is not None]
    if not said:
        message = f"The limit `{limit.name}` says neither `calls` nor `tokens` nor `money`."
        yield document.problem("missing-key", message, place, cure="Add how much may be used, such as `money: 500`.")
    elif len(said) > 1:
        message = f"The limit `{limit.name}` says {' and '.join(f'`{unit}`' for unit in said)}."
        yield document.problem("two-units", message, (*place, said[1]), at="key", cure="Write a limit for each.")
    if limit.money is not None and settings.currency != "USD" and gateway.usd_rate is None:
        message = f"List prices are in USD and the limit `{limit.name}` is in {settings.currency}."
        cure = f"Add `usd_rate:` under `gateway:`: what one USD is in {settings.currency}."
        yield document.problem("missing-key", message, (*place, "money"), cure=cure)
    if limit.name in {other.name for other in gateway.limits[:number]}:
        message = f"Two limits are called `{limit.name}`."
        yield document.problem("duplicate-name", message, (*place, "name"), cure="Give each its own name.")
    known = {*settings.dimension_names, *_FACTS, *left_out}
    for name in limit.only:
        if name not in known:
            message = f"The limit `{limit.name}` looks at `{name}`, which no call carries."
            cure = meant(name, sorted(known))
            yield document.problem("unknown-dimension", message, (*place, "for", name), at="key", cure=cure)
    for at, name in enumerate(limit.each):
        if name not in known:
            message = f"The limit `{limit.name}` looks at `{name}`, which no call carries."
            yield document.problem("unknown-dimension", message, (*place, "each", at), cure=meant(name, sorted(known)))
