"""What may be shown and what may not: text that people or models wrote is never shown and never becomes a tag (L10)."""

from __future__ import annotations

from collections.abc import Sequence

from apportion.focus import fold

_LONGEST = 80
_WORDS = 6
_TEXTS = (
    "prompt", "completion", "message", "content", "response", "request", "input", "output", "text", "body", "answer",
    "question", "query", "instruction", "transcript", "conversation", "comment", "note", "payload", "secret",
    "password",
)  # fmt: skip
# Of a key only its public id or its name may be seen.
_KEYS = ("apikey", "accesskey", "authorization", "credential", "bearer")
_OF_KEYS = ("id", "alias", "name")
_COUNTED = ("token", "tokens", "count", "id", "model", "type", "time", "at")


def may_hold_text(name: str, values: Sequence[str]) -> bool:
    """Whether a column or tag may hold what somebody wrote, by its name or by its values.

    Args:
        name: Of the column or the tag's key.
        values: Some of its values.
    """
    plain = fold(name).replace("-", "")
    if any(word in plain for word in _KEYS) and not plain.endswith(_OF_KEYS):
        return True
    if any(word in plain for word in _TEXTS) and not plain.endswith(_COUNTED):
        return True
    return any(len(value) > _LONGEST or len(value.split()) > _WORDS or value[:1] in "{[" for value in values)
