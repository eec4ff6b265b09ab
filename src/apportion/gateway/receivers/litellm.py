"""`POST /v1/litellm`: the standard logging payloads of LiteLLM, as its generic API callback or ours sends them.

Each payload is a call that LiteLLM made, or refused. Of a call that was tried again it sends the last try alone. What
is read of a payload is named here and in `litellm_usage`; its messages and its answer are looked at by nobody.

Source: LiteLLM 1.108.7 (`StandardLoggingPayload`, `generic_api_callback.py`, `get_standard_logging_object_payload`),
and what a proxy of that version sent, read 2026-11-27.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from apportion.gateway.meters.format import Document, inner, text
from apportion.gateway.meters.measure import Measure, Part
from apportion.gateway.receivers.litellm_usage import measure, usage_of
from apportion.gateway.receivers.posted import Fault, Tally, UnreadableError, refusal, rows_of
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.records import Attempt, lines
from apportion.gateway.tags import RESERVED, Tags

_EARLIEST: Final = datetime(2015, 1, 1, tzinfo=UTC).timestamp()
_DAY_SECONDS: Final = 86_400.0
_LONGEST_MS: Final = 10**9
_ID_DIGITS: Final = 32
_OWN: Final = "x-apportion-"
# LiteLLM's names of providers that OpenTelemetry calls otherwise; a longer name may begin with one, as `vertex_ai-…`.
_PROVIDERS: Final = {
    "openai": "openai", "text-completion-openai": "openai", "azure": "azure.ai.openai", "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference", "bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai", "vertex_ai_beta": "gcp.vertex_ai", "gemini": "gcp.gemini", "mistral": "mistral_ai",
    "codestral": "mistral_ai", "text-completion-codestral": "mistral_ai", "xai": "x_ai", "cohere_chat": "cohere",
    "anthropic_text": "anthropic", "watsonx": "ibm.watsonx.ai", "watsonx_text": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai", "huggingface": "hugging_face", "ollama_chat": "ollama", "hosted_vllm": "vllm",
}  # fmt: skip
_OPERATIONS: Final = {
    "completion": "chat", "anthropic_messages": "chat", "text_completion": "text_completion", "responses": "responses",
    "embedding": "embeddings", "generate_content": "generate_content", "generate_content_stream": "generate_content",
    "image_generation": "image_generation", "image_edit": "image_generation", "transcription": "transcription",
    "speech": "speech", "retrieve_batch": "batch", "create_batch": "batch",
}  # fmt: skip
# The class of an error is told where the provider's status is not. Source: LiteLLM's `exceptions.py`, read 2026-11-27.
_STATUSES: Final = {
    "BadRequestError": 400, "ContextWindowExceededError": 400, "ContentPolicyViolationError": 400,
    "AuthenticationError": 401, "PermissionDeniedError": 403, "NotFoundError": 404, "Timeout": 408,
    "UnprocessableEntityError": 422, "RateLimitError": 429, "InternalServerError": 500, "BadGatewayError": 502,
    "ServiceUnavailableError": 503,
}  # fmt: skip
_OUTCOMES: Final = {"Timeout": "timed_out", "APIConnectionError": "refused_by_network"}
_LEFT: Final = "499"
# Users and keys of LiteLLM that stand for nobody.
_NOBODY: Final = frozenset({"default_user_id"})
# What LiteLLM itself puts among the metadata of whoever asks.
_NO_TAGS: Final = frozenset({"headers", "tags", "used_client_oauth_token"})
_AGENT: Final = "User-Agent:"


def receive(received: Received) -> Answered:
    """What comes of a post of payloads: those that can be read are taken although others cannot."""
    try:
        rows = rows_of(received)
    except UnreadableError as error:
        return refusal(error)
    tally = Tally()
    for number, payload in rows:
        found = payload if isinstance(payload, Fault) else records_of(payload, received)
        if isinstance(found, Fault):
            tally.reject(number, found)
        else:
            tally.accept(found)
    return tally.answered()


def records_of(payload: Document, received: Received) -> list[dict[str, Any]] | Fault:
    """The records of the call that a payload tells of, or why it tells of none.

    Args:
        payload: As LiteLLM wrote it.
        received: The request that it came in.
    """
    called_at = _number(payload.get("startTime"))
    if isinstance(payload.get("startTime"), str) and isinstance(payload.get("usage"), str):
        return Fault("usage", "the payload is of LiteLLM's first form, which tells usage as text",
                     "take `generic_api_use_v1` out of LiteLLM's settings")  # fmt: skip
    if called_at is None or not _EARLIEST <= called_at <= received.received_at + _DAY_SECONDS:
        reason = "`startTime` is not there, is no number, or is not of a time when this call can have been"
        return Fault("startTime", reason, "send LiteLLM's standard logging payloads as they are; look at its clock")
    error = inner(payload, "error_information")
    provider = _provider(payload, error)
    found = _measure(payload, provider, error)
    asked = _asked(payload, error)
    model = _model(payload)
    tags = _tags(payload, received.tags)
    azure = provider == "azure.ai.openai"
    attempt = Attempt(
        record_id=_record_id(payload),
        called_at=called_at,
        upstream=None,
        provider=provider,
        operation=_operation(payload),
        request_model=model,
        deployment=model if azure else None,
        project=None,
        region=text(inner(payload, "cost_breakdown").get("vertex_location")),
        key_id=_known(payload, "user_api_key_hash") or received.key_id,
        user_id=_known(payload, "user_api_key_user_id") or _user(payload),
        tags=tags.values,
        tags_dropped=tags.dropped,
        missing_tags=(),
        batch="batch" in _operation(payload),
        bills=asked,
        status=_status(payload, error),
        outcome=_outcome(payload, error),
        milliseconds=_milliseconds(called_at, payload.get("endTime")),
        first_byte_ms=_milliseconds(called_at, payload.get("completionStartTime")) if payload.get("stream") else None,
        via="litellm",
    )
    return [record | _beside(payload, received, first=record["part"] == 1) for record in lines(attempt, found)]


# --- what the call used


def _measure(payload: Document, provider: str, error: Document) -> Measure:
    if payload.get("cache_hit") is True:
        found = Measure("measured", "answered from LiteLLM's own cache; no provider was asked", (Part(),))
    elif not _asked(payload, error):
        kind = text(error.get("error_class")) or "an error"
        found = Measure("measured", f"refused by LiteLLM ({kind}); no provider was asked", (Part(),))
    else:
        found = measure(usage_of(payload), provider, stream=payload.get("stream") is True)
        found = _ended(found, payload, error)._replace(call_id=_call_id(payload, provider))
    tier = text(inner(payload, "response").get("service_tier")) or found.service_tier
    return found._replace(model=_response_model(payload, provider), service_tier=tier)


def _ended(found: Measure, payload: Document, error: Document) -> Measure:
    """What was used by a call that did not come to its end."""
    told = found.state != "missing"
    if payload.get("status") == "failure":
        said = "/".join(filter(None, (text(error.get("error_class")), text(error.get("error_code"))))) or "an error"
        if told:
            return found._replace(state="estimated", why=f"the call failed ({said}); what had come is counted")
        return found._replace(state="missing", why=f"the call failed ({said}) and told no usage")
    if error.get("error_code") == _LEFT and told:
        return found._replace(state="estimated", why="the caller left; LiteLLM counted what had come")
    return found


def _asked(payload: Document, error: Document) -> bool:
    """Whether a provider was asked: an error of a provider names it, one of LiteLLM's own does not."""
    if payload.get("cache_hit") is True:
        return False
    return payload.get("status") != "failure" or bool(error.get("llm_provider"))


# --- who answered


def _provider(payload: Document, error: Document) -> str:
    model = payload.get("model")
    first = model.partition("/")[0] if isinstance(model, str) and "/" in model else None
    named = text(payload.get("custom_llm_provider")) or text(error.get("llm_provider")) or text(first)
    name = (named or "litellm").lower()
    if name.startswith("vertex_ai"):
        return "gcp.vertex_ai"
    return _PROVIDERS.get(name, name)


def _model(payload: Document) -> str | None:
    """The model as the provider calls it, or the deployment of Azure."""
    model = text(payload.get("model"))
    provider = payload.get("custom_llm_provider")
    if model and isinstance(provider, str) and model.startswith(f"{provider}/"):
        return model[len(provider) + 1 :] or None
    return model


def _response_model(payload: Document, provider: str) -> str | None:
    """The model that answered: as the provider said, else as LiteLLM was told to ask for."""
    if payload.get("status") == "failure":
        return None
    said = text(inner(payload, "apportion").get("response_model"))
    answered = text(inner(payload, "response").get("model"))
    # A proxy puts the name that was asked for into the answer.
    if said or (answered and answered != payload.get("model_group")):
        return said or answered
    if provider != "azure.ai.openai":
        return _model(payload)
    base = text(inner(payload, "model_map_information").get("model_map_key")) or ""
    base = base.rpartition("/")[2]
    return base if base and base != _model(payload) else None


def _call_id(payload: Document, provider: str) -> str | None:
    """The provider's id of the answer, by which a call that was metered elsewhere, too, is known."""
    if payload.get("status") == "failure":
        return None
    headers = inner(payload, "hidden_params", "additional_headers")
    said = inner(payload, "apportion").get("response_id")
    if provider == "aws.bedrock":
        said = said or headers.get("llm_provider-x-amzn-requestid")
    return text(said) or text(_decoded(payload.get("id"))) or text(payload.get("litellm_call_id"))


def _decoded(value: Any) -> Any:
    """An id of OpenAI's responses without what LiteLLM packs around it."""
    if not isinstance(value, str) or not value.startswith("resp_"):
        return value
    packed = value.removeprefix("resp_")
    try:
        said = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return value
    return said.rpartition("response_id:")[2] if said.startswith("litellm:") else value


# --- whose it is


def _known(payload: Document, name: str) -> str | None:
    """What LiteLLM knows of its own key."""
    found = text(inner(payload, "metadata").get(name))
    return None if found in _NOBODY else found


def _user(payload: Document) -> str | None:
    return _known(payload, "user_api_key_end_user_id") or text(payload.get("end_user"))


def _tags(payload: Document, own: Mapping[str, str]) -> Tags:
    """The tags of a call: of the gateway's key, of LiteLLM's key, and only then what its caller says."""
    metadata = inner(payload, "metadata")
    tags = Tags(dict(own))
    for tag, names in _OF_KEYS.items():
        tags.add(tag, next((found for name in names if (found := _known(payload, name))), None))
    tags.add_all(metadata.get("user_api_key_auth_metadata"))
    for key, value in inner(metadata, "requester_custom_headers").items():
        name = key.lower()
        if name.startswith(_OWN) and name.encode() not in RESERVED:
            tags.add(name.removeprefix(_OWN).replace("-", "_"), value)
    listed = payload.get("request_tags")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, str) and not each.startswith(_AGENT):
            _add(tags, each)
    for said in (inner(metadata, "requester_metadata"), inner(metadata, "spend_logs_metadata")):
        for key, value in said.items():
            if key not in _NO_TAGS:
                tags.add(key, value)
    tags.add("end_user", _user(payload))
    return tags


# An alias is what people call it; it goes before the id.
_OF_KEYS: Final = {
    "team": ("user_api_key_team_alias", "user_api_key_team_id"),
    "team_id": ("user_api_key_team_id",),
    "organization": ("user_api_key_org_alias", "user_api_key_org_id"),
    "project": ("user_api_key_project_alias", "user_api_key_project_id"),
    "key_alias": ("user_api_key_alias",),
}


def _add(tags: Tags, said: str) -> None:
    """Take one of LiteLLM's tags, which are words: `team:search` and `team=search` are a key and its value."""
    at = min((place for sign in "=:" if (place := said.find(sign)) > 0), default=-1)
    if at < 0:
        tags.add(said.strip(), "true")
    else:
        tags.add(said[:at].strip(), said[at + 1 :].strip())


# --- what else is known


def _operation(payload: Document) -> str:
    kind = (text(payload.get("call_type")) or "other").lstrip("_")
    return _OPERATIONS.get(kind) or _OPERATIONS.get(kind.removeprefix("a")) or kind


def _status(payload: Document, error: Document) -> int | None:
    code = error.get("error_code")
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():  # noqa: PLR2004 - HTTP's
        return int(code) if code >= "100" else None
    if payload.get("status") == "failure":
        return _STATUSES.get(str(error.get("error_class")))
    return 200 if payload.get("status") == "success" else None


def _outcome(payload: Document, error: Document) -> str:
    if payload.get("status") == "failure":
        return _OUTCOMES.get(str(error.get("error_class")), "error")
    return "caller_gone" if error.get("error_code") == _LEFT else "ok"


def _number(value: Any) -> float | None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return float(number) if number is not None and math.isfinite(number) else None


def _milliseconds(begin: float, end: Any) -> int | None:
    at = _number(end)
    spent = None if at is None else round((at - begin) * 1000)
    return spent if spent is not None and 0 <= spent <= _LONGEST_MS else None


def _record_id(payload: Document) -> str:
    """The same for the same payload, by whatever way and however often it comes."""
    known = payload.get("litellm_call_id") or payload.get("id")
    told = orjson.dumps([known, *(payload.get(name) for name in ("call_type", "status", "startTime"))])
    return f"litellm_{hashlib.sha256(told).hexdigest()[:_ID_DIGITS]}"


def _beside(payload: Document, received: Received, *, first: bool) -> dict[str, Any]:
    """What only LiteLLM knows: the name that its caller asked for, and what it thinks that the call costs."""
    found: dict[str, Any] = {"sent_by": received.key_id}
    if group := text(payload.get("model_group")):
        found["model_group"] = group
    cost = _number(payload.get("response_cost"))
    if first and cost is not None and cost > 0:
        found["litellm_cost"] = orjson.dumps(cost).decode()
    return found
