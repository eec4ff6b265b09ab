"""D11: `to_nano` truncates the magnitude; what is finer stays exact per charge and is summed per pool.

Ruled out: digits below a nano-unit are dropped; each charge is rounded to a nano-unit (so that many of them
invent money); negative amounts are floored away from zero.
"""

from __future__ import annotations

from decimal import Decimal

from tests.decisions.company import TEAM, charge
from tests.decisions.conftest import Make


def test_residues_of_a_pool_are_summed_before_they_are_cut(company: Make) -> None:
    """0.0049999999995 + 0.0000000005 is 0.005 exactly, a cent; truncated one by one it is 0.004999999, none."""
    found = company(TEAM, [charge("0.0049999999995", team="a"), charge("0.0000000005", team="a")]).run()
    assert found.query("SELECT CAST(SUM(effective_nano) AS BIGINT) FROM pools") == [(5_000_000,)]
    assert found.owed() == {"a": "0.01"}


def test_rounding_each_charge_would_invent_money(company: Make) -> None:
    """Four times 0.0000000006 is 2.4 nano-units: 2, where rounding each gave 4 and truncating each gave 0."""
    found = company(TEAM, [charge("1.0000000006", team="a") for _ in range(4)]).run()
    assert found.query("SELECT CAST(SUM(effective_nano) AS BIGINT) FROM pools") == [(4_000_000_002,)]


def test_the_magnitude_is_truncated_and_the_residue_keeps_the_sign(company: Make) -> None:
    found = company(TEAM, [charge("-1.999999999900000001", team="a"), charge("5.00", team="a")]).run()
    (row,) = found.query("SELECT effective_nano, effective_residue FROM charges WHERE effective_nano < 0")
    assert row == (-1_999_999_999, Decimal("-0.000000000900000001"))
