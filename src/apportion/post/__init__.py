"""From allocated cents to balanced journal entries."""

from apportion.post.journal import Totals, build_entries, check_balances, check_entries, expected_totals

__all__ = ["Totals", "build_entries", "check_balances", "check_entries", "expected_totals"]
