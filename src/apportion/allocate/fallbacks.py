"""What weighs a pool whose own weights are missing or zero, as its rule declares it."""

from __future__ import annotations

from apportion.allocate.pools import UNALLOCATED, share_units
from apportion.config.rules import Fallback, as_fractions
from apportion.config.settings import Settings


def fallback_heads(fallback: Fallback, settings: Settings) -> tuple[str | None, str]:
    """The roster of a fallback by headcount, and how its heads count."""
    rosters = [source.name for source in settings.directory if source.type == "roster"]
    said = fallback.headcount
    roster = (said.roster if said else None) or (rosters[0] if rosters else None)
    return roster, (said.policy if said else None) or settings.policies.headcount


def fallback_shares(fallback: Fallback) -> list[tuple[str, int]]:
    """Owners and weights of a fallback that names its owners."""
    if fallback.even:
        return [(owner, 1) for owner in fallback.even]
    if fallback.fixed:
        return [(owner, share_units(share)) for owner, share in as_fractions(fallback.fixed).items()]
    return [(fallback.to or UNALLOCATED, 1)]


def fallback_text(fallback: Fallback) -> str:
    """For people, as `fixed ml 40, platform 60`."""
    if fallback.headcount:
        return "headcount"
    if fallback.even:
        return "even over " + ", ".join(fallback.even)
    if fallback.fixed:
        return "fixed " + ", ".join(f"{owner} {share}" for owner, share in fallback.fixed.items())
    return f"to {fallback.to}"
