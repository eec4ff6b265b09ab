"""How a file writes its days, told from its values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

_ISO = re.compile(
    r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|z|UTC|[+-]\d{2}(:?\d{2})?)?)?)?|\d{9,19}", re.ASCII
)
# Tried in this order; the first that reads every value is meant.
_FORMS = (
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y%m",
    "%d-%m-%Y",
    "%Y-%m-%d %H:%M:%S +0000 UTC",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%b %d, %Y",
    "%d %b %Y",
)
_TURNED = {"%m/%d/%Y": "%d/%m/%Y", "%m/%d/%y": "%d/%m/%y"}


@dataclass(frozen=True)
class Form:
    """How days are written.

    Attributes:
        pattern: As `set: {date_format: …}` says it; None for the form that needs no saying.
        doubtful: Whether day and month could as well stand the other way round.
        known: Whether every value can be read at all.
    """

    pattern: str | None
    doubtful: bool = False
    known: bool = True


def form_of(values: Iterable[str]) -> Form:
    """The form of days and instants that reads every value."""
    texts = {value.strip() for value in values}
    odd = [text for text in texts if not _ISO.fullmatch(text)]
    if not odd:
        return Form(None)
    for pattern in _FORMS:
        if all(_reads(text, pattern) for text in odd):
            turned = _TURNED.get(pattern)
            return Form(pattern, doubtful=turned is not None and all(_reads(text, turned) for text in odd))
    return Form(None, known=False)


def _reads(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True
