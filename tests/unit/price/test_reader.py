"""Price files: exact decimals, and every problem with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from apportion.price.book import Context, Price
from tests.unit.price.cells import read


@pytest.mark.parametrize(
    ("entry", "slug", "line", "said"),
    [
        ("{provider: p, model: m, inptu: 1}", "prices-key", 2, "write `input`"),
        ("{provider: p, model: m, input: -1}", "prices-number", 2, "negative"),
        ("{provider: p, model: m, input: .nan}", "prices-number", 2, "not a number"),
        ("{provider: p, model: m, input: 1_000}", "prices-number", 2, "not a number"),
        ("{provider: p, model: m, input: 2000000}", "prices-number", 2, "above 1,000,000"),
        ("{provider: p, model: m, input: 1, currency: EUR}", "prices-currency", 2, "EUR"),
        ("{provider: p, model: m}", "prices-missing", 2, "no price"),
        ("{model: m, input: 1}", "prices-missing", 2, "provider"),
        ("{provider: p, input: 1}", "prices-missing", 2, "model"),
        ("{provider: p, model: m, input: 1, from: soon}", "prices-date", 2, "soon"),
        ("{provider: p, model: m, input: 1, from: 2026-11-16T05:00:00Z}", "prices-date", 2, "05:00 in UTC"),
        ("{provider: p, model: m, input: 1, from: 2026-12-01, to: 2026-11-01}", "prices-date", 2, "before"),
        ("{provider: p, model: m, input: 1, context: [{input: 2}]}", "prices-missing", 2, "above"),
        ("{provider: p, model: m, input: 1, input: 2}", "prices-key", 2, "twice"),
        ("[1, 2]", "prices-key", 2, "expected"),
    ],
)
def test_a_faulty_entry_is_a_problem_with_its_line(tmp_path: Path, entry: str, slug: str, line: int, said: str) -> None:
    book, problems = read(tmp_path, f"prices:\n  - {entry}\n")
    assert slug in [problem.slug for problem in problems]
    found = next(problem for problem in problems if problem.slug == slug)
    assert found.place
    assert (found.place.file, found.place.line) == ("prices.yaml", line)
    assert said in f"{found.message} {found.cure}"
    assert found.stops
    assert not isinstance(book.price(Context("p", "m"), _day()), Price)


def test_entries_that_share_a_day_are_a_problem(tmp_path: Path) -> None:
    text = """prices:
  - {provider: p, model: m, input: 1, to: 2026-11-10}
  - {provider: p, model: M, input: 2, from: 2026-11-09}
discounts:
  - {provider: p, percent: 5}
  - {provider: p, percent: 6}
"""
    _, problems = read(tmp_path, text)
    assert [(problem.slug, problem.place and problem.place.line) for problem in problems] == [
        ("prices-overlap", 3),
        ("prices-overlap", 6),
    ]


def test_entries_that_touch_are_none(tmp_path: Path) -> None:
    text = """prices:
  - {provider: p, model: m, input: 1, to: 2026-11-10}
  - {provider: p, model: m, input: 2, from: 2026-11-10}
"""
    assert read(tmp_path, text)[1] == []


def test_an_instant_at_midnight_utc_is_a_day(tmp_path: Path) -> None:
    text = "prices:\n  - {provider: p, model: m, input: 1, from: 2026-11-15T19:00:00-05:00}\n"
    book, problems = read(tmp_path, text)
    assert problems == []
    assert isinstance(book.price(Context("p", "m"), _day(16)), Price)
    assert not isinstance(book.price(Context("p", "m"), _day(15)), Price)


def test_decimals_are_exact(tmp_path: Path) -> None:
    # As a float, 0.1234565 times a million would fall just below the half and round down.
    text = "prices: [{provider: p, model: m, input: 0.1234565, output: 1.0000005}]"
    found = read(tmp_path, text)[0].price(Context("p", "m"), _day())
    assert isinstance(found, Price)
    assert (found.picos["uncached_input"], found.picos["output"]) == (123_457, 1_000_001)


@pytest.mark.parametrize("text", ["prices: [", "\x00", "prices: {a: 1"])
def test_a_file_that_is_no_yaml_is_one_problem(tmp_path: Path, text: str) -> None:
    _, problems = read(tmp_path, text)
    assert [problem.slug for problem in problems] == ["prices-unreadable"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "prices:\n", "prices: []\n"])
def test_an_empty_file_is_no_problem(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text)[1] == []


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = """prices:
  - {provider: p, model: m, input: -1}
  - {provider: p, model: n, input: x}
modifiers:
  - {provider: p, model: m, field: teir, values: [flex], times: 2}
  - {provider: p, model: m, field: region, values: [us]}
discounts:
  - {provider: p, percent: 101}
oops: 1
"""
    _, problems = read(tmp_path, text)
    lines = [problem.place and problem.place.line for problem in problems]
    assert sorted(line or 0 for line in lines) == [2, 3, 5, 6, 8, 9]


def _day(number: int = 3) -> date:
    return date(2026, 11, number)
