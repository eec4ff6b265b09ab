"""Tags of a call in the provider's own field for such things, so that the provider's reports carry them too.

Only who asks for it in the settings gets it. What the caller has put there stays and goes first; everything else of the
body stays byte by byte; and where that cannot be done for certain the body goes on as it came.

Sources: OpenAI's and Azure OpenAI's `metadata` (16 pairs, 64 and 512 characters; with a chat only where `store` is
true), Anthropic's `metadata.user_id` (an opaque identifier), Vertex AI's `labels` (Custom metadata labels), Amazon
Bedrock's `requestMetadata` and `X-Amzn-Bedrock-Request-Metadata` (botocore 1.44.7); each one's reference, read
2026-11-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from apportion.gateway.call import Call
from apportion.gateway.heads import Header
from apportion.gateway.meters.anthropic import Messages
from apportion.gateway.meters.bedrock import Converse, Invoke
from apportion.gateway.meters.format import Format
from apportion.gateway.meters.gemini import GenerateContent
from apportion.gateway.meters.openai import Chat, Responses

# In the settings: every tag that the call carries.
EVERY: Final = ("*",)
# A body under a signature of the caller's may not change.
_SIGNED: Final = frozenset({b"content-md5", b"content-digest", b"digest", b"x-amz-content-sha256", b"signature"})
_BEDROCK_HEADER: Final = b"X-Amzn-Bedrock-Request-Metadata"
_MOST_HEADER_BYTES: Final = 8500
# Of a JSON document, whatever stands in it: its texts whole, and the brackets between them.
_TOKENS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_BLANK: Final = b" \t\n\r"


class Field(NamedTuple):
    """A provider's own field.

    Attributes:
        name: Of it, at the top of the body.
        most: Pairs that it may have.
        key: What a key may be.
        value: What a value may be.
        opaque: Whether it takes one value under `user_id`, that must tell nobody who it is.
        stored: Whether it is taken only with `store`.
    """

    name: str
    most: int
    key: re.Pattern[str]
    value: re.Pattern[str]
    opaque: bool = False
    stored: bool = False


_METADATA: Final = Field("metadata", 16, re.compile(r".{1,64}"), re.compile(r".{0,512}"))
_STORED: Final = _METADATA._replace(stored=True)
_USER_ID: Final = Field("metadata", 16, re.compile(r"user_id"), re.compile(r".{1,256}"), opaque=True)
# Letters are those of any script that has no capitals, or the small ones.
_LABELS: Final = Field("labels", 64, re.compile(r"[^\W\d_][\w-]{0,62}"), re.compile(r"[\w-]{0,63}"))
_PLAIN: Final = r"[a-zA-Z0-9\s:_@$#=/+,.-]"
_REQUEST: Final = Field("requestMetadata", 16, re.compile(_PLAIN + "{1,256}"), re.compile(_PLAIN + "{0,256}"))
# By provider and the form of what is asked for, with the end of its path: a provider that speaks several dialects has a
# field in one of them and not in the others.
FIELDS: Final[Mapping[tuple[str, type[Format], str], Field]] = {
    ("openai", Chat, "/chat/completions"): _STORED,
    ("openai", Responses, "/responses"): _METADATA,
    ("azure.ai.openai", Chat, "/chat/completions"): _STORED,
    ("azure.ai.openai", Responses, "/responses"): _METADATA,
    ("anthropic", Messages, "/messages"): _USER_ID,
    ("gcp.vertex_ai", GenerateContent, ":generateContent"): _LABELS,
    ("gcp.vertex_ai", GenerateContent, ":streamGenerateContent"): _LABELS,
    ("aws.bedrock", Converse, "/converse"): _REQUEST,
    ("aws.bedrock", Converse, "/converse-stream"): _REQUEST,
    ("aws.bedrock", Invoke, "/invoke"): _REQUEST,
    ("aws.bedrock", Invoke, "/invoke-with-response-stream"): _REQUEST,
}


def inject(call: Call) -> str:
    """Write a call's tags into the provider's own field.

    Args:
        call: Whose tags are all known, and whose body is.

    Returns:
        What became of it, as `Injected` has it; empty where the provider has no such field.
    """
    found = injected(call)
    if found is None:
        return ""
    call.asking.body = found.body
    if found.headers:
        call.head = call.head._replace(headers=[*call.head.headers, *found.headers])
    return found.result


class Injected(NamedTuple):
    """What became of a request.

    Attributes:
        body: To be sent.
        headers: To be sent beside the caller's.
        result: `done`; `unneeded` where there was nothing to add; or `not_possible`.
    """

    body: bytes
    headers: tuple[Header, ...] = ()
    result: str = "done"


def injected(call: Call) -> Injected | None:
    """A call's request with its tags in the provider's own field; None where it has none.

    Args:
        call: As for `inject`.
    """
    upstream, body = call.upstream, call.asking.body
    if upstream is None or not upstream.inject:
        return None
    form = call.route.operation.form
    field = None if form is None else FIELDS.get((upstream.provider, form, _end(call.rest)))
    if field is None:
        return None
    known = call.head.known
    if not _SIGNED.isdisjoint(known) or known.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        return Injected(body, result="not_possible")
    wanted = _wanted(call, field, upstream.inject)
    if form is Invoke:
        return _in_header(body, known, wanted, field)
    return in_body(body, wanted, field)


def _end(path: str) -> str:
    """The last word of a path, with the sign before it."""
    return path[max(path.rfind("/"), path.rfind(":")) :] if not path.endswith("/chat/completions") else path[-17:]


def _wanted(call: Call, field: Field, names: tuple[str, ...]) -> dict[str, str]:
    """The tags that the field can take as they are; none is bent into shape."""
    if field.opaque:
        who = call.who.key_id
        return {} if who == "none" else {"user_id": who}
    tags = call.tags.values
    chosen = tags if names == EVERY else {name: tags[name] for name in names if name in tags}
    return {
        name: value
        for name, value in chosen.items()
        if field.key.fullmatch(name) and field.value.fullmatch(value) and (field is not _LABELS or _small(name + value))
    }


def _small(text: str) -> bool:
    return text == text.lower()


def in_body(body: bytes, wanted: Mapping[str, str], field: Field) -> Injected:
    """A body with pairs in its field.

    Args:
        body: Of the request.
        wanted: The pairs.
        field: Where they go.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Injected(body, result="not_possible")
    if not isinstance(said, dict) or (field.stored and said.get("store") is not True):
        return Injected(body, result="not_possible")
    theirs = said.get(field.name)
    if not (theirs is None or isinstance(theirs, dict)):
        return Injected(body, result="not_possible")
    before = theirs or {}
    pairs = {key: value for key, value in wanted.items() if key not in before}
    pairs = dict(list(pairs.items())[: max(0, field.most - len(before))])
    if not pairs:
        return Injected(body, result="unneeded")
    made = _spliced(body, said, field.name, pairs)
    if made is None or not _means(made, {**said, field.name: {**pairs, **before}}):
        return Injected(body, result="not_possible")
    return Injected(made)


def _spliced(body: bytes, said: Mapping[str, Any], name: str, pairs: Mapping[str, str]) -> bytes | None:
    """The body with pairs at the beginning of its field, which is made where there is none."""
    places = [end for key, end in _keys(body) if key == name]
    inner = orjson.dumps(pairs)[1:-1]
    if not places:
        at = body.index(b"{") + 1
        comma = b"," if said else b""
        return b"%b%b:{%b}%b%b" % (body[:at], orjson.dumps(name), inner, comma, body[at:])
    if len(places) > 1:
        # Which of two fields counts is for the provider to say.
        return None
    at = places[0]
    if body.startswith(b"null", at):
        return b"%b{%b}%b" % (body[:at], inner, body[at + len(b"null") :])
    at += 1
    comma = b"," if said[name] else b""
    return b"%b%b%b%b" % (body[:at], inner, comma, body[at:])


def _keys(body: bytes) -> Iterator[tuple[str, int]]:
    """The keys at the top of an object, each with the place where its value begins.

    Args:
        body: JSON; the parser has said so.
    """
    depth = 0
    for token in _TOKENS.finditer(body):
        sign = token[0]
        if sign in (b"{", b"["):
            depth += 1
        elif sign in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            at = _past_blanks(body, token.end())
            if body[at : at + 1] == b":":
                yield orjson.loads(sign), _past_blanks(body, at + 1)


def _past_blanks(body: bytes, at: int) -> int:
    while at < len(body) and body[at] in _BLANK:
        at += 1
    return at


def _means(made: bytes, meant: Mapping[str, Any]) -> bool:
    """Whether a changed body says what it should and nothing else."""
    try:
        return bool(orjson.loads(made) == meant)
    except orjson.JSONDecodeError:
        return False


def _in_header(body: bytes, known: Mapping[bytes, bytes], wanted: Mapping[str, str], field: Field) -> Injected:
    if _BEDROCK_HEADER.lower() in known:
        return Injected(body, result="unneeded")
    pairs = dict(list(wanted.items())[: field.most])
    if not pairs:
        return Injected(body, result="unneeded")
    value = orjson.dumps(pairs)
    if len(value) > _MOST_HEADER_BYTES:
        return Injected(body, result="not_possible")
    return Injected(body, ((_BEDROCK_HEADER, value),))
