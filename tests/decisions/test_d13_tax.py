"""D13: tax weighs max(net, 0) for each owner; all zero, and it weighs gross.

Ruled out: tax on gross although a net is there; an owner whose net is negative gets tax back; an invoice whose
nets are all zero has its tax dropped, spread evenly or left unallocated.
"""

from __future__ import annotations

from tests.decisions.company import TEAM, charge
from tests.decisions.conftest import Make


def _credit(amount: str, team: str) -> dict[str, str]:
    return charge(amount, team=team, ChargeCategory="Credit")


def _tax(amount: str) -> dict[str, str]:
    return charge(amount, ChargeCategory="Tax")


def test_tax_is_on_the_net(company: Make) -> None:
    """Nets 50 and 150: 2.00 and 6.00. On gross it were 4.00 and 4.00."""
    rows = [
        charge("200.00", team="a"),
        charge("200.00", team="b"),
        _credit("-150.00", "a"),
        _credit("-50.00", "b"),
        _tax("8.00"),
    ]
    found = company(TEAM, rows).run()
    taxes = {row["team"]: row["tax"] for row in found.table("statements")}
    assert (taxes["a"], taxes["b"]) == ("2.00", "6.00")


def test_a_negative_net_weighs_nothing(company: Make) -> None:
    """The net of a is -50.00; were it a weight, a got tax back and b paid more than there is."""
    rows = [charge("100.00", team="a"), charge("100.00", team="b"), _credit("-150.00", "a"), _tax("8.00")]
    found = company(TEAM, rows).run()
    assert found.owed() == {"b": "108.00", "a": "-50.00"}


def test_all_zero_weighs_gross(company: Make) -> None:
    rows = [
        charge("100.00", team="a"),
        charge("300.00", team="b"),
        _credit("-100.00", "a"),
        _credit("-300.00", "b"),
        _tax("8.00"),
    ]
    found = company(TEAM, rows).run()
    assert found.owed() == {"b": "6.00", "a": "2.00"}


def test_credits_pro_rata_come_first(company: Make) -> None:
    rows = [charge("300.00", team="a"), charge("100.00", team="b"), _credit("-100.00", ""), _tax("9.00")]
    found = company(TEAM, rows).run()
    assert found.owed() == {"a": "231.75", "b": "77.25"}
