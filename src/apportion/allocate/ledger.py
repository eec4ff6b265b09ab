"""What the steps of one period share: the period, the currencies and the dated rules, as small tables."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa

from apportion.config.rules import ATTRIBUTED_COST, HeadcountRule, ProportionalRule, Rule, SeatsRule
from apportion.config.settings import Settings
from apportion.money import minor_digits, nano_digits, nano_per_minor
from apportion.period import Period
from apportion.warehouse.engine import Engine

USAGE_METERS = ("tokens", "requests")


def rule_key(rule: Rule) -> str:
    """Names one version of a rule inside a run."""
    return f"{rule.name}@{rule.version}"


def meters_of(rule: Rule, settings: Settings) -> tuple[str, ...]:
    """The measured meters that a rule weighs by; none where calls count themselves, or cost does.

    A meter that the project has of its own, such as requests from its own front door, goes before the calls'.
    """
    if not isinstance(rule, ProportionalRule):
        return ()
    measured = {meter.name for meter in settings.meters}
    return tuple(m for m in rule.meter if m in measured or m not in {*USAGE_METERS, ATTRIBUTED_COST})


def usage_basis(rule: Rule | None, settings: Settings) -> str:
    """What calls weigh under a rule: `list cost`, `tokens`, `requests`, or nothing."""
    if rule is None or rule.method == "direct":
        return "list cost" if rule else ""
    if isinstance(rule, ProportionalRule) and rule.meter[0] in USAGE_METERS and not meters_of(rule, settings):
        return rule.meter[0]
    return ""


def write_ledger(engine: Engine, settings: Settings, period: Period) -> None:
    """The one-row table `ledger`, and `calendar` with every day that a window may touch."""
    currency = settings.currency
    engine.register(
        "ledger",
        pa.table(
            {
                "period": [str(period)],
                "period_start": [period.start],
                "period_end": [period.end],
                "currency": [currency],
                "nano_per_minor": pa.array([nano_per_minor(currency)], pa.int64()),
            }
        ),
    )


def write_currencies(engine: Engine, codes: Sequence[str]) -> None:
    """The table `currencies`: how each one's decimals become the engine's nano-units."""
    scales = [Decimal(10) ** (nano_digits(code) - 9) for code in codes]
    engine.register(
        "currencies",
        pa.table(
            {
                "currency": pa.array(codes, pa.string()),
                "nano_per_minor": pa.array([nano_per_minor(code) for code in codes], pa.int64()),
                "scale": pa.array(scales, pa.decimal128(10, 3)),
            }
        ),
    )


def write_rules(engine: Engine, settings: Settings) -> None:
    """The table `rules`: what the steps need to know of each rule."""
    rules = settings.allocate
    engine.register(
        "rules",
        pa.table(
            {
                "rule": pa.array([rule_key(rule) for rule in rules], pa.string()),
                "version": pa.array([rule.version for rule in rules], pa.int32()),
                "method": pa.array([rule.method for rule in rules], pa.string()),
                "metered": pa.array([bool(meters_of(rule, settings)) for rule in rules], pa.bool_()),
                "amortized": pa.array([rule.amortize is not None for rule in rules], pa.bool_()),
                "amortize_days": pa.array([_amortize_days(rule) for rule in rules], pa.int32()),
                "usage_basis": pa.array([usage_basis(rule, settings) for rule in rules], pa.string()),
                "seats": pa.array([_seats(rule, settings) for rule in rules], pa.string()),
                "roster": pa.array([_roster(rule, settings) for rule in rules], pa.string()),
                "policy": pa.array([_policy(rule, settings) for rule in rules], pa.string()),
            }
        ),
    )


def conversion(currency: str, ledger: str, rate: Decimal) -> tuple[int, int, int, int]:
    """A rate as whole fractions, so that the engine converts without a decimal.

    Args:
        currency: Of the invoice.
        ledger: The ledger's.
        rate: Ledger units per one unit of the invoice's currency.

    Returns:
        Numerator and denominator for nano-units, then for minor units.
    """
    exact = Fraction(rate)
    fine = exact * Fraction(10) ** (nano_digits(ledger) - nano_digits(currency))
    minor = exact * Fraction(10) ** (minor_digits(ledger) - minor_digits(currency))
    return fine.numerator, fine.denominator, minor.numerator, minor.denominator


def _amortize_days(rule: Rule) -> int | None:
    return rule.amortize.days if rule.amortize else None


def _seats(rule: Rule, settings: Settings) -> str | None:
    if not isinstance(rule, SeatsRule):
        return None
    return rule.seats or (settings.seats[0].name if len(settings.seats) == 1 else rule.name)


def _roster(rule: Rule, settings: Settings) -> str | None:
    rosters = [source.name for source in settings.directory if source.type == "roster"]
    if isinstance(rule, HeadcountRule) and rule.roster:
        return rule.roster
    return rosters[0] if rosters else None


def _policy(rule: Rule, settings: Settings) -> str:
    if isinstance(rule, HeadcountRule) and rule.policy:
        return rule.policy
    return settings.policies.headcount
