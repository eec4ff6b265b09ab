"""Logs of calls with columns of their own are recognised, and their mapping reads them."""

from __future__ import annotations

import pytest

from apportion.focus import TABLES
from apportion.normalize.usage_exports import mapped, recognise

LITELLM = ["request_id", "startTime", "model", "prompt_tokens", "completion_tokens", "custom_llm_provider", "call_type"]
BEDROCK = [
    "timestamp",
    "modelId",
    "input",
    "input.inputTokenCount",
    "output",
    "output.outputTokenCount",
    "identity.arn",
]


@pytest.mark.parametrize(
    ("header", "columns", "constants"),
    [
        (LITELLM, {"provider": "custom_llm_provider", "operation": "call_type"}, {}),
        (
            BEDROCK,
            {
                "input_tokens": "input.inputTokenCount",
                "output_tokens": "output.outputTokenCount",
                "user_id": "identity.arn",
            },
            {"provider": "aws.bedrock"},
        ),
        (
            ["Timestamp", "User", "Model", "Requests Used"],
            {"requests": "Requests Used"},
            {"provider": "github"},
        ),
    ],
    ids=["litellm", "bedrock", "copilot"],
)
def test_a_log_brings_its_mapping(header: list[str], columns: dict[str, str], constants: dict[str, str]) -> None:
    form = recognise(header)
    assert form is not None
    assert mapped(form, header) == (columns, constants)
    assert set(columns) | set(constants) <= set(TABLES["usage"].names)


def test_anything_else_is_not_guessed() -> None:
    assert recognise(["timestamp", "model", "prompt_tokens"]) is None
