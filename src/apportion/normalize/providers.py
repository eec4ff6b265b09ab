"""One name per provider, whoever spells it: the same rules for bills and for usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from apportion.warehouse.quoting import literal


@dataclass(frozen=True)
class ProviderRule:
    """One way to tell a provider.

    Attributes:
        provider: The canonical name.
        names: Spellings in lower case; none means any.
        services: Patterns of a service's name in lower case; none means any.
        usage: Whether the names alone are enough where usage is read.
    """

    provider: str
    names: tuple[str, ...]
    services: tuple[str, ...]
    usage: bool


def packaged(name: str) -> Any:
    """A data file that lies beside this module."""
    return YAML(typ="safe").load((files("apportion.normalize") / name).read_text(encoding="utf-8"))


@cache
def provider_rules() -> tuple[ProviderRule, ...]:
    """The rules in the order in which they are tried."""
    return tuple(
        ProviderRule(
            rule["provider"],
            tuple(rule.get("names", ())),
            tuple(rule.get("services", ())),
            bool(rule.get("usage", False)),
        )
        for rule in packaged("providers.yml")
    )


def provider_sql(provider: str, service: str | None = None) -> str:
    """An expression for the canonical provider.

    Args:
        provider: An SQL expression for the spelling of the provider.
        service: An SQL expression for the service's name on a bill; None where usage is read.

    Returns:
        SQL text; NULL where the spelling is empty.
    """
    spelled = f"lower(trim({provider}))"
    if service is None:
        # A list is searched once for each distinct text of a batch; long IN lists would be joined to every call.
        known = _usage_names()
        names = ", ".join(literal(name) for name in known)
        meant = ", ".join(literal(name) for name in known.values())
        return f"coalesce(list_extract([{meant}], list_position([{names}], {spelled})), nullif({spelled}, ''))"
    sold = f"lower(trim({service}))"
    cases = []
    for rule in provider_rules():
        terms = []
        if rule.names:
            listed = ", ".join(literal(name) for name in rule.names)
            terms.append(f"list_contains([{listed}], {spelled})")
        if rule.services:
            terms.append("(" + " OR ".join(f"{sold} LIKE {literal(text)}" for text in rule.services) + ")")
        if terms:
            cases.append(f"WHEN {' AND '.join(terms)} THEN {literal(rule.provider)}")
    return f"CASE {' '.join(cases)} ELSE nullif({spelled}, '') END"


@cache
def _usage_names() -> Mapping[str, str]:
    """The provider that each known spelling means in usage, where no service is named."""
    found: dict[str, str] = {}
    for rule in provider_rules():
        for name in rule.names:
            if not rule.services or rule.usage:
                found.setdefault(name, rule.provider)
    return found
