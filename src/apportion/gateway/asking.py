"""What the body of a request says: the model, whether the answer is a stream, tags, and how large it is.

Nothing of a body is kept. One kind of body is changed, by as few bytes as can be: a stream of OpenAI's dialect that
does not ask for its usage is made to, because it would not tell it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from apportion.gateway.meters.format import CHARACTERS_PER_TOKEN, text
from apportion.gateway.routes import Route
from apportion.gateway.tags import Tags

# Pictures and sound are no text; the size of a request without them is what its tokens can be told from.
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{1024,}={0,2}")
_OPTIONS: Final = re.compile(rb'"stream_options"\s*:\s*(\{|null)')
# As OpenAI, Anthropic, Gemini and Bedrock have it (their references, read 2026-11-27).
_MOST_OUTPUT: Final = (
    "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tokens_to_sample", "maxOutputTokens", "maxTokens",
)  # fmt: skip
_ASKED: Final = re.compile(rb'"include_usage"\s*:\s*(true|false|null)')


@dataclass(slots=True)
class Asking:
    """A request, as far as its body tells.

    Attributes:
        body: To be sent; the one that came unless usage had to be asked for.
        model: That is asked for.
        streams: Whether the answer will be a stream.
        user_id: Of the caller, where the provider has a field for it.
        input_tokens: Told from the size of its text.
        characters: Of text to be spoken.
        most_output: Tokens that the answer may have; None where it does not say.
        asked_for_usage: Whether `body` asks for usage that the caller did not ask for.
    """

    body: bytes
    model: str | None = None
    streams: bool = False
    user_id: str | None = None
    input_tokens: int = 0
    characters: int = 0
    most_output: int | None = None
    asked_for_usage: bool = False


def read(route: Route, body: bytes, tags: Tags, *, ask_usage: bool) -> Asking:
    """Look into a body.

    Args:
        route: What is asked for.
        body: The whole of it.
        tags: Get what the provider's own fields for tags say.
        ask_usage: Whether a stream may be made to tell its usage.
    """
    asking = Asking(body, route.model)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return asking
    if not isinstance(found, dict):
        return asking
    asking.model = text(found.get("model")) or route.model
    asking.streams = found.get("stream") is True
    asking.input_tokens = _tokens(body)
    asking.most_output = _most_output(found)
    spoken = found.get("input")
    if route.operation.form is None and isinstance(spoken, str):
        asking.characters = len(spoken)
    _tags(found, tags, asking)
    if asking.streams and ask_usage and route.operation.asks_usage:
        asking.body = _with_usage(body, found)
        asking.asked_for_usage = asking.body is not body
    return asking


def _tags(found: dict[str, Any], tags: Tags, asking: Asking) -> None:
    metadata = found.get("metadata")
    if isinstance(metadata, dict):
        asking.user_id = text(metadata.get("user_id"))
        tags.add_all({key: value for key, value in metadata.items() if key != "user_id"})
    for name in ("labels", "requestMetadata"):
        if name in found:
            tags.add_all(found[name])
    for name in ("safety_identifier", "user"):
        if name in found:
            asking.user_id = asking.user_id or text(found[name])


def _most_output(found: dict[str, Any]) -> int | None:
    """How many tokens all answers together may have."""
    inner = found.get("generationConfig") or found.get("inferenceConfig")
    for place in (found, inner) if isinstance(inner, dict) else (found,):
        for name in _MOST_OUTPUT:
            if type(most := place.get(name)) is int and most > 0:
                answers = place.get("n") or place.get("candidateCount")
                return most * (answers if isinstance(answers, int) and answers > 0 else 1)
    return None


def _tokens(body: bytes) -> int:
    size = len(body)
    if b"base64" in body or b"inlineData" in body or b"inline_data" in body:
        size -= sum(len(each) for each in _BASE64.findall(body))
    return -(-size // CHARACTERS_PER_TOKEN)


def _with_usage(body: bytes, found: dict[str, Any]) -> bytes:
    """The body with `stream_options.include_usage`, by a splice; as it is where that is there or cannot be told."""
    options = found.get("stream_options")
    if not (options is None or isinstance(options, dict)) or (options or {}).get("include_usage") is True:
        return body
    places = _OPTIONS.findall(body)
    made = body
    if "stream_options" not in found and not places:
        made = body.replace(b"{", b'{"stream_options":{"include_usage":true},', 1)
    elif len(places) == 1 and options is None:
        made = _OPTIONS.sub(b'"stream_options":{"include_usage":true}', body, count=1)
    elif len(places) == 1 and isinstance(options, dict):
        asked = _ASKED.findall(body)
        if "include_usage" in options and len(asked) == 1:
            made = _ASKED.sub(b'"include_usage":true', body, count=1)
        elif "include_usage" not in options and not asked:
            comma = b"," if options else b""
            made = _OPTIONS.sub(b'"stream_options":{"include_usage":true' + comma, body, count=1)
    return made if _means(made, found) else body


def _means(made: bytes, found: dict[str, Any]) -> bool:
    """Whether a changed body says the same but for the usage that it asks for."""
    try:
        again = orjson.loads(made)
    except orjson.JSONDecodeError:
        return False
    options = dict(found.get("stream_options") or {})
    return bool(again == {**found, "stream_options": {**options, "include_usage": True}})
