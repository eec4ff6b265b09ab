"""Law L10: what may hold text that somebody wrote is known by its name or its values."""

from __future__ import annotations

import pytest

from apportion.setup.privacy import may_hold_text


@pytest.mark.parametrize(
    "name", ["prompt", "Messages", "response", "completion_text", "request_body", "api_key", "API-Key"]
)
def test_names_that_promise_text_or_keys(name: str) -> None:
    assert may_hold_text(name, [])


@pytest.mark.parametrize(
    "name", ["team", "prompt_tokens", "request_id", "response_model", "api_key_id", "api_key_alias", "env"]
)
def test_names_that_do_not(name: str) -> None:
    assert not may_hold_text(name, ["search"])


@pytest.mark.parametrize("value", ["x" * 81, "please write me a poem about spring", '{"role": "user"}', "[1]"])
def test_values_that_read_like_text(value: str) -> None:
    assert may_hold_text("title", ["x", value])
