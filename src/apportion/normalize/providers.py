"""One name per provider, whoever spells it: the same rules for bills and for usage."""

from __future__ import annotations

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
    cases = []
    for rule in provider_rules():
        terms = []
        if rule.names:
            listed = ", ".join(literal(name) for name in rule.names)
            terms.append(f"{spelled} IN ({listed})")
        if rule.services and service is None and not rule.usage:
            continue
        if rule.services and service is not None:
            sold = f"lower(trim({service}))"
            terms.append("(" + " OR ".join(f"{sold} LIKE {literal(text)}" for text in rule.services) + ")")
        if terms:
            cases.append(f"WHEN {' AND '.join(terms)} THEN {literal(rule.provider)}")
    return f"CASE {' '.join(cases)} ELSE nullif({spelled}, '') END"
