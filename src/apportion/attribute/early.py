"""Conditions that are evaluated for each call, before the fold, because they read what a cell no longer has.

A cell holds many calls of one day: to keep each call's instant or id would keep every call apart. Where
`{value: v, when: …}` reads one, the fold keeps the outcome of the condition and not what it read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from apportion.config.conditions import Condition, Name
from apportion.config.dimensions import BUILT_IN, ValueEvidence
from apportion.config.settings import Settings

PREFIX = "when_"
_FINE = frozenset({"called_at", "call_id"})
# Built-in dimensions that a call has as they are.
_ON_A_CALL = frozenset({"provider", "model"})


@dataclass(frozen=True)
class CellEvidence:
    """What a cell keeps of its calls as evidence.

    Attributes:
        tags: Keys of tags, each in a column `tag_<key>`.
        columns: Fields, each in a column `raw_<field>`.
        early: Conditions whose outcome is kept, by the column that has it.
    """

    tags: tuple[str, ...]
    columns: tuple[str, ...]
    early: Mapping[str, Condition]

    @classmethod
    def of(cls, settings: Settings) -> CellEvidence:
        """What a project's dimensions and rules need of the calls."""
        tags, columns = settings.evidence_names()
        early = dict(_early(settings, columns))
        outcomes = set(early.values())
        needed = settings.evidence_names(without=outcomes)[1]
        return cls(tuple(tags), tuple(c for c in columns if c not in _FINE or c in needed), early)

    @property
    def names(self) -> list[str]:
        """The columns of a cell, in order."""
        kept = [*(f"tag_{key}" for key in self.tags), *(f"raw_{column}" for column in self.columns)]
        return [*kept, *self.early]


def early_column(dimension: str, number: int) -> str:
    """The column that holds whether the n-th evidence of a dimension has its value."""
    return f"{PREFIX}{dimension}_{number}"


def early_sql(condition: Condition, tag_columns: Mapping[str, str]) -> str:
    """A condition over the calls of a slice; never NULL.

    Args:
        condition: As `CellEvidence` has it.
        tag_columns: The column of each tag key in the slice.
    """

    def resolve(found: Name) -> exp.Expr:
        key = tag_columns[found.key] if found.kind == "tag" else found.key
        column = exp.column(exp.to_identifier(key, quoted=True))
        # It is one already: saying so spares reading it from text for each call.
        return exp.cast(column, "TIMESTAMP") if found == Name("field", "called_at") else column

    return condition.to_sql(resolve).sql(dialect="duckdb")


def _early(settings: Settings, columns: Collection[str]) -> Iterator[tuple[str, Condition]]:
    there = _ON_A_CALL | set(columns)
    for name in settings.dimension_names:
        if name in BUILT_IN:
            continue
        for number, item in enumerate(settings.dimension(name).evidence):
            if not isinstance(item, ValueEvidence):
                continue
            fields = {found.key for found in item.when.names if found.kind == "field"}
            if fields & _FINE and fields <= there:
                yield early_column(name, number), item.when
