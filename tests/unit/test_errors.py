"""Problems come in one order, whatever the order in which they were found."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from apportion.errors import Place, Problem, in_order


def test_l7_problems_that_differ_in_their_money_alone_have_one_order() -> None:
    one = Problem("fallback-used", "no weights", amount="0.00 USD", severity="warning")
    found = [one, replace(one, amount="1,842.36 USD"), replace(one, cure="load it"), replace(one, excerpt="x")]
    assert len({tuple(in_order(given)) for given in permutations(found)}) == 1


def test_problems_come_by_file_and_line_each_once() -> None:
    first, second = (Problem("a", "m", Place("a.csv", row=row)) for row in (2, 11))
    other = Problem("a", "m", Place("b.csv", row=1))
    assert in_order([other, second, first, second]) == [first, second, other]
