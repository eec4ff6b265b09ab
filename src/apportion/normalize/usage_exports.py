"""Logs of calls that name their columns in their own way: recognised by them, with the mapping that reads them.

Sources: LiteLLM's table of spend logs (schema.prisma), Amazon Bedrock's model invocation log (user guide), the exports
of Cursor's and GitHub's dashboards, and the columns of Azure's public trace of inference; read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apportion.focus import TABLES, fold


@dataclass(frozen=True)
class UsageExport:
    """A form of log.

    Attributes:
        name: For people.
        marks: It has all of these columns.
        columns: Which of its columns stands for which of ours, where the names alone do not tell.
        constants: What every row of it says without a column.
        tokens: What its input tokens hold, where the names alone do not tell.
    """

    name: str
    marks: tuple[str, ...]
    columns: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    tokens: str | None = None


_EXPORTS = (
    UsageExport(
        "LiteLLM's spend log",
        ("startTime", "prompt_tokens", "completion_tokens", "custom_llm_provider"),
        {"called_at": "startTime", "provider": "custom_llm_provider", "operation": "call_type"},
        tokens="inclusive",
    ),
    UsageExport(
        "Amazon Bedrock's invocation log",
        ("modelId", "input.inputTokenCount", "output.outputTokenCount"),
        {
            "input_tokens": "input.inputTokenCount",
            "output_tokens": "output.outputTokenCount",
            "cache_read_tokens": "input.cacheReadInputTokenCount",
            "cache_write_tokens": "input.cacheWriteInputTokenCount",
            "user_id": "identity.arn",
            "tags": "requestMetadata",
        },
        {"provider": "aws.bedrock"},
        tokens="exclusive",
    ),
    UsageExport(
        "Cursor's usage export",
        ("Date", "Model", "Input (w/o Cache Write)", "Cache Read", "Output Tokens"),
        {
            "uncached_input_tokens": "Input (w/o Cache Write)",
            "cache_read_tokens": "Cache Read",
            "output_tokens": "Output Tokens",
        },
        {"provider": "cursor"},
    ),
    UsageExport(
        "GitHub Copilot's list of premium requests",
        ("Timestamp", "User", "Model", "Requests Used"),
        {"requests": "Requests Used"},
        {"provider": "github"},
    ),
    UsageExport(
        "a trace of calls",
        ("ContextTokens", "GeneratedTokens"),
        {"input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"},
    ),
)


def recognise(header: Sequence[str]) -> UsageExport | None:
    """The form of log that a file's columns show; None for any other."""
    have = {fold(name) for name in header}
    return next((export for export in _EXPORTS if all(fold(mark) in have for mark in export.marks)), None)


def mapped(export: UsageExport, header: Sequence[str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The file's columns by ours, and the values of columns that it lacks.

    Args:
        export: The form.
        header: The file's columns.
    """
    spelled = {fold(name): name for name in reversed(header)}
    found = TABLES["usage"].find(header)
    columns = {
        ours: spelled[fold(theirs)]
        for ours, theirs in export.columns.items()
        if fold(theirs) in spelled and found.get(ours) != spelled[fold(theirs)]
    }
    return columns, {name: value for name, value in export.constants.items() if name not in found}
