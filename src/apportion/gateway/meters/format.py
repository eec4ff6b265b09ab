"""What every wire format has in common: it takes documents, knows when an answer has ended, and what it counted."""

from __future__ import annotations

import re
import string
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import orjson

from apportion.gateway.meters.measure import Measure, Part

Document = Mapping[str, Any]

_LONGEST_RAW: Final = 4096
_LONGEST_NAME: Final = 64
# What JSON of numbers and names is made of.
_OF_NAMES: Final = f'{string.ascii_letters}{string.digits}_.:/@+-{{}}[],"'.encode()
_NAME: Final = re.compile(rf"[\w.:/@+-]{{0,{_LONGEST_NAME}}}", re.ASCII)
_NOTHING: Final[Mapping[str, Any]] = {}
_IDENTIFIER: Final = re.compile(r"[\w.:/@+ -]{1,200}", re.ASCII)
# English text and code have about four characters to a token with the tokenizers of all large providers.
CHARACTERS_PER_TOKEN: Final = 4


class Asked(NamedTuple):
    """What is known of a call before its answer.

    Attributes:
        provider: As OpenTelemetry names it, such as `openai`.
        model: That was asked for.
        input_tokens: Counted from the size of the request, for an answer that does not say.
        characters: Of text to be spoken, which some models are billed by.
        headers: Of the answer, in lower case.
        status: Of the answer, as HTTP has it.
    """

    provider: str
    model: str | None = None
    input_tokens: int = 0
    characters: int = 0
    headers: Mapping[str, str] | None = None
    status: int = 200

    def header(self, name: str) -> str | None:
        """A header of the answer."""
        return self.headers.get(name) if self.headers else None


class Seen(NamedTuple):
    """What a body was like, beside what its documents say.

    Attributes:
        whole: Whether the body came to its end as far as the transport can tell.
        pieces: Events of a stream that carry content.
        characters: Of content in them, counted from their sizes.
        fault: Why the rest of the body could not be read; empty if all could.
    """

    whole: bool
    pieces: int = 0
    characters: int = 0
    fault: str = ""

    @property
    def output_tokens(self) -> int:
        """How many tokens that would be: a piece is at least one."""
        return max(self.pieces, -(-self.characters // CHARACTERS_PER_TOKEN))


class Format(ABC):
    """One wire format while an answer in it comes in.

    Attributes:
        needles: A document of a stream may tell something if it holds one of these.
        ended: Whether the answer has said that it is complete.
    """

    needles: ClassVar[tuple[bytes, ...]] = ()

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.ended = False
        self.error = ""
        self.call_id: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.region: str | None = None
        self.speed: str | None = None

    def tells(self, data: bytes) -> bool:
        """Whether a document of a stream is to be looked into; all others are content, and only counted."""
        for needle in self.needles:  # noqa: SIM110 - it is asked of every piece of every stream, and `any` takes longer
            if needle in data:
                return True
        return False

    def body(self, document: Document) -> None:
        """Take an answer that came as one document."""
        self.event(document)
        self.ended = True

    @abstractmethod
    def event(self, document: Document) -> None:
        """Take one document of a stream."""

    def done(self) -> None:
        """Take the mark by which a stream says that it ends."""
        self.ended = True

    def closed(self) -> None:  # noqa: B027 - most formats have nothing to do then
        """Take the end of a stream that the transport ended as it should; few formats end by that alone."""

    @abstractmethod
    def told(self) -> Measure | None:
        """What the documents say of usage; None where they say nothing.

        Its state is `measured`: whether it can be believed to be all of it is judged by `measure`.
        """

    def measure(self, seen: Seen) -> Measure:
        """What the whole answer comes to.

        Args:
            seen: What its body was like.
        """
        found = self.told()
        if found is None:
            found = self._without(seen)
        elif found.state == "measured" and not self.ended:
            why = seen.fault or "the answer was cut off before it said that it was complete"
            parts = self._grown(found.parts, seen)
            found = found._replace(state="estimated", why=why, parts=parts)
        return Measure(
            found.state, found.why, found.parts, self.call_id, self.model, self.service_tier, self.region, self.speed,
            found.fees, found.cost, found.flags, found.raw,
        )  # fmt: skip

    def _grown(self, parts: tuple[Part, ...], seen: Seen) -> tuple[Part, ...]:
        """Parts of a cut answer, whose output is at least what has come."""
        if len(parts) != 1 or parts[0].output >= seen.output_tokens:
            return parts
        return (parts[0]._replace(output=seen.output_tokens),)

    def _without(self, seen: Seen) -> Measure:
        """An answer that says nothing of usage."""
        if self.error or self.asked.status >= 400:  # noqa: PLR2004 - HTTP's first error
            said = f" ({self.error})" if self.error else ""
            if not seen.pieces:
                return Measure("missing", f"the provider answered {self.asked.status}{said} and told no usage")
            why = f"an error{said} ended the stream before it told its usage"
        elif seen.fault:
            why = seen.fault
        elif not (seen.whole and self.ended) and not (seen.whole and seen.pieces):
            why = "the answer was cut off before it told its usage"
        else:
            why = "the answer tells no usage"
        guess = Part(uncached_input=self.asked.input_tokens, output=seen.output_tokens)
        if not guess.tokens:
            return Measure("missing", why)
        counted = "tokens are counted from the sizes of request and answer"
        return Measure("estimated", f"{why}; {counted}", (guess,))


def text(value: Any) -> str | None:
    """An identifier out of a document: short and plain, or None. What a person wrote is none."""
    return value if isinstance(value, str) and value and _IDENTIFIER.fullmatch(value) else None


def inner(document: Any, *path: str) -> Mapping[str, Any]:
    """An object inside a document; empty where there is none."""
    found: Any = document
    for key in path:
        found = found.get(key) if type(found) is dict else None
    return found if type(found) is dict else _NOTHING


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if type(each) is dict] if type(value) is list else []


def raw(*usages: Any) -> str:
    """Usage objects as JSON: one as it is, several as a list; no text that can be no name."""
    kept = [usage for usage in usages if usage is not None]
    if not kept:
        return ""
    try:
        whole = kept[0] if len(kept) == 1 else kept
        found = orjson.dumps(whole)
        # What can be no name is told without reading it: it is too long, or has a character that no name has.
        if found.translate(None, _OF_NAMES) or len(max(found.split(b'"'), key=len)) > _LONGEST_NAME:
            found = orjson.dumps(_names_only(whole))
    except (orjson.JSONEncodeError, RecursionError):
        return ""
    return found.decode() if len(found) <= _LONGEST_RAW else ""


def _names_only(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _names_only(each) for key, each in value.items() if _NAME.fullmatch(key)}
    if kind is list:
        return [_names_only(each) for each in value]
    return None if kind is str and not _NAME.fullmatch(value) else value


def error_of(document: Document) -> str:
    """The kind of an error that a document tells, never its message, which may quote a prompt."""
    found = document.get("error")
    if found is None:
        return ""
    if isinstance(found, str):
        return text(found) if " " not in found and text(found) else "error"  # type: ignore[return-value]
    if type(found) is not dict:
        return ""
    names = (text(found.get(key)) for key in ("code", "type", "status"))
    return next((name for name in names if name), "error")


def flags(*lists: Iterable[str]) -> tuple[str, ...]:
    """What contradicts itself, each once."""
    return tuple(dict.fromkeys([flag for each in lists for flag in each]))
