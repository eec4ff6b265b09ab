"""One pool explained in words: its money, its weights, the split, the layers with their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apportion.money import minor_digits, show
from apportion.period import Period
from apportion.report.context import Context
from apportion.report.evidence import Found, in_words
from apportion.report.notes import counted
from apportion.report.percentages import percent, quotient
from apportion.report.weight_sources import WeightSource
from apportion.report.weights import Measure

_EXACT_DIGITS = 4
_LABEL = 9
_HEAD = 58
_LAYERS = ("direct", "rule", "default", "shared", "unallocated")
# The shortest month: more windows than that are days.
_DAYS_OF_A_MONTH = 28


@dataclass(frozen=True)
class Claim:
    """One claim to a pool, its owner as a reader may see it, its amount in minor units."""

    owner: str
    layer: str
    role: str
    weight: int
    evidence: str | None
    minor: int


@dataclass(frozen=True)
class Pool:
    """A pool as `pool_facts.sql` writes it, with the ledger currency before it."""

    currency: str
    pool: str
    period: str
    rule: str
    version: int
    method: str
    kind: str
    status: str
    category: str
    invoice: str | None
    item: str | None
    provider: str | None
    model: str | None
    minor: int
    basis: str | None
    weight_total: int | None
    fallback: str | None
    note: str | None
    account: str | None
    windows: int | None

    @property
    def title(self) -> str:
        """Its item, or its rule where it has none."""
        return (self.item or "").strip("/") or self.rule

    @property
    def measure(self) -> Measure:
        """What it was divided by."""
        return Measure(self.method, self.basis or "", self.fallback or "", self.currency)

    @property
    def words(self) -> str:
        """Rule, version, method and weight."""
        return f"rule {self.rule} v{self.version}, {self.measure.words}"

    @property
    def origin(self) -> str:
        """The invoice that its money is on."""
        if not self.invoice:
            return "no invoice yet, an estimate" if self.status == "estimate" else "no invoice"
        return "invoice " + self.invoice.replace("|", " ")

    @property
    def by_windows(self) -> str:
        """What is said of a pool that was divided window by window; nothing for one window."""
        windows = self.windows or 1
        if windows == 1:
            return ""
        if windows >= _DAYS_OF_A_MONTH:
            return f"{windows} windows: each day's money by that day's weights"
        return f"{windows} windows: the money of each charge period by the weights of its own days"

    def exact(self, weight: int) -> Decimal | None:
        """The share of a weight before rounding, as an amount; None where no one sum of weights divided it."""
        if self.by_windows:
            return None
        whole = (self.weight_total or 0) * 10 ** minor_digits(self.currency)
        return quotient(self.minor * weight, whole, _EXACT_DIGITS)


@dataclass(frozen=True)
class Told:
    """What is known of a pool besides its facts.

    Attributes:
        claims: All of them.
        owner: Only this owner's part is explained; None is everybody's.
        charges: How many source rows its money came from.
        rows: Where those are.
        weights: Where its weights came from.
        found: What named the owners.
        notes: Sentences that belong to it.
    """

    claims: Sequence[Claim]
    owner: str | None
    charges: int
    rows: str
    weights: WeightSource
    found: Sequence[Found]
    notes: Sequence[str]

    @property
    def mine(self) -> list[Claim]:
        """The claims that are explained."""
        return [claim for claim in self.claims if self.owner is None or claim.owner == self.owner]

    @property
    def amount(self) -> int:
        """What they come to, in minor units."""
        return sum(claim.minor for claim in self.mine)


def block(context: Context, pool: Pool, told: Told) -> str:
    """A pool, or an owner's part of it, in a few labelled lines."""
    target = f" → {told.owner}" if told.owner else ""
    head = f"{pool.title}{target}  {show(told.amount, context.currency)} {context.currency}"
    charges = f"{counted(told.charges, 'charge')}, " if told.charges else ""
    origin = charges + pool.origin + (f"  ({told.rows})" if told.rows else "")
    lines = [f"{head:<{_HEAD}}  {pool.words}"]
    lines.append(_labelled("pool", f"{show(pool.minor, context.currency)}   {origin}"))
    if len(told.mine) > 1 and told.owner is None and pool.by_windows:
        lines.append(_labelled("split", pool.by_windows))
    layers = len({claim.layer for claim in told.mine}) > 1
    lines += [_labelled("weight", _weight_words(pool, told, claim, layered=layers)) for claim in told.mine]
    if told.weights.words:
        lines.append(_labelled("from", told.weights.words))
    if told.owner is not None:
        lines.append(_labelled("split", _split_words(context, pool, told)))
    lines += [_labelled("layer", words) for words in _layer_words(context, told)] or [_labelled("layer", "none")]
    lines += [_labelled("note", note) for note in told.notes]
    lines.append(_labelled("id", pool.pool))
    if context.run:
        lines.append(_labelled("run", context.run))
    return "\n".join(lines)


def closing(context: Context, owner: str, period: Period | None, amounts: Sequence[int]) -> str:
    """The line below an owner's pools: what they come to."""
    when = f" in {period.title}" if period else ""
    head = f"{owner}{when}  {show(sum(amounts), context.currency)} {context.currency}"
    return f"{head:<{_HEAD}}  the sum of {counted(len(amounts), 'pool')}"


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{text}"


def _layer_words(context: Context, told: Told) -> list[str]:
    """A line per layer: its amount, and what named the owner in it."""
    lines = []
    for layer in sorted({claim.layer for claim in told.mine}, key=_LAYERS.index):
        minor = sum(claim.minor for claim in told.mine if claim.layer == layer)
        parts: dict[str, int] = {}
        for found in told.found:
            if found.layer == layer:
                parts[found.words] = parts.get(found.words, 0) + found.minor
        ordered = sorted(parts.items(), key=lambda found: (-abs(found[1]), found[0]))
        said = in_words((words, show(part, context.currency)) for words, part in ordered)
        lines.append(f"{layer} {show(minor, context.currency)}" + (f"   {said}" if said else ""))
    return lines


def _weight_words(pool: Pool, told: Told, claim: Claim, *, layered: bool) -> str:
    who = f"{claim.owner}, " if told.owner is None else ""
    who += f"{claim.layer}, " if layered and told.owner is not None else ""
    who += "" if claim.role in ("use", "whole") else f"{claim.role.replace('_', ' ')}, "
    share = percent(claim.weight, pool.weight_total or 0)
    if share is None:
        return f"{who}the whole pool"
    mine = pool.measure.counted(claim.weight)
    every = pool.measure.counted(pool.weight_total)
    unit = told.weights.unit or pool.basis or ""
    return f"{who}{mine:,f} of {every:,f} {unit}".rstrip() + f" = {share} %"


def _split_words(context: Context, pool: Pool, told: Told) -> str:
    shown = show(told.amount, context.currency)
    if pool.by_windows:
        return f"{shown}   {pool.by_windows}"
    weights: dict[str, int] = {}
    for claim in told.claims:
        weights[claim.owner] = weights.get(claim.owner, 0) + claim.weight
    exact = pool.exact(sum(claim.weight for claim in told.mine))
    total = pool.weight_total
    if exact is None or not total or total != sum(weights.values()):
        return f"{shown}   nothing was divided by one sum of weights"
    floors = {name: abs(pool.minor) * weight // total for name, weight in weights.items()}
    left = abs(pool.minor) - sum(floors.values())
    got = abs(told.amount) - floors[told.mine[0].owner]
    before = f"{'−' if exact < 0 else ''}{abs(exact):,f}"  # noqa: RUF001 - a minus is a minus sign
    if got not in (0, 1):
        return f"{before} → {shown}   divided by the days of its charges, window by window"
    rest = f"largest remainder: {got} of {counted(left, 'left-over cent')}" if left else "no cent was left over"
    return f"{before} → {shown}   {rest}"
