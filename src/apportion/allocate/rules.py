"""Which rule owns which charge: the first that matches, in the project's order."""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp

from apportion.allocate.ledger import rule_key
from apportion.config.conditions import Condition, Name
from apportion.config.rules import Rule
from apportion.config.settings import Settings
from apportion.period import OPEN_END, OPEN_START
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

NO_RULE = "no-rule@1"
CREDITS = "credits@1"
TAX = "tax@1"
PROVIDER_SPLIT = "provider-split@1"


def charge_condition(
    condition: Condition, columns: Collection[str], dimensions: Collection[str], *, tags: str = "map"
) -> str:
    """A condition over a resolved charge: its own columns first, then dimensions (D15)."""

    def resolve(found: Name) -> exp.Expr:
        if found.kind == "tag" and tags == "columns":
            key = f"tag_{found.key}"
            column = exp.column(exp.to_identifier(key, quoted=True))
            return column if key in columns else exp.cast(exp.null(), "VARCHAR")
        if found.kind == "tag":
            return exp.Bracket(this=exp.column("tags"), expressions=[exp.Literal.string(found.key)])
        if found.key in columns or found.key in dimensions:
            return exp.column(exp.to_identifier(found.key, quoted=True))
        if f"raw_{found.key}" in columns:
            return exp.column(exp.to_identifier(f"raw_{found.key}", quoted=True))
        return exp.cast(exp.null(), "VARCHAR")

    return condition.to_sql(resolve).sql(dialect="duckdb")


def assign(engine: Engine, settings: Settings, columns: Collection[str], dimensions: Collection[str]) -> None:
    """Write `ruled_charges`: every charge in scope with its rule, its kind and its own owner.

    Credits and tax follow their policies unless a rule's condition names `charge_category`, or a shared rule
    divides what the credit is on. Rows that the
    provider has already split keep the owner they name and meet no rule (never split twice).

    Args:
        engine: Holds `charge_dimensions`, the scoped charges with their own dimension values.
        settings: The rules, in order.
        columns: Which columns the charges have.
        dimensions: Which dimensions they have been resolved for.
    """
    usual, special = [], []
    for rule in settings.allocate:
        if rule.condition is None:
            continue
        test = f"{charge_condition(rule.condition, columns, dimensions)}{_dated(rule)}"
        branch = f"WHEN {test} THEN {literal(rule_key(rule))}"
        usual.append(branch)
        if any(found.key == "charge_category" for found in rule.condition.names):
            special.append(branch)
    shared = [literal(rule_key(rule)) for rule in settings.allocate if rule.method != "direct"]
    # A credit on what a shared rule divides is divided as that was; only a bank takes it elsewhere.
    banked = settings.policies.credits.bank is not None
    follows = f"COALESCE(any_rule, '') IN ({', '.join(shared)})" if shared and not banked else "FALSE"
    by_rule = f"CASE {' '.join(usual)} END" if usual else "NULL"
    named = f"CASE {' '.join(special)} END" if special else "NULL"
    owner = quoted(settings.owner)
    engine.run(
        f"""CREATE OR REPLACE TABLE ruled_charges AS
        WITH kinds AS (
          SELECT *,
            CASE
              WHEN charge_category = 'Tax' THEN 'tax'
              WHEN charge_category = 'Credit' THEN 'credit'
              WHEN charge_class = 'Correction' THEN 'correction'
              ELSE 'usage'
            END AS written_kind,
            allocated_method_id IS NOT NULL OR provider_split AS split_already,
            {by_rule} AS any_rule, {named} AS named_rule
          FROM charge_dimensions WHERE scope = 'ai'
        )
        SELECT *,
          COALESCE({owner}, '') AS own_owner,
          COALESCE(own_owner_layer, '') AS own_layer,
          CASE WHEN named_rule IS NOT NULL THEN 'usage' ELSE written_kind END AS kind,
          CASE
            WHEN split_already THEN '{PROVIDER_SPLIT}'
            WHEN named_rule IS NOT NULL THEN named_rule
            WHEN written_kind = 'credit' AND NOT ({follows}) THEN '{CREDITS}'
            WHEN written_kind = 'tax' THEN '{TAX}'
            ELSE COALESCE(any_rule, '{NO_RULE}')
          END AS rule
        FROM kinds"""
    )


def _dated(rule: Rule) -> str:
    parts = []
    if rule.start > OPEN_START:
        parts.append(f" AND day >= DATE {literal(str(rule.start))}")
    if rule.end < OPEN_END:
        parts.append(f" AND day < DATE {literal(str(rule.end))}")
    return "".join(parts)
