"""The numbers worked out on the pages are what the splitter gives."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apportion.money import half_up, show, split, to_minor
from tests.docs.pages import DOCS

# Page, amount in cents, weights in the order of the row.
SPLITS = {
    "even": ("methods.md", 10_000, [1, 1, 1]),
    "refund": ("methods.md", -10_000, [1, 1, 1]),
    "scaled to the invoice": ("methods.md", 105_000, [61_230, 28_770, 10_000]),
    "shortfall": ("methods.md", 18_000, [60, 40]),
    "idle kept apart": ("methods.md", 421_997, [1_200, 300, 660, 816]),
    "idle spread": ("methods.md", 421_997, [1_200, 300, 660]),
    "by reservation": ("methods.md", 421_997, [1_488, 744, 744]),
    "fixed": ("methods.md", 99_999, [60, 25, 15]),
    "person-days": ("methods.md", 69_280, [135, 90, 135]),
    "month end": ("methods.md", 69_280, [4, 3, 5]),
    "seats by use": ("methods.md", 46_800, [4, 4, 2, 2]),
    "idle seats spread": ("methods.md", 46_800, [4, 4, 2]),
    "credit": ("finance.md", -15_000, [61_230, 28_770, 10_000]),
    "tax on the net": ("finance.md", 7_013, [52_045, 24_455, 8_500]),
}


@pytest.mark.parametrize("name", SPLITS)
def test_the_shares_on_the_page_are_those_of_the_splitter(name: str) -> None:
    page, amount, weights = SPLITS[name]
    text = (DOCS / page).read_text(encoding="utf-8").replace("*", "")
    shares = [show(share, "USD") for share in split(amount, weights)]
    assert [share for share in shares if share not in text] == []
    assert sum(split(amount, weights)) == amount


def test_the_invoice_in_euro_is_converted_once() -> None:
    text = (DOCS / "finance.md").read_text(encoding="utf-8")
    converted = Decimal("612.40") * Decimal("1.0837")
    assert f"{converted:f}" in text
    assert show(to_minor(converted, "USD"), "USD") in text


def test_the_tax_is_rounded_half_up() -> None:
    assert half_up(Decimal(85_000) * Decimal("0.0825")) == SPLITS["tax on the net"][1]
