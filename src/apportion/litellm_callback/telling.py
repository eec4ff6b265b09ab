"""What is told of a call: counts, ids, names and tags out of LiteLLM's payload, and no text that anybody wrote.

Source: LiteLLM 1.108.7 (`StandardLoggingPayload` in `types/utils.py`, `litellm_logging.py`), read 2026-11-27.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

_LONGEST_VALUE: Final = 256
# An answer of the provider that is longer is not parsed again for the id in it.
_LONGEST_ANSWER: Final = 64 << 10
# What is told of a payload; everything else stays in the process. A dot leads into an object.
_TOLD: Final = (
    "id", "litellm_call_id", "call_type", "stream", "status", "custom_llm_provider", "cache_hit", "startTime",
    "endTime", "completionStartTime", "model", "model_group", "response_cost", "prompt_tokens", "completion_tokens",
    "total_tokens", "request_tags", "end_user", "metadata.usage_object", "metadata.user_api_key_hash",
    "metadata.user_api_key_alias", "metadata.user_api_key_team_id", "metadata.user_api_key_team_alias",
    "metadata.user_api_key_org_id", "metadata.user_api_key_org_alias", "metadata.user_api_key_project_id",
    "metadata.user_api_key_project_alias", "metadata.user_api_key_user_id", "metadata.user_api_key_end_user_id",
    "metadata.user_api_key_auth_metadata", "metadata.requester_metadata", "metadata.spend_logs_metadata",
    "response.model", "response.service_tier", "response.usage", "hidden_params.usage_object",
    "hidden_params.additional_headers.llm_provider-x-amzn-requestid", "error_information.error_code",
    "error_information.error_class", "error_information.llm_provider", "cost_breakdown.vertex_location",
    "model_map_information.model_map_key",
)  # fmt: skip
_OWN: Final = "x-apportion-"
_SECRET: Final = "x-apportion-key"  # noqa: S105 - the name of a header


def told(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a payload: counts, ids, names and tags, and no text that a person or a model wrote.

    Args:
        payload: LiteLLM's standard logging payload.
    """
    found: dict[str, Any] = {}
    for path in _TOLD:
        *above, name = path.split(".")
        value: Any = payload
        for key in (*above, name):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            into = found
            for key in above:
                into = into.setdefault(key, {})
            into[name] = _short(value)
    metadata = payload.get("metadata")
    headers = metadata.get("requester_custom_headers") if isinstance(metadata, Mapping) else None
    if isinstance(headers, Mapping):
        own = {str(key).lower(): _short(value) for key, value in headers.items()}
        own = {key: value for key, value in own.items() if key.startswith(_OWN) and key != _SECRET}
        found.setdefault("metadata", {})["requester_custom_headers"] = own
    return found


def _short(value: Any, depth: int = 4) -> Any:
    """A value without texts that are longer than a tag may be, and without what is no JSON."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_VALUE else None
    if depth and isinstance(value, Mapping):
        return {str(key): _short(each, depth - 1) for key, each in value.items() if str(key).lower() != "headers"}
    if depth and isinstance(value, list | tuple):
        return [_short(each, depth - 1) for each in value]
    return None


def answered(kwargs: Mapping[str, Any], response: Any) -> dict[str, str]:
    """What the provider called its answer and the model that gave it.

    Args:
        kwargs: Of the callback; the answer as it came is among them where it was not streamed.
        response: LiteLLM's form of the answer.
    """
    found: dict[str, str] = {}
    hidden = getattr(response, "_hidden_params", None)
    model = hidden.get("provider_response_model") if isinstance(hidden, Mapping) else None
    original = kwargs.get("original_response")
    document: Any = None
    if isinstance(original, str) and original[:1] == "{" and len(original) <= _LONGEST_ANSWER:
        with contextlib.suppress(ValueError):
            document = json.loads(original)
    if isinstance(document, dict) and kwargs.get("cache_hit") is not True:
        said = document.get("id") or document.get("responseId")
        if isinstance(said, str):
            found["response_id"] = said
        model = model or document.get("model") or document.get("modelVersion")
    if isinstance(model, str) and model:
        found["response_model"] = model
    return found
