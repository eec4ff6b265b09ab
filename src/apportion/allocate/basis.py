"""What the weights of a pool are, in words, as every explanation says it."""

from __future__ import annotations

from apportion.allocate.pools import Pool
from apportion.config.rules import EvenRule, FixedRule, HeadcountRule, ProportionalRule, Rule, SeatsRule


def basis_of(pool: Pool, rule: Rule | None, usage: str, heads: str) -> str:
    """What weighs a pool.

    Args:
        pool: Whose weights.
        rule: That governs it; None for a policy.
        usage: What its calls weigh; `none` where none were found.
        heads: The project's policy for headcount.
    """
    if pool.pool_owner:
        return "its own evidence"
    if pool.usage_basis:
        return usage if usage != "none" else "no usage"
    if isinstance(rule, ProportionalRule):
        return " and ".join(rule.meter)
    if isinstance(rule, HeadcountRule):
        return "heads at month end" if (rule.policy or heads) == "month_end" else "person-days"
    if isinstance(rule, SeatsRule):
        return "active users" if rule.weight == "active_users" else "seat-days at their price"
    return "written shares" if isinstance(rule, FixedRule | EvenRule) else "none"
