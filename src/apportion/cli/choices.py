"""What a command may be asked for, word by word: the tables that can be exported, the categories of cost."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import typer

_Choice = TypeVar("_Choice", bound=StrEnum)


class ExportName(StrEnum):
    """The tables that can be exported."""

    STATEMENTS = "statements"
    REASONS = "reasons"
    COVERAGE = "coverage"
    COVERAGE_BY_DIMENSION = "coverage-by-dimension"
    UNIT_COSTS = "unit-costs"
    CUSTOMERS = "customers"
    SEATS = "seats"
    GPUS = "gpus"
    RESERVATIONS = "reservations"
    CATEGORY_BY_OWNER = "category-by-owner"
    TIER_BY_FEATURE = "tier-by-feature"
    ENVIRONMENTS = "environments"
    USUAL_TABLES = "usual-tables"
    RECONCILIATION = "reconciliation"
    POOLS = "pools"
    CLAIMS = "claims"
    INVOICES = "invoices"
    CHARGES = "charges"
    POSTINGS = "postings"
    DECISIONS = "decisions"
    QUARANTINE = "quarantine"
    USAGE_CELLS = "usage-cells"
    ALLOCATED_CHARGES = "allocated-charges"


class Category(StrEnum):
    """The categories of cost."""

    INFERENCE = "inference"
    TRAINING = "training"
    LICENSING = "licensing"
    OVERHEAD = "overhead"


class EngineKind(StrEnum):
    """What works on the calls."""

    DUCKDB = "duckdb"
    SPARK = "spark"


def one_of(kind: type[_Choice]) -> Callable[[str], _Choice]:
    """Take one of some words, and name them all, with the nearest, where it is none of them."""

    def parse(text: str) -> _Choice:
        try:
            return kind(text)
        except ValueError:
            words = [str(member) for member in kind]
            near = difflib.get_close_matches(text, words, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}{hint}") from None

    return parse
