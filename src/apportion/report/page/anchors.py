"""Anchors: one short, readable name per section, whatever people call their teams and pools."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 60


class Anchors:
    """Hands out anchors, none of them twice; the same names in the same order get the same ones."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, kind: str, name: str) -> str:
        """An anchor such as `owner-search`; names without a Latin letter or digit are numbered."""
        slug = _OTHER.sub("-", name.lower()).strip("-")[:_LONGEST].strip("-")
        first = f"{kind}-{slug}" if slug else kind
        anchor, number = first, 2
        while anchor in self._taken:
            anchor = f"{first}-{number}"
            number += 1
        self._taken.add(anchor)
        return anchor
