"""The proposed file says what its draft says, whatever characters the names hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from apportion.config.load import load_text
from apportion.setup.draft import Division, Draft, LeftOut, Lens
from apportion.setup.settings_text import comment, scalar, settings_text
from apportion.setup.sources import group
from tests.unit.setup.folder import item

ODD = [
    "null",
    "yes",
    "1",
    "1e3",
    "2026-11-01",
    "a: b",
    "# x",
    "it's",
    'say "x"',
    "a\\b",
    "a\nb",
    "\u202eabc",
    "ü",
    "😀",
    " a ",
    "*",
]


@pytest.mark.parametrize("text", ODD)
def test_a_scalar_is_the_text_that_went_in(text: str) -> None:
    assert YAML(typ="safe", pure=True).load(f"x: {{k: {scalar(text)}, l: [{scalar(text)}]}}") == {
        "x": {"k": text, "l": [text]}
    }
    assert "\n" not in scalar(text)
    assert "\u202e" not in scalar(text)


@given(st.text(min_size=1))
def test_any_text_survives(text: str) -> None:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        return
    assert YAML(typ="safe", pure=True).load(f"{{k: {scalar(text)}}}") == {"k": text}


def test_a_comment_stays_in_its_line() -> None:
    assert comment("a\nb: c\u202e\r d") == "a b: c d"


@pytest.mark.parametrize("odd", ODD)
def test_the_whole_file_loads_with_odd_names(tmp_path: Path, odd: str) -> None:
    sources = tuple(group([item("a.csv", columns={"billed_cost": odd}, assumed=(odd,))], ["a.csv"]))
    left = LeftOut(group([item("b.csv", constants={"provider_name": odd})], ["b.csv"])[0], odd)
    draft = Draft(
        company=odd,
        currency="USD",
        sources=sources,
        left_out=(left,),
        lenses=(Lens("team", (({"tag": odd, "also": (odd,)}, odd),)),),
        rules=(Division("all", {"when": "billed_cost != 0", "method": "direct"}, odd),),
        spare_tags=(odd,),
    )
    text = settings_text(draft)
    loaded = load_text(text, tmp_path)
    assert loaded.sound, loaded.problems
    assert loaded.settings is not None
    assert loaded.settings.company == odd
    assert loaded.settings.bills[0].columns == {"billed_cost": odd}
    assert settings_text(draft) == text


def test_what_is_left_out_stands_there_as_a_comment() -> None:
    left = LeftOut(group([item("b.csv")], ["b.csv"])[0], "row 2 is odd")
    text = settings_text(Draft("Acme", "USD", left_out=(left,)))
    assert "  # left out: row 2 is odd\n  # - {name: b, type: focus, path: b.csv}\n" in text
