"""Whom and what a call is for: tags from its headers, its baggage and its body, within bounds.

Sources: W3C Baggage, OpenAI's `metadata`, Anthropic's `metadata.user_id`, Vertex AI's `labels`, Bedrock's
`requestMetadata`; each one's reference, read 2026-11-27.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from apportion.gateway.heads import OWN, Header

MOST_TAGS: Final = 32
LONGEST_KEY: Final = 64
LONGEST_VALUE: Final = 256
_KEY: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)
# Of the gateway itself; every other header that begins so is a tag.
RESERVED: Final = frozenset({b"x-apportion-key"})
_BAGGAGE: Final = "apportion."


@dataclass(slots=True)
class Tags:
    """The tags of a call while they are gathered; what is there first stays.

    Attributes:
        values: By key.
        dropped: How many were too many, too long or no text.
    """

    values: dict[str, str] = field(default_factory=dict)
    dropped: int = 0

    def add(self, key: str, value: Any) -> None:
        """Take a tag, unless its key is there already."""
        if key in self.values or value is None or value == "":
            return
        if isinstance(value, bool | int | float):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        fits = isinstance(value, str) and len(value) <= LONGEST_VALUE and value.isprintable() and _KEY.fullmatch(key)
        if not fits or len(self.values) >= MOST_TAGS:
            self.dropped += 1
            return
        self.values[key] = value

    def add_all(self, tags: Any) -> None:
        """Take an object's keys and values; anything else is none."""
        if isinstance(tags, Mapping):
            for key, value in tags.items():
                self.add(str(key), value)


def from_headers(tags: Tags, headers: Iterable[Header]) -> None:
    """Take `x-apportion-<dimension>` and the baggage entries `apportion.<dimension>`."""
    baggage: list[str] = []
    for name, value in headers:
        key = name.lower()
        if key.startswith(OWN) and key not in RESERVED:
            tags.add(key[len(OWN) :].decode("latin-1").replace("-", "_"), header_text(value))
        elif key == b"baggage":
            baggage.append(value.decode("latin-1"))
    for entry in ",".join(baggage).split(",") if baggage else ():
        said, _, rest = entry.partition("=")
        if said.strip().startswith(_BAGGAGE):
            tags.add(said.strip().removeprefix(_BAGGAGE), unquote(rest.partition(";")[0].strip()))


def others_baggage(value: bytes) -> bytes:
    """A baggage header without the entries that are ours; empty where nothing is left."""
    entries = value.decode("latin-1").split(",")
    kept = [entry for entry in entries if entry.strip() and not entry.strip().startswith(_BAGGAGE)]
    return ",".join(kept).strip().encode("latin-1")


def header_text(value: bytes) -> str:
    """A header's value: UTF-8 where it is that, as most clients send it, else Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
