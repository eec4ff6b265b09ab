"""How sure the calls are that weigh: measured, estimated, or known to have been made and nothing else."""

from __future__ import annotations

from typing import NamedTuple

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report import queries
from apportion.report.percentages import percent


class Doubt(NamedTuple):
    """Calls of a provider that are not measured.

    Attributes:
        provider: Of the calls.
        calls: All of them, the measured ones too.
        estimated: How many are estimated.
        tokens: That the estimates come to.
        missing: How many tell no usage, and may be billed.
    """

    provider: str
    calls: int
    estimated: int
    tokens: int
    missing: int

    @property
    def told(self) -> str:
        """What is not measured, in words: `2 calls (300 tokens) estimated, 1 without usage`."""
        parts = []
        if self.estimated or self.tokens:
            noun = "call" if self.estimated == 1 else "calls"
            parts.append(f"{self.estimated:,} {noun} ({self.tokens:,} tokens) estimated")
        if self.missing:
            noun = ("call" if self.missing == 1 else "calls") + " " if not parts else ""
            parts.append(f"{self.missing:,} {noun}without usage")
        return ", ".join(parts)


def _read(
    con: DuckDBPyConnection, period: Period, provider: str = "", account: str = "", model: str = ""
) -> list[Doubt]:
    """The calls of a period, or of one pool, a line per provider; nothing where an older version wrote the cells."""
    if not queries.has_column(con, "usage_cells", "missing_calls"):
        return []
    asked = {"provider": provider, "account": account, "model": model, "start": period.start, "end": period.end}
    return [Doubt(str(row[0]), *map(int, row[1:])) for row in queries.run(con, "usage_doubts", asked)]


def doubt_notes(con: DuckDBPyConnection, period: Period) -> list[str]:
    """What every report says of a period's calls where not all are measured, a sentence per provider.

    Args:
        con: A connection that has the tables.
        period: The accounting period.
    """
    return [
        f"{one.provider}: of {_calls(one.calls)}, {one.told}; an estimate weighs and is never billed, a call without"
        " usage weighs no tokens"
        for one in _read(con, period)
        if one.told
    ]


def pool_doubts(con: DuckDBPyConnection, period: Period, provider: str, account: str, model: str) -> list[str]:
    """How much of a pool's evidence is not measured, in a sentence; nothing where all of it is.

    Args:
        con: A connection that has the tables.
        period: The accounting period of the pool.
        provider: Of the pool; empty for all.
        account: Its billing account.
        model: Its model, empty for every model.
    """
    found = _read(con, period, provider, account, model)
    calls, unsure = sum(one.calls for one in found), sum(one.estimated + one.missing for one in found)
    said = "; ".join(one.told for one in found if one.told)
    share = percent(unsure, calls)
    if not said:
        return []
    of = f"of the {_calls(calls)} that weigh it"
    return [
        f"{share} % {of} {'is' if unsure == 1 else 'are'} not measured: {said}" if share else f"not measured: {said}"
    ]


def _calls(number: int) -> str:
    return f"{number:,} {'call' if number == 1 else 'calls'}"
