"""Everything that `apportion.yaml` says, typed and normalised."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Self

from pydantic import Field, PrivateAttr

from apportion.config.approved import OwnerRule, evidence_of, pools_of
from apportion.config.conditions import Condition
from apportion.config.dimensions import (
    BUILT_IN,
    ApprovedKeys,
    Dimension,
    LookupEvidence,
    ValueEvidence,
    WrittenDimension,
    built_in,
)
from apportion.config.gateway import Gateway
from apportion.config.policies import CategoryRule, Policies, Scope, Unallocated
from apportion.config.rules import ProportionalRule, Rule
from apportion.config.sources import Bill, Directory, Meter, Prices, Rates, Seats, Usage
from apportion.config.written import DimensionName, Text, Written, Zone


class Settings(Written):
    """The settings of an apportion project."""

    company: Text
    """The company, as reports show it."""
    currency: Text
    """The one ledger currency, an ISO 4217 code; others are converted."""
    time_zone: Zone = "UTC"
    """Whose calendar limits go by, such as `Europe/Berlin`; accounting periods are UTC."""
    owner: Text = "team"
    """The dimension that is charged; statements by other dimensions re-cut the same cents."""
    policies: Policies = Policies()
    """How the project treats variance, credits, tax, currency, seats, heads and people's names."""
    bills: tuple[Bill, ...] = ()
    """Money: what vendors charge."""
    usage: tuple[Usage, ...] = ()
    """Evidence: calls of models."""
    meters: tuple[Meter, ...] = ()
    """Evidence: measured quantities."""
    directory: tuple[Directory, ...] = ()
    """Who is who, with dates."""
    seats: tuple[Seats, ...] = ()
    """Seats of tools."""
    prices: Prices = Prices()
    """Corrections to the price list."""
    fx: Rates | None = None
    """Currency rates."""
    scope: Scope = Scope()
    """What of a bill is AI."""
    categories: tuple[CategoryRule, ...] = ()
    """The project's own category rules, in order, before the built-in ones."""
    dimensions: Mapping[DimensionName, WrittenDimension] = Field(default_factory=dict)
    """Lenses on the cost, each with its ordered evidence; those of the model are built in."""
    allocate: tuple[Rule, ...] = ()
    """Allocation rules, in order; the first that matches a charge owns it."""
    unallocated: Unallocated = Unallocated()
    """What happens to cost without an owner."""
    gateway: Gateway | None = None
    """The gateway that meters calls on their way to the providers."""
    warehouse: Text | None = None
    """Where published tables lie: `s3://…`, `gs://…` or `az://…`; in the project's folder if not given."""
    books: Text | None = None
    """The database of the books, without a password: `postgresql+psycopg://user@host/name`; SQLite if not given."""
    roots: tuple[Text, ...] = ()
    """Further folders that paths may point into."""

    _columns: frozenset[str] = PrivateAttr(default=frozenset())
    _approved: tuple[OwnerRule, ...] = PrivateAttr(default=())
    _kept: frozenset[str] = PrivateAttr(default=frozenset())

    def with_columns(self, columns: Collection[str]) -> Self:
        """The same settings, knowing which names are columns of charges or usage (D15)."""
        copy = self.model_copy()
        copy._columns = frozenset(columns) - set(BUILT_IN)  # noqa: SLF001 - its own copy
        return copy

    def with_approved(self, rules: Sequence[OwnerRule]) -> Self:
        """The same settings with owner rules that were approved, and the pools that approved splits feed.

        Args:
            rules: In the order of their approval; of two that would decide the same calls the first one holds.
        """
        held: list[OwnerRule] = []
        for rule in rules:
            if not any(rule.meets(other) for other in held):
                held.append(rule)
        copy = self.model_copy(update={"allocate": (*self.allocate, *pools_of(held))})
        copy._approved = tuple(held)  # noqa: SLF001 - its own copy
        return copy

    @property
    def approved(self) -> tuple[OwnerRule, ...]:
        """Owner rules that were approved, in the order of their approval."""
        return self._approved

    def with_kept(self, columns: Collection[str]) -> Self:
        """The same settings, the fold of the calls keeping further columns, for who looks for owners."""
        copy = self.model_copy()
        copy._kept = frozenset(columns)  # noqa: SLF001 - its own copy
        return copy

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """Every dimension: the built-in ones, then those written, in their order."""
        return (*BUILT_IN, *(name for name in self.dimensions if name not in BUILT_IN))

    def dimension(self, name: str) -> Dimension:
        """One dimension.

        Raises:
            KeyError: There is none of that name.
        """
        if name in BUILT_IN:
            return built_in(name)
        approved = evidence_of(self._approved, name) if name == self.owner else ()
        return Dimension.of(name, self.dimensions[name], approved)

    def rule(self, name: str, version: int | None = None) -> Rule:
        """A rule by name; of several versions the latest, unless one is named.

        Raises:
            KeyError: There is none.
        """
        found = [rule for rule in self.allocate if rule.name == name and version in (None, rule.version)]
        if not found:
            raise KeyError(name)
        return max(found, key=lambda rule: rule.version)

    def is_dimension(self, key: str) -> bool:
        """Whether a look-up key or a field is a dimension: a column goes first (D15)."""
        return key in self.dimension_names and key not in self._columns

    def needs(self, name: str) -> tuple[str, ...]:
        """The other dimensions whose values a dimension's evidence reads, each once, in order."""
        return tuple(dict.fromkeys(key for key, _ in self.needs_with_places(name)))

    def needs_with_places(self, name: str) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        """Each dimension that a dimension's evidence reads, with its place in the file."""
        for number, evidence in enumerate(self.dimension(name).evidence):
            place = ("dimensions", name, "evidence", number)
            if isinstance(evidence, LookupEvidence) and self.is_dimension(evidence.lookup.key):
                yield evidence.lookup.key, (*place, "lookup", "key")
            elif isinstance(evidence, ApprovedKeys):
                yield from ((key, place) for key in evidence.approved if self.is_dimension(key))
            elif isinstance(evidence, ValueEvidence):
                fields = sorted(n.key for n in evidence.when.names if n.kind == "field")
                yield from ((key, (*place, "when")) for key in fields if self.is_dimension(key))

    def dimension_order(self) -> list[str]:
        """Every dimension, each after those that its evidence reads (D15).

        Raises:
            graphlib.CycleError: They need each other; `check` reports that as a problem before.
        """
        sorter = TopologicalSorter({name: self.needs(name) for name in self.dimension_names})
        sorter.prepare()
        order: list[str] = []
        place = {name: number for number, name in enumerate(self.dimension_names)}
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=place.__getitem__)
            order += ready
            sorter.done(*ready)
        return order

    def evidence_names(self, without: Collection[Condition] = ()) -> tuple[list[str], list[str]]:
        """What the fold of the calls has to keep: tag keys and columns, each sorted and once.

        The columns are those that dimensions and conditions on usage read; some may be columns of charges
        only, and provider and model are kept in any case.

        Args:
            without: Conditions of values that need nothing kept.
        """
        tags: set[str] = set()
        columns: set[str] = set(self._kept)
        conditions: list[Condition] = [
            rule.where for rule in self.allocate if isinstance(rule, ProportionalRule) and rule.where
        ]
        for name in self.dimensions:
            for evidence in self.dimension(name).evidence:
                if isinstance(evidence, ValueEvidence):
                    conditions += [evidence.when] if evidence.when not in without else []
                else:
                    tags |= evidence.reads.tags
                    columns |= evidence.reads.columns
        for condition in conditions:
            tags.update(n.key for n in condition.names if n.kind == "tag")
            columns.update(n.key for n in condition.names if n.kind == "field")
        columns -= {*(name for name in self.dimension_names if self.is_dimension(name)), "category"}
        return sorted(tags), sorted(columns)
