"""The units of measured quantities, spelled in one way.

Weights of one pool must be in one unit; two spellings of it must not look like two units.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ruamel.yaml import YAML

_IGNORED = re.compile(r"[-_ ]")


@dataclass(frozen=True)
class Unit:
    """A unit of a quantity.

    Attributes:
        name: As FOCUS spells units, such as `GPU-Hours`.
        measures: What it counts; units of one kind can stand for each other in a sentence, not in a sum.
    """

    name: str
    measures: str


@cache
def known_units() -> Mapping[str, Unit]:
    """The known units by every folded spelling."""
    text = (files("apportion") / "units.yml").read_text(encoding="utf-8")
    found: dict[str, Unit] = {}
    for entry in YAML(typ="safe").load(text):
        unit = Unit(entry["name"], entry["measures"])
        for spelling in (unit.name, *entry["aliases"]):
            found[_fold(spelling)] = unit
    return found


def spelled(text: str) -> str:
    """A unit in its usual spelling; one that is not known keeps its own.

    Currencies are units too and are written as their ISO 4217 codes.
    """
    unit = known_units().get(_fold(text))
    return unit.name if unit else text.strip()


def _fold(text: str) -> str:
    return _IGNORED.sub("", text.strip().lower())
