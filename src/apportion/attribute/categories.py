"""Which kind of AI cost a charge is: inference, training, licensing or overhead.

The user's ordered, dated rules come first, then the built-in ones of `catalogue/categories.yml`. What
nothing matches is `unclassified`; a report shows it with its money. A bare GPU machine is overhead: it
is capacity that several jobs share, and only a meter or a rule of the user can say what ran on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from apportion.attribute.catalogue import BillRule, bill_rules, first_match
from apportion.config.conditions import Resolve
from apportion.config.policies import CategoryRule
from apportion.errors import Problem

CATEGORIES = ("inference", "training", "licensing", "overhead")
UNCLASSIFIED = "unclassified"

_TRAINING_OPERATIONS = r"^(fine[_ .-]?tun(e|ing)|finetun(e|ing)|train|training|fine_tuning[._ ]jobs?)$"
_GPU_METER = ("gpu", "tpu", "accelerator", "trainium", "inferentia")
_USAGE_METERS = ("tokens", "requests")


@dataclass(frozen=True)
class MethodUse:
    """The money that one rule governs, seen as one category.

    Attributes:
        rule: The rule's name.
        method: One of direct, proportional, fixed, headcount, even, seats.
        meter: What a proportional rule weighs by, as `tokens` or the name of a meter.
        category: Of the charges.
        is_gpu: Whether they are machines with a GPU or another accelerator.
        amount: With its currency, as `17,280.00 USD`.
    """

    rule: str
    method: str
    meter: str | None
    category: str
    is_gpu: bool
    amount: str


def built_in_rules() -> tuple[BillRule, ...]:
    """The ordered rules of the catalogue; each value is one of `CATEGORIES`."""
    return bill_rules("categories.yml", "category")


def category_rule_sql() -> exp.Expr:
    """The name of the built-in rule that decides, over the folded evidence texts; NULL for none."""
    return first_match(built_in_rules())


def category_sql(rules: Sequence[CategoryRule], resolve: Resolve) -> exp.Expr:
    """The number of the user's first rule that matches, from 1, over a charge's columns; NULL for none."""
    case = exp.Case()
    for number, rule in enumerate(rules, 1):
        conditions = [rule.when.to_sql(resolve), *_within(rule)]
        case = case.when(exp.and_(*conditions), exp.Literal.number(number))
    return case.else_(exp.null()) if rules else exp.cast(exp.null(), "INT")


def usage_category_sql(operation: exp.Expr) -> exp.Expr:
    """The category of usage, which is inference unless the operation makes a model.

    Args:
        operation: The `gen_ai.operation.name` of a call, as an expression; may be NULL.
    """
    text = exp.Lower(this=exp.Coalesce(this=operation.copy(), expressions=[exp.Literal.string("")]))
    trains = exp.RegexpLike(this=text, expression=exp.Literal.string(_TRAINING_OPERATIONS))
    return exp.Case().when(trains, exp.Literal.string("training")).else_(exp.Literal.string("inference"))


def method_fit(uses: Iterable[MethodUse], meters: Sequence[str]) -> list[Problem]:
    """Warn where an allocation method does not fit the category of what it divides.

    Args:
        uses: One per rule, category and kind of machine.
        meters: The names of the project's meters.

    Returns:
        Warnings, each with the money it concerns.
    """
    gpu_meters = [name for name in meters if any(word in name.lower() for word in _GPU_METER)]
    found = ((use, _misfit(use, gpu_meters)) for use in uses)
    return [
        Problem(
            slug="method-unfit",
            message=f"The rule {use.rule} {misfit[0]}",
            amount=use.amount,
            cure=misfit[1],
            severity="warning",
        )
        for use, misfit in found
        if misfit
    ]


def _misfit(use: MethodUse, gpu_meters: Sequence[str]) -> tuple[str, str] | None:
    by_key = use.method in ("fixed", "even", "headcount")
    if use.is_gpu and by_key and gpu_meters:
        return (
            f"divides GPU machines by {use.method} although the meter {gpu_meters[0]} knows who used them",
            f"Use `method: proportional, meter: {gpu_meters[0]}` with an `idle:` policy",
        )
    if use.category == "licensing" and use.method == "proportional" and use.meter in _USAGE_METERS:
        return (
            f"divides licences by {use.meter}: a seat costs the same however much its holder uses it",
            "Use `method: seats`, or `headcount` where no seat list exists",
        )
    if use.category in ("inference", "training") and use.method == "seats":
        return (
            f"divides {use.category} by seats: a seat says nothing about who ran a model",
            "Use `method: direct`, or `proportional` with `meter: tokens`",
        )
    if use.category == "training" and (by_key or use.meter in _USAGE_METERS):
        how = use.meter if use.method == "proportional" else use.method
        return (
            f"divides training by {how}: a training job has one owner",
            "Use `method: direct` and tag the job, or a meter that measures the jobs",
        )
    if use.category == "inference" and not use.is_gpu and by_key:
        return (
            f"divides inference by {use.method} although each call can name its owner",
            "Use `method: direct` with a `fallback:`, or `proportional` with `meter: tokens`",
        )
    return None


def _within(rule: CategoryRule) -> list[exp.Expr]:
    day = exp.cast(exp.column("charge_period_start", quoted=True), "DATE")
    limits: list[exp.Expr] = []
    if rule.from_:
        limits.append(exp.GTE(this=day.copy(), expression=_date(rule.from_)))
    if rule.to:
        limits.append(exp.LT(this=day.copy(), expression=_date(rule.to)))
    return limits


def _date(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), "DATE")
