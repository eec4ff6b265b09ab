"""What is kept of a usage object: its counts and the names in it, never a text that somebody wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apportion.gateway.meters.format import raw


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        ({"input_tokens": 5, "service_tier": "standard"}, {"input_tokens": 5, "service_tier": "standard"}),
        ({"input_tokens": 'She asked: "why\nis it red?" ' * 9}, {"input_tokens": None}),
        ({"input_tokens": "short words"}, {"input_tokens": None}),
        ({"a": ["x" * 64, "x" * 65]}, {"a": ["x" * 64, None]}),
        ({"what she said": 1, "b": 2}, {"b": 2}),
        ({"cost": 1e-07, "grüß": 1}, {"cost": 1e-07}),
    ],
)
def test_only_counts_and_names_are_kept(usage: dict[str, Any], kept: dict[str, Any]) -> None:
    assert json.loads(raw(usage)) == kept


def test_several_are_a_list_and_none_is_nothing() -> None:
    assert json.loads(raw({"a": 1}, None, {"b": "c d"})) == [{"a": 1}, {"b": None}]
    assert raw(None) == ""
