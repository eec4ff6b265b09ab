"""The settings to be, as plain values: what is read, whose it is, and which rule divides what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apportion.setup.files import Passed
from apportion.setup.sources import Source

# What stands in a flow mapping: texts, lists of texts, mappings of texts, and mappings of these.
Value = str | tuple["Value", ...] | Mapping[str, "Value"]


@dataclass(frozen=True)
class Lens:
    """A dimension with its evidence.

    Attributes:
        name: Of the dimension.
        evidence: In the order in which it is tried, each with why it is there.
    """

    name: str
    evidence: tuple[tuple[Mapping[str, Value], str], ...]


@dataclass(frozen=True)
class Division:
    """An allocation rule.

    Attributes:
        name: Of the rule.
        says: Its settings after the name.
        why: What of the bills it is for.
    """

    name: str
    says: Mapping[str, Value]
    why: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A source that was recognised and is not read, because a check of the project would fail.

    Attributes:
        source: It, as it would be written.
        reason: What stands against it.
    """

    source: Source
    reason: str


@dataclass(frozen=True)
class Draft:
    """Everything that the proposed file says.

    Attributes:
        company: The company.
        currency: Of the ledger.
        owner: The dimension that is charged.
        sources: What is read.
        left_out: What is recognised, and stands there as a comment.
        passed: Files that are no input.
        roots: Folders outside the project that hold sources.
        scope: Conditions of charges that are AI as well.
        categories: Category, condition and reason.
        lenses: The dimensions.
        rules: Allocation rules in order.
        spare_tags: Tags that are seen and not used, with how often.
        notes: What was assumed, in sentences.
    """

    company: str
    currency: str
    owner: str = "team"
    sources: tuple[Source, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    passed: tuple[Passed, ...] = ()
    roots: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    categories: tuple[tuple[str, str, str], ...] = ()
    lenses: tuple[Lens, ...] = ()
    rules: tuple[Division, ...] = ()
    spare_tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def of(self, section: str) -> list[Source]:
        """The sources of one section, in their order."""
        return [source for source in self.sources if source.section == section]
