"""What a user should know after a period is allocated, each with its money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apportion.allocate.pools import UNALLOCATED, Pool
from apportion.config.rules import Rule
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.money import show
from apportion.period import Period
from apportion.warehouse.engine import Engine


def remarks(
    engine: Engine, settings: Settings, period: Period, pools: Sequence[Pool], rules: Mapping[str, Rule]
) -> list[Problem]:
    """Warnings about charges without a rule, pools without weights and fallbacks that were used."""
    found = []
    lost = dict(
        engine.fetch(
            f"""SELECT pool_id, CAST(SUM(amount_minor) AS BIGINT) FROM claims
            WHERE owner = '{UNALLOCATED}' AND role = 'whole' GROUP BY pool_id"""
        )
    )
    unruled = sum(pool.amount_minor for pool in pools if pool.rule == "no-rule")
    if unruled:
        found.append(
            Problem(
                "no-rule",
                f"No rule matches some charges of {period}; those that name no owner stay unallocated.",
                amount=f"{show(unruled, settings.currency)} {settings.currency}",
                cure="Add a rule to `allocate:`; `apportion export charges` lists the charges.",
                severity="warning",
            )
        )
    for pool in pools:
        amount = f"{show(pool.amount_minor, settings.currency)} {settings.currency}"
        if pool.fallback:
            text = (
                f"Rule {pool.rule} found no weights in {period} for {_what(pool)};"
                f" its fallback was used: {pool.fallback}."
            )
            cure = f"Nothing, if that is meant; else load what rule {pool.rule} weighs by for {period}."
            found.append(Problem("fallback-used", text, amount=amount, cure=cure, severity="warning"))
        elif lost.get(pool.pool_id) and pool.rule != "no-rule" and not pool.moved:
            amount = f"{show(lost[pool.pool_id], settings.currency)} {settings.currency}"
            found.append(
                Problem(
                    "no-weights",
                    _unweighed(pool, period, rules),
                    amount=amount,
                    cure=_cure(pool),
                    severity="warning",
                )
            )
    return found


def _what(pool: Pool) -> str:
    return pool.item.strip("/") or pool.invoice_key


def _unweighed(pool: Pool, period: Period, rules: Mapping[str, Rule]) -> str:
    if pool.usage_basis == "list cost":
        return (
            f"No usage of {_what(pool)} meets the bill in {period}, and its charges name no owner:"
            " it stays unallocated."
        )
    if pool.rule == "provider-split":
        return f"What the provider itself left over of a split of {_what(pool)} names no owner: it stays unallocated."
    said = "" if pool.rule_key in rules else " (a policy)"
    return f"Rule {pool.rule}{said} has no weights in {period} and no fallback: {_what(pool)} stays unallocated."


def _cure(pool: Pool) -> str:
    if pool.usage_basis == "list cost":
        return "Load the usage of that provider and account, or tag the charges; see `apportion export pools`."
    if pool.rule == "provider-split":
        return "Tag the resource at the provider, or give the remainder an owner by `value` with a condition."
    return f"Give rule {pool.rule} a `fallback:`, or the meter its rows."


def negative_weight(pool: Pool, owner: str, measured: str, currency: str) -> Problem:
    """A meter that is below zero for an owner, under a rule that sets no floor."""
    return Problem(
        "negative-weight",
        f"The meter of rule {pool.rule} weighs {owner} with {measured}; a weight cannot be negative.",
        amount=f"{show(pool.amount_minor, currency)} {currency}",
        cure=f"Correct the meter, or write `floor: 0` in rule {pool.rule} if a negative weight means none.",
        held=True,
    )
