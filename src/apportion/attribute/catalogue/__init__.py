"""The built-in catalogue: what of a bill is AI, what kind of AI cost it is, which model is which.

The facts are YAML files beside this module, each entry with a reason; changing a fact never changes code.
A `BillRule` matches patterns over four texts that are folded together from the columns of a charge
(`EVIDENCE`), so that one rule reads the exports of every provider.

Patterns are the common part of RE2 (DuckDB) and `java.util.regex` (Spark): no look-around, no
back-references. They meet lower-case text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML
from sqlglot import exp

EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "vendor": ("provider", "provider_name", "service_provider_name", "publisher_name"),
    "service": (
        "service_name",
        "extra:x_ServiceCode",
        "extra:x_ServiceId",
        "extra:x_SkuMeterCategory",
        "extra:x_ConsumedService",
        "extra:x_PublisherProductName",
    ),
    "meter": (
        "sku_meter",
        "sku_id",
        "charge_description",
        "sku_price_details",
        "extra:x_SkuMeterName",
        "extra:x_SkuMeterSubcategory",
        "extra:x_SkuDescription",
        "extra:x_SkuDetails",
        "extra:x_UsageType",
        "extra:x_Operation",
        "extra:x_InstanceType",
    ),
    "service_category": ("service_category", "service_subcategory"),
    "resource_type": ("resource_type",),
    "charge_category": ("charge_category",),
}
"""Which columns each text is folded from; `extra:` names a column that FOCUS does not define."""

TEXTS = (*EVIDENCE, "gpu")
"""What a pattern may ask about: the folded texts, and `gpu`, the name of the GPU rule that matched."""

_BANNED = re.compile(r"\(\?[=!<]|\\[1-9]")


@dataclass(frozen=True)
class BillRule:
    """One line of the catalogue: patterns that must all match, and what they mean.

    Attributes:
        name: Names the rule in reasons; unique within its file.
        value: What a charge becomes (`ai`, `training`, a GPU family, ...).
        why: One sentence for the reader of a statement.
        patterns: Evidence text → pattern that must be found in it.
        unless: Evidence text → pattern that must not be found in it.
    """

    name: str
    value: str
    why: str
    patterns: Mapping[str, str]
    unless: Mapping[str, str]

    def condition(self) -> exp.Expr:
        """The rule as a predicate over the evidence columns; never NULL."""
        wanted = [_found(column, pattern) for column, pattern in self.patterns.items()]
        barred = [exp.Not(this=_found(column, pattern)) for column, pattern in self.unless.items()]
        return exp.and_(*wanted, *barred)


@cache
def read(name: str) -> Any:
    """One file of the catalogue as plain values.

    Args:
        name: As `scope.yml`.
    """
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return YAML(typ="safe", pure=True).load(text)


@cache
def bill_rules(name: str, value: str) -> tuple[BillRule, ...]:
    """The ordered rules of one file.

    Args:
        name: As `scope.yml`.
        value: The key of an entry that says what a charge becomes, as `category`.

    Raises:
        ValueError: An entry uses an unknown key, a pattern only one engine knows, or a name twice.
    """
    rules = tuple(_rule(entry, value) for entry in read(name)["rules"])
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: a rule name is used twice")
    return rules


def first_match(rules: Iterable[BillRule]) -> exp.Expr:
    """The name of the first rule that matches, as an expression over the evidence columns; else NULL."""
    case = exp.Case()
    for rule in rules:
        case = case.when(rule.condition(), exp.Literal.string(rule.name), copy=False)
    return case.else_(exp.null())


def evidence_columns(columns: Sequence[str]) -> list[exp.Expr]:
    """The folded lower-case texts, one aliased expression per entry of `EVIDENCE`, named `<entry>_text`.

    Args:
        columns: The columns the charges table has; others count as empty.
    """
    folded = {
        text: _folded([_source(name) for name in sources if _present(name, columns)])
        for text, sources in EVIDENCE.items()
    }
    return [exp.alias_(value, f"{text}_text", quoted=True) for text, value in folded.items()]


def _rule(entry: Mapping[str, str], value: str) -> BillRule:
    patterns = {key: entry[key] for key in TEXTS if key in entry}
    unless = {key: entry[f"not_{key}"] for key in TEXTS if f"not_{key}" in entry}
    known = {"name", "why", value} | set(patterns) | {f"not_{key}" for key in unless}
    if set(entry) - known or not patterns:
        raise ValueError(f"rule {entry.get('name')!r}: unknown or missing keys {sorted(set(entry) - known)}")
    for pattern in [*patterns.values(), *unless.values()]:
        check_pattern(pattern)
    return BillRule(entry["name"], entry[value], entry["why"], patterns, unless)


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that the two engines would not read alike.

    Raises:
        ValueError: It has look-around, a back-reference, a capital letter, or does not compile.
    """
    re.compile(pattern)
    if _BANNED.search(pattern) or re.sub(r"\\.", "", pattern).lower() != re.sub(r"\\.", "", pattern):
        raise ValueError(f"pattern {pattern!r} is not in the common subset")


def _found(column: str, pattern: str) -> exp.Expr:
    text = exp.column(f"{column}_text", quoted=True)
    return exp.RegexpLike(this=text, expression=exp.Literal.string(pattern))


def _present(name: str, columns: Sequence[str]) -> bool:
    return ("extra" if name.startswith("extra:") else name) in columns


def _source(name: str) -> exp.Expr:
    if name.startswith("extra:"):
        key = exp.Literal.string(name.removeprefix("extra:"))
        return exp.Bracket(this=exp.column("extra", quoted=True), expressions=[key])
    return exp.column(name, quoted=True)


def _folded(parts: Sequence[exp.Expr]) -> exp.Expr:
    if not parts:
        return exp.Literal.string("")
    return exp.Lower(this=exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(" | "), *parts]))
