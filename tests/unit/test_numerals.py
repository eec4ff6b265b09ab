"""An example says how a country writes its numbers, and nothing else passes for one."""

from __future__ import annotations

import pytest

from apportion.numerals import NumberForm


@pytest.mark.parametrize(
    ("example", "reads", "not_reads"),
    [
        ("1.234,56", ["1.234,56", "1234,56", "0,5", "-12", "1.234.567", "+1,5"],
         ["1.5", "1,234.5", "12.34,5", "", "x", "1.2345"]),
        ("1 234,56", ["1 234,56", "1\u00a0234,56", "1\u202f234", "7,5"], ["1.234,56", "1 23,4"]),
        ("1'234.56", ["1'234.56", "1\u2019234.5", "3.5"], ["1'23.4", "3,5"]),
        ("1,234.56", ["1,234.56", "12.345", "1,234"], ["12,34.5", "1.234,5"]),
        ("1234,56", ["1234,56", "7"], ["1.234,56", "1 234,56", "7.5"]),
        ("1234.56", ["1234.56"], ["1,234.56"]),
    ],
)  # fmt: skip
def test_forms(example: str, reads: list[str], not_reads: list[str]) -> None:
    form = NumberForm.of(example)
    assert form is not None
    assert [text for text in reads if not form.reads(text)] == []
    assert [text for text in not_reads if form.reads(text)] == []


@pytest.mark.parametrize("text", ["", "1.234.56", "1234", "1,5", "1_234,56", "1.234,5", "{}"])
def test_no_examples(text: str) -> None:
    assert NumberForm.of(text) is None
