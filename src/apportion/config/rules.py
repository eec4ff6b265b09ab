"""Allocation rules: which charges they own and where the weights of the claims come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from apportion.config.conditions import Compare, Condition
from apportion.config.conditions import Name as Field_
from apportion.config.policies import Category, KeptBy, VarianceChoice
from apportion.config.written import POOL, Dated, Name, Number, Owner, Text, When, Whole, Written, choice

METHODS = ("direct", "proportional", "fixed", "headcount", "even", "seats")
ATTRIBUTED_COST = "attributed_cost"
BUILT_IN_METERS = ("tokens", "requests", ATTRIBUTED_COST)

Target = tuple[tuple[str | int, ...], str]


class Headcount(Written):
    """Heads of a roster as weights."""

    roster: Text | None = None
    """The roster; without it, the only one of the directory."""
    policy: Literal["day_weighted", "month_end"] | None = None
    """How heads count; without it, as the project's policies say."""


class Fallback(Written):
    """What weighs a pool whose own weights are missing or zero; exactly one of the four."""

    even: tuple[Owner, ...] | None = None
    """The same to each of these owners."""
    fixed: Mapping[Owner, Number] | None = None
    """Written shares that total 100, or 1."""
    headcount: Headcount | None = None
    """The heads of a roster."""
    to: Owner | None = None
    """All of it to one owner."""

    def targets(self) -> Iterator[Target]:
        """Every owner it names, with its place."""
        yield from ((("even", n), owner) for n, owner in enumerate(self.even or ()))
        yield from ((("fixed", owner), owner) for owner in self.fixed or ())
        if self.to is not None:
            yield ("to",), self.to


class Amortize(Written):
    """Spreads a charge over days."""

    days: Whole | None = None
    """Over so many days from the start of its charge period; without it, over the charge period."""


class Minimum(Written):
    """A minimum fee: what usage does not reach is a shortfall, divided by written shares."""

    amount: Number
    """The minimum for each period, in the ledger currency."""
    shares: Mapping[Owner, Number]
    """Who bears the shortfall: shares that total 100, or 1."""


class Idle(Written):
    """Who bears idle capacity."""

    policy: Literal["separate", "spread", "by_reservation"] = "separate"
    """Kept apart, spread by usage, or borne by who reserved it."""
    to: Owner | None = None
    """Who keeps it; only with `separate`."""


class SeatsIdle(Written):
    """Who bears seats that nobody uses."""

    policy: Literal["owner", "spread", "to"] = "owner"
    """The seat's own owner, everyone by their used seats, or one owner."""
    to: Owner | None = None
    """Who bears them; only with the policy `to`."""


def _amortize(value: Any) -> Any:
    if value in (True, "true", "True", "TRUE"):
        return {}
    return None if value in (False, "false", "False", "FALSE") else value


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class RuleParts(Dated):
    """What every rule has, whatever its method."""

    name: Name
    """The rule's name, which explanations and other rules use."""
    when: When | None = None
    """Which charges it owns; without it and without `category`, it only receives what other rules feed it."""
    category: Category | None = None
    """Only charges of this category."""
    version: Whole = Field(default=1, ge=1)
    """Counts the changes of the rule; two versions of a name may follow each other by their dates."""
    fallback: Fallback | None = None
    """What weighs the pool where the method finds no weights; without it, the cost stays unallocated."""
    amortize: Annotated[Amortize | None, BeforeValidator(_amortize, json_schema_input_type=bool | Amortize)] = None
    """Spread each charge over days: `true` for its charge period, or `{days: N}`."""
    note: Text | None = None
    """Why the rule is as it is; shown in explanations."""

    @property
    def condition(self) -> Condition | None:
        """`when` and `category` together; None for a rule that only receives."""
        if self.category is None:
            return self.when
        alone = Condition(f"category = '{self.category}'", Compare(Field_("field", "category"), "=", self.category))
        return alone if self.when is None else alone.and_also(self.when)

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names, `pool:NAME` among them, with its place in the rule."""
        if self.fallback:
            yield from ((("fallback", *path), owner) for path, owner in self.fallback.targets())

    @property
    def feeds(self) -> tuple[str, ...]:
        """The rules whose pools it feeds, each once."""
        pools = (owner.removeprefix(POOL) for _, owner in self.targets() if owner.startswith(POOL))
        return tuple(dict.fromkeys(pools))


class DirectRule(RuleParts):
    """Divides by the priced usage that carries an owner, or by the charge's own tags."""

    method: Literal["direct"]
    """By priced usage or own tags."""
    variance: VarianceChoice | None = None
    """The difference to metered cost, `scale_to_invoice` or `{to: OWNER}`; else as the policies say."""
    minimum: Minimum | None = None
    """A minimum fee and who bears its shortfall."""

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names."""
        if self.variance and self.variance.to is not None:
            yield ("variance", "to"), self.variance.to
        if self.minimum:
            yield from ((("minimum", "shares", owner), owner) for owner in self.minimum.shares)
        yield from super().targets()


class ProportionalRule(RuleParts):
    """Divides by a measured quantity."""

    method: Literal["proportional"]
    """By a meter."""
    meter: Annotated[
        tuple[Text, ...],
        BeforeValidator(_one_or_more, json_schema_input_type=str | list[str]),
    ] = Field(min_length=1)
    """A meter of the project, or `tokens`, `requests` or `attributed_cost`; two meters with `combine`."""
    combine: Literal["larger_share"] | None = None
    """How two meters become one weight: the larger of an item's two shares."""
    where: When | None = None
    """Which usage counts."""
    floor: Number | None = None
    """Weights below it count as this much, such as 0; without it a negative weight is an error."""
    idle: Annotated[
        Idle | None,
        BeforeValidator(
            choice("to", "separate", ("separate", "spread", "by_reservation")),
            json_schema_input_type=Literal["separate", "spread", "by_reservation"] | KeptBy,
        ),
    ] = None
    """Idle capacity: `separate`, `spread`, `by_reservation` or `{to: OWNER}`; without it, `separate`."""

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names."""
        if self.idle and self.idle.to is not None:
            yield ("idle", "to"), self.idle.to
        yield from super().targets()


class FixedRule(RuleParts):
    """Divides by written shares."""

    method: Literal["fixed"]
    """By written shares."""
    shares: Mapping[Owner, Number]
    """The share of each owner; they total 100, or 1."""

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names."""
        yield from ((("shares", owner), owner) for owner in self.shares)
        yield from super().targets()


class EvenRule(RuleParts):
    """Divides into equal parts."""

    method: Literal["even"]
    """In equal parts."""
    among: tuple[Owner, ...]
    """The owners."""

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names."""
        yield from ((("among", n), owner) for n, owner in enumerate(self.among))
        yield from super().targets()


class HeadcountRule(RuleParts):
    """Divides by the heads of a dated roster."""

    method: Literal["headcount"]
    """By heads."""
    roster: Text | None = None
    """The roster; without it, the only one of the directory."""
    policy: Literal["day_weighted", "month_end"] | None = None
    """How heads count; without it, as the project's policies say."""


class SeatsRule(RuleParts):
    """Divides by seats."""

    method: Literal["seats"]
    """By seats."""
    seats: Text | None = None
    """The seats; without it, those of the rule's own name, or the only ones."""
    weight: Literal["seat_price", "active_users"] = "seat_price"
    """Seat-days at the seat's price, or heads that used the tool."""
    idle: Annotated[
        SeatsIdle,
        BeforeValidator(
            choice("to", "to", ("owner", "spread")),
            json_schema_input_type=Literal["owner", "spread"] | KeptBy,
        ),
    ] = SeatsIdle()
    """Seats that nobody uses: their `owner`, `spread`, or `{to: OWNER}`."""

    def targets(self) -> Iterator[Target]:
        """Every owner that the rule names."""
        if self.idle.to is not None:
            yield ("idle", "to"), self.idle.to
        yield from super().targets()


def _method(value: Any) -> str | None:
    method = value.get("method") if isinstance(value, dict) else getattr(value, "method", None)
    return f"<{method}>" if method in METHODS else None


Rule = Annotated[
    Annotated[DirectRule, Tag("<direct>")]
    | Annotated[ProportionalRule, Tag("<proportional>")]
    | Annotated[FixedRule, Tag("<fixed>")]
    | Annotated[EvenRule, Tag("<even>")]
    | Annotated[HeadcountRule, Tag("<headcount>")]
    | Annotated[SeatsRule, Tag("<seats>")],
    Discriminator(_method),
]


def as_fractions(shares: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Shares that total 100 or 1 as parts of 1, exactly."""
    total = sum(shares.values(), Decimal(0))
    return {owner: share if total == 1 else share.scaleb(-2) for owner, share in shares.items()}
