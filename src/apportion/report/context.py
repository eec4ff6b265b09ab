"""What every report has to know besides the tables, and how people's names are shown."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from apportion.errors import WrongUsage
from apportion.money import nano_per_minor

UNALLOCATED = "unallocated"
UNCLASSIFIED = "unclassified"
HIDDEN = "(hidden)"
EVERYTHING_ELSE = "Everything else"
PERSON_DIMENSION = "user"

Users = Literal["name", "pseudonym", "hidden"]


@dataclass(frozen=True)
class Context:
    """The settings of a project that its reports read.

    Attributes:
        currency: The ledger currency, ISO 4217; every amount of a report is in it unless it says otherwise.
        owner: The dimension that is charged.
        dimensions: Every dimension of the project, the owner's among them, in the user's order.
        users: Whether people are shown by name, by a stable pseudonym, or not at all.
        reconcile_warn: From how many percent of the invoice on a variance is a warning.
        reconcile_block: From how many percent on it blocks a close.
        company: Who the report is for.
        salt: The project's own salt for pseudonyms, so that two projects cannot be joined by them.
        run: The run that the tables come from.
    """

    currency: str
    owner: str = "team"
    dimensions: tuple[str, ...] = ()
    users: Users = "name"
    reconcile_warn: Decimal = Decimal(1)
    reconcile_block: Decimal = Decimal(5)
    company: str = ""
    salt: str = ""
    run: str = ""

    @property
    def unit(self) -> int:
        """How many nano-units of the ledger currency make one minor unit."""
        return nano_per_minor(self.currency)

    def known(self, dimension: str) -> str:
        """A dimension that exists, `category` among them.

        Raises:
            WrongUsage: No dimension has this name.
        """
        names = (self.owner, *self.dimensions, "category")
        if dimension in names:
            return dimension
        near = difflib.get_close_matches(dimension, names, n=1)
        raise WrongUsage(
            "unknown-dimension",
            f"{dimension!r} is no dimension of this project; it has {', '.join(dict.fromkeys(names))}",
            cure=f"use {near[0]!r}" if near else "name one of them, or add it to apportion.yaml",
        )


def shown_value(context: Context, dimension: str, value: str) -> str:
    """A value of a dimension as a reader may see it; the twin of `queries.shown`.

    Only the dimension `user` names people. A pseudonym is `u-` and the first 8 hex digits of SHA-256 over the
    project's salt, a colon and the name: the same person has the same one in every report of the project.
    """
    if dimension != PERSON_DIMENSION or context.users == "name" or value == UNALLOCATED:
        return value
    if context.users == "hidden":
        return HIDDEN
    return "u-" + hashlib.sha256(f"{context.salt}:{value}".encode()).hexdigest()[:8]


def is_rest(value: object) -> bool:
    """Whether a value stands for cost that nobody owns, or that has no class; it comes last and grey."""
    return value in (UNALLOCATED, UNCLASSIFIED)


def is_quiet(value: object) -> bool:
    """Whether a row is shown grey: what nobody owns, what has no class, and what is left after what is told."""
    return is_rest(value) or value == EVERYTHING_ELSE
